"""One object of the cluster: list it, then watch it from there, for ever."""

from __future__ import annotations

import time
from threading import Event
from typing import TYPE_CHECKING

from supervisor.backoff import backoff
from supervisor.cluster import OPENED, own_namespace
from supervisor.errors import Expired, SourceError, Unavailable
from supervisor.source.decode import config_object
from supervisor.status import Contact

if TYPE_CHECKING:
    from collections.abc import Iterator

    from supervisor.cluster import Cluster
    from supervisor.collection import Collection
    from supervisor.model import ConfigObject

    Heard = tuple[ConfigObject, ...] | SourceError

# A watch that ends sooner than it can have been meant to was cut; waiting keeps us polite then.
_SHORTEST_WATCH_S = 5.0


class ObjectSource:
    """A ConfigMap, by name. While it does not exist, it is waited for; when it is deleted, what it last held stays wanted."""

    def __init__(self, cluster: Cluster, collection: Collection) -> None:
        self._cluster = cluster
        self._collection = collection
        self._version = ""
        self._said: list[Heard] = []
        self.name = str(self._collection)
        self.contact = Contact()

    def watch(self) -> Iterator[Heard]:
        """List, watch from the list's version, and go on from the last version seen whenever the watch ends.

        After Expired, and after errors that leave the version in doubt, list again: the newest state is never missed.
        """
        delays = backoff()
        is_troubled = False
        while True:
            began = time.monotonic()
            try:
                if not self._version:
                    yield from self._list()
                for kind, heard in self._follow():
                    if kind != OPENED:
                        delays = backoff()
                    if is_troubled:  # over: what was said before it holds again, good or bad
                        yield from self._said
                        is_troubled = False
                    yield from heard
                if time.monotonic() - began > _SHORTEST_WATCH_S:
                    continue
                problem: SourceError = Unavailable(f"cannot watch {self.name}: the server ends the watch at once")
            except SourceError as error:
                problem = error
            if not isinstance(problem, Unavailable):
                self._version = ""
            if not isinstance(problem, Expired):
                yield problem
                is_troubled = True
            Event().wait(max(next(delays), problem.retry_after_s))

    def _list(self) -> Iterator[Heard]:
        objects, version = self._cluster.list_objects(self._collection)
        self.contact.lists += 1
        self.contact.proven()
        found = [written for written in objects if self._is_ours(written)]
        self._said = [(config_object(self._collection.kind, found[0]),)] if found else [SourceError(self._missing())]
        yield from self._said
        self._version = version

    def _follow(self) -> Iterator[tuple[str, list[Heard]]]:
        """What each event of one watch has to say; a bookmark says nothing, but moves the version."""
        self.contact.watches += 1
        for kind, written in self._cluster.watch_objects(self._collection, self._version):
            self.contact.proven()
            heard: list[Heard] = []
            if self._is_ours(written) and kind in {"ADDED", "MODIFIED"}:
                heard = [(config_object(self._collection.kind, written),)]
            elif self._is_ours(written) and kind == "DELETED":
                heard = [SourceError(f"{self.name} was deleted: its last content stays")]
            self._said = heard or self._said
            yield kind, heard
            self._version = str(written.get("metadata", {}).get("resourceVersion") or self._version)

    def _is_ours(self, written: dict[str, object]) -> bool:
        metadata = written.get("metadata")
        return isinstance(metadata, dict) and metadata.get("name") == self._collection.name

    def _missing(self) -> str:
        pod_in = own_namespace()
        elsewhere = f" (this pod runs in namespace {pod_in}: did you mean {pod_in}/{self._collection.name}?)"
        hint = elsewhere if pod_in and pod_in != self._collection.namespace else ""
        return f"{self.name} does not exist: waiting for it{hint}"
