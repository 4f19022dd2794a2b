"""Objects of the cluster, by name or by labels: list them, then watch them from there, for ever."""

from __future__ import annotations

import time
from math import inf
from threading import Event
from typing import TYPE_CHECKING

from supervisor.backoff import backoff, no_sooner
from supervisor.cluster import OPENED, own_namespace
from supervisor.errors import Expired, SourceError, Unavailable
from supervisor.model import ConfigObject, Origin
from supervisor.source.decode import config_object
from supervisor.status import Contact

if TYPE_CHECKING:
    from collections.abc import Iterator

    from supervisor.cluster import Cluster, Object
    from supervisor.collection import Collection

    Heard = tuple[ConfigObject, ...] | SourceError

# A watch that ends sooner than it can have been meant to was cut; waiting keeps us polite then.
_SHORTEST_WATCH_S = 5.0
_KNOWN = {"ADDED", "MODIFIED", "DELETED", "BOOKMARK"}
# Between a list and its watch, once something has failed: no server in trouble is asked more than once a second.
_APART_S = 1.0


class ObjectSource:
    """ConfigMaps or Secrets.

    One that is named is waited for while it does not exist, and what it last held stays wanted when it is deleted; with
    `optional` it is empty then. Those that a selector picks come and go.
    """

    def __init__(self, cluster: Cluster, collection: Collection, *, optional: bool = False) -> None:
        self._cluster = cluster
        self._collection = collection
        self._optional = optional
        self._version = ""
        self._found: dict[str, ConfigObject] = {}
        self._problem = ""
        self.name = str(collection)
        self._opened_at = inf
        self._has_heard = False
        self.contact = Contact()

    def watch(self) -> Iterator[Heard]:
        """List, watch from the list's version, and go on from the last version seen whenever the watch ends.

        After Expired, and after errors that leave the version in doubt, list again: the newest state is never missed.
        """
        delays = backoff()
        is_troubled, apart_s = False, 0.0
        while True:
            self._opened_at, self._has_heard = inf, False
            try:
                if not self._version:
                    yield from self._list()
                    Event().wait(apart_s)
                for heard in self._follow():
                    if is_troubled:  # over: what was said before it holds again, good or bad
                        yield from self._say()
                        is_troubled = False
                    yield from heard
                if self._has_lasted():
                    apart_s = 0.0
                    continue
                problem: SourceError = Unavailable(f"cannot watch {self.name}: the server ends the watch at once")
            except SourceError as error:
                problem = error
            apart_s = _APART_S
            delays = self._calmed(delays)
            if not isinstance(problem, Unavailable):
                self._version = ""
            if not isinstance(problem, Expired):
                yield problem
                is_troubled = True
            Event().wait(max(next(delays), no_sooner(problem.retry_after_s)))

    def _list(self) -> Iterator[Heard]:
        found: dict[str, ConfigObject] = {}
        version = ""
        for page, version_of_all in self._cluster.list_pages(self._collection):
            version = version_of_all
            self.contact.proven()
            while page:  # each is let go as soon as it is decoded: a page may hold many megabytes
                written = page.pop()
                if self._is_ours(written):
                    decoded = config_object(self._collection.kind, written)
                    found[decoded.origin.name] = decoded
        self.contact.lists += 1
        self._found, self._problem = found, self._missing()
        yield from self._say()
        self._version = version

    def _has_lasted(self) -> bool:
        """Whether the watch was no trouble."""
        return time.monotonic() - self._opened_at > _SHORTEST_WATCH_S

    def _calmed(self, delays: Iterator[float]) -> Iterator[float]:
        """The delays to go on with after a failure: from the first if the watch has lasted, from the second if it told something.

        The first is shorter than a second, and a server may send an event and cut, again and again.
        """
        if self._has_lasted():
            return backoff()
        if self._has_heard:
            delays = backoff()
            next(delays)
        return delays

    def _follow(self) -> Iterator[Iterator[Heard]]:
        """What each event of one watch has to say; a bookmark says nothing, but moves the version."""
        self.contact.watches += 1
        for kind, written in self._cluster.watch_objects(self._collection, self._version):
            self.contact.proven()
            heard: Iterator[Heard] = iter(())
            if kind == OPENED:
                self._opened_at = time.monotonic()
            else:
                self._has_heard = True
            if self._is_ours(written) and kind in {"ADDED", "MODIFIED"}:
                decoded = config_object(self._collection.kind, written)
                self._found[decoded.origin.name] = decoded
                heard = self._say()
            elif self._is_ours(written) and kind == "DELETED":
                self._found.pop(written["metadata"]["name"], None)
                self._problem = self._deleted()
                heard = self._say()
            yield heard
            metadata = written.get("metadata")
            if kind in _KNOWN and isinstance(metadata, dict):
                self._version = str(metadata.get("resourceVersion") or self._version)

    def _say(self) -> Iterator[Heard]:
        """All that is wanted now; and why, if there is nothing."""
        collection = self._collection
        if self._found:
            yield tuple(self._found[name] for name in sorted(self._found))
            return
        if collection.name and self._optional:
            yield (ConfigObject(Origin(collection.kind, collection.namespace, collection.name), {}),)
        elif collection.name:
            yield SourceError(self._problem)
        else:
            yield ()
            yield SourceError(self._problem)

    def _is_ours(self, written: Object) -> bool:
        metadata = written.get("metadata")
        name = metadata.get("name") if isinstance(metadata, dict) else None
        return isinstance(name, str) and self._collection.name in {"", name}

    def _deleted(self) -> str:
        if self._collection.name:
            return f"{self.name} was deleted: its last content stays"
        return f"no {self._collection.kind} has the labels of {self.name} any more: nothing of them is wanted"

    def _missing(self) -> str:
        pod_in, collection = own_namespace(), self._collection
        elsewhere = f" (this pod runs in namespace {pod_in}: did you mean {pod_in}/{collection.name or collection.labels}?)"
        hint = elsewhere if pod_in and pod_in != collection.namespace else ""
        if collection.name:
            return f"{self.name} does not exist: waiting for it{hint}"
        return f"no {collection.kind} has the labels of {self.name}: nothing of them is wanted yet{hint}"
