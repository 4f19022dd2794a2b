"""Publish snapshots to configroots, each in a process of its own, which may die without a word on the way.

A line of JSON for each comes on standard input: `root`, `wanted` as {path: content}, `layout`, and `cut`: it dies before the
N-th change of the file system, 0: it does not. The answer is a line with the number of changes, or `killed`.
"""

import json
import os
import sys
import time
from typing import Literal

from supervisor.model import File, Origin, Snapshot
from supervisor.tree import Tree

CHANGES = {"os.mkdir", "os.rename", "os.symlink", "os.remove", "os.rmdir", "os.chmod", "os.link", "os.truncate"}


def publish(root: str, wanted: dict[str, str], layout: Literal["atomic", "files"], cut: int) -> int:
    count = 0

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal count
        is_write = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_CREAT | os.O_WRONLY | os.O_RDWR)
        if event in CHANGES or is_write:
            count += 1
            if count == cut:
                os.kill(os.getpid(), 9)
                time.sleep(60)  # until it dies

    files = [File(path, text.encode(), 0o666) for path, text in wanted.items()]
    snapshot = Snapshot([(Origin("ConfigMap", "", "app"), files)])
    sys.addaudithook(hook)
    tree = Tree(root, layout=layout)
    if tree.live is None or tree.live.revision != snapshot.revision:
        tree.publish(tree.stage(snapshot))
    tree.let_go()
    tree.mark_good()
    tree.prune()
    return count


for line in sys.stdin:
    pid = os.fork()
    if pid == 0:
        try:
            print(publish(**json.loads(line)), flush=True)
        finally:
            os._exit(0 if sys.exc_info()[0] is None else 1)
    _, status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(status):
        print("killed", flush=True)
    elif status:
        print("failed", flush=True)
