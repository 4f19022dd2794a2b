"""Follow what the lines of standard input name, each in a thread, and print every word: `ConfigMap NAMESPACE`, `Folder PATH`.

A word is a line of JSON: what was named, and the contents of its keys by object, as latin-1.
"""

import json
import sys
from threading import Lock, Thread

from supervisor.cluster import Cluster
from supervisor.collection import Collection
from supervisor.errors import SourceError
from supervisor.source import Source
from supervisor.source.folder import FolderSource
from supervisor.source.objects import ObjectSource

cluster = Cluster(sys.argv[1], None)
lock = Lock()  # a word is one line


def follow(named: str, source: Source) -> None:
    for heard in source.watch():
        if not isinstance(heard, SourceError):
            objects = {found.origin.name: {key: text.decode("latin-1") for key, text in found.data.items()} for found in heard}
            with lock:
                print(json.dumps([named, objects]), flush=True)


for line in sys.stdin:
    kind, _, place = line.strip().partition(" ")
    source: Source = FolderSource(place) if kind == "Folder" else ObjectSource(cluster, Collection(kind, place, labels="app=web"))
    Thread(target=follow, args=(line.strip(), source), daemon=True).start()
