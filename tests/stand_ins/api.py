"""A Kubernetes API inside the test process, over plain HTTP, with the faults that a test wants to see.

The package kmock was looked at: it has no resource versions, field selectors, bookmarks, 410 or watch time-outs, hence our
own. `test_stand_ins` asks it and a real server the same questions.
"""

from __future__ import annotations

import base64
import json
import random
import re
import socket
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import chain
from pathlib import Path
from threading import Condition, Event, Lock, Thread
from typing import Any, Self, Unpack
from urllib.parse import parse_qsl, unquote, urlsplit

from tests.stand_ins.client import ANSWER_S, ApiError, Client, Kubeconfig, Object, Text, free_port, version_of, write_context

_KINDS = {"configmaps": "ConfigMap", "secrets": "Secret"}
_PATH = re.compile(r"/api/v1/namespaces/([^/]+)/(configmaps|secrets)(?:/([^/]+))?")
_TERMS = re.compile(r",(?![^(]*\))")  # a comma that is not in parentheses
_KEY = re.compile(r"[-._a-zA-Z0-9]+")
_BYTES_MAX = 2**20
_REASONS = {410: "Expired", 422: "Invalid", 500: "InternalError", 504: "Timeout"}  # the others are HTTP's own words
_FIRST = 1000  # the version of an API that has seen no change
_FAREWELL_S = 2.0  # the last bookmark comes so long before the end of a watch, as a real server's does

_Place = tuple[str, str, str]  # resource, namespace, name
_Change = tuple[_Place, Object | None, Object | None]  # before and after


@dataclass(frozen=True)
class Request:
    """One request as it arrived; `time` is of time.monotonic()."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    time: float

    @property
    def is_watch(self) -> bool:
        """Whether it opens a watch."""
        return self.query.get("watch") in {"1", "true"}


class StandInApi:
    """ConfigMaps and Secrets behind one port; of `tokens` a request must have one, unless that is None.

    `raw_watch_lines` are sent as they are by the next watch. `bookmark_s` are the seconds between bookmarks, None for a
    server that sends none. A real one sends them only when something has happened since the watch began, this one always.
    A real one forgets old versions when it is restarted, this one only by compact().
    """

    def __init__(self, tokens: Iterable[str] | None = None) -> None:
        self.tokens = None if tokens is None else set(tokens)
        self.requests: list[Request] = []
        self.raw_watch_lines: list[bytes] = []
        self.bookmark_s: float | None = 60.0
        self._port = free_port()
        self._server: ThreadingHTTPServer | None = None
        self._connections: set[socket.socket] = set()
        self._watches: set[socket.socket] = set()
        self._running = Event()
        self._lock = Lock()  # of the faults: two requests must not take the same one
        self._faults: list[tuple[Callable[[Request], bool], ApiError]] = []
        self._store = _Store()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """Where it listens: the same after every restart."""
        return f"http://127.0.0.1:{self._port}"

    def client(self, answer_s: float = ANSWER_S) -> Client:
        """A new client, with one of the tokens if there are any."""
        return Client(self.url, token=min(self.tokens or [""]), answer_s=answer_s)

    def write_kubeconfig(self, path: Path, **options: Unpack[Kubeconfig]) -> Path:
        """Write a kubeconfig or add a context to it, see `Api`; there is no CA to embed."""
        return write_context(path, {"server": self.url}, min(self.tokens or [""]), options)

    def namespace(self, name: str) -> None:
        """Do nothing: every namespace exists."""

    def start(self) -> None:
        """Listen, with the objects and versions of before."""
        self.thaw()
        if self._server is None:
            self._server = ThreadingHTTPServer(("127.0.0.1", self._port), partial(_Handler, self))
            self._server.socket.listen(128)  # the usual 5 make the sixth of many clients at once wait for a second
            Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def kill(self) -> None:
        """Stop listening and cut all connections, in the middle of what they say."""
        if self._server:
            server, self._server = self._server, None
            server.shutdown()
            server.server_close()
            _cut(self._connections)
            self.thaw()  # what waits finds its connection cut, and ends

    stop = kill

    def freeze(self) -> None:
        """Accept connections and requests, and answer nothing."""
        self._running.clear()

    def thaw(self) -> None:
        """Answer what has piled up, and go on."""
        self._running.set()

    def compact(self) -> None:
        """Make a new version, and answer 410 to watches from any older one."""
        self._store.compact()

    def drop_watches(self) -> None:
        """Cut the connections of all open watches."""
        _cut(self._watches)

    def answer_next(
        self, status: int, headers: Text = None, times: int = 1, where: Callable[[Request], bool] = lambda _: True
    ) -> None:
        """Answer the next requests, or the next of those that `where` picks, by this error."""
        with self._lock:
            self._faults += [(where, _error(status, "as the test wants it", headers=headers))] * times

    def _answer(self, request: Request, body: bytes) -> Object | Iterator[bytes]:
        """The object that answers a request, or the lines of a watch."""
        self._admit(request)
        found = _PATH.fullmatch(request.path)
        if not found:
            raise _error(404, "the server could not find the requested resource")
        namespace, resource, name = found.groups("")
        place = (resource, namespace, name)
        if request.method in {"POST", "PUT", "PATCH"}:
            return self._store.write(request.method, place, json.loads(body))
        if request.method == "DELETE":
            return self._store.delete(place)
        if not request.is_watch:
            return self._store.get(place) if name else self._store.select(place, request.query)
        raw, self.raw_watch_lines = self.raw_watch_lines, []
        marks = request.query.get("allowWatchBookmarks") in {"1", "true"}
        return chain(raw, self._store.watch(place, request.query, self.bookmark_s if marks else None))

    def _admit(self, request: Request) -> None:
        with self._lock:
            for fault in self._faults:
                if fault[0](request):
                    self._faults.remove(fault)
                    raise fault[1]
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if self.tokens is not None and token not in self.tokens:
            raise _error(401, "Unauthorized") if token else _error(403, 'forbidden: User "system:anonymous"')


class _Store:
    """What is stored, and all that has happened to it: each change makes one version."""

    def __init__(self) -> None:
        self._changed = Condition()  # also the lock of all the rest
        self._objects: dict[_Place, Object] = {}
        self._history: list[_Change] = []
        self._oldest = _FIRST

    def compact(self) -> None:
        with self._changed:
            self._commit(("", "", ""), None)
            self._oldest = self._version

    def get(self, place: _Place) -> Object:
        with self._changed:
            return self._find(place)

    def select(self, place: _Place, query: Mapping[str, str]) -> Object:
        with self._changed:
            version, after = _token(query["continue"]) if query.get("continue") else (self._version, "")
            if version < self._oldest:
                raise _error(410, f"The provided continue parameter is too old: {version} ({self._oldest})")
            found = [one for one in self._picked(place, query, self._at(version)) if one["metadata"]["name"] > after]
        limit = int(query.get("limit") or 0) or len(found)
        plain = [{part: one[part] for part in one if part not in {"kind", "apiVersion"}} for one in found[:limit]]
        more = {"continue": _token_of(version, plain[-1]["metadata"]["name"])} if found[limit:] else {}
        return {**_head(f"{_KINDS[place[0]]}List", version, **more), "items": plain}

    def delete(self, place: _Place) -> Object:
        with self._changed:
            uid = self._find(place)["metadata"]["uid"]
            self._commit(place, None)
        details = {"name": place[2], "kind": place[0], "uid": uid}
        return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}

    def write(self, method: str, place: _Place, given: Object) -> Object:
        with self._changed:
            if method == "POST":
                return self._create((*place[:2], given["metadata"]["name"]), given)
            before = self._find(place)
            given = _merged(before, given) if method == "PATCH" else given
            if given["metadata"].get("resourceVersion", version_of(before)) != version_of(before):
                raise _error(409, f'Operation cannot be fulfilled on {place[0]} "{place[2]}": the object has been modified')
            after = _completed(place, given, before)
            _check(after, before)
            return before if before == after else self._commit(place, after)

    def watch(self, place: _Place, query: Mapping[str, str], mark_s: float | None) -> Iterator[bytes]:
        now = time.monotonic()
        ends = now + float(query.get("timeoutSeconds") or random.uniform(1800, 3600))
        with self._changed:
            position, lines = self._begin_watch(place, query, mark_s)
        yield from lines
        while position and now < ends:
            mark = _next_mark(now, ends, mark_s)
            for at, before, after in self._changes(position, min(mark, ends) - now):
                position += 1
                yield from _shown(_picks(place, query, at, before), _picks(place, query, at, after), position)
            now = time.monotonic()
            if mark <= now:
                yield _line("BOOKMARK", _head(_KINDS[place[0]], position))

    def _find(self, place: _Place) -> Object:
        if place not in self._objects:
            raise _error(404, f'{place[0]} "{place[2]}" not found')
        return self._objects[place]

    def _picked(self, place: _Place, query: Mapping[str, str], objects: Mapping[_Place, Object]) -> list[Object]:
        return [found for at, found in sorted(objects.items()) if _picks(place, query, at, found)]

    def _at(self, version: int) -> dict[_Place, Object]:
        """All objects as they were at that version: what has happened since is undone."""
        objects = dict(self._objects)
        for place, before, _ in reversed(self._history[version - _FIRST :]):
            objects.pop(place, None)
            if before:
                objects[place] = before
        return objects

    def _create(self, place: _Place, given: Object) -> Object:
        if place in self._objects:
            raise _error(409, f'{place[0]} "{place[2]}" already exists', "AlreadyExists")
        new = _completed(place, given, None)
        _check(new, None)
        return self._commit(place, new)

    @property
    def _version(self) -> int:
        return _FIRST + len(self._history)

    def _commit(self, place: _Place, after: Object | None) -> Object:
        before = self._objects.pop(place, None)
        if after is not None:
            after = self._objects[place] = _versioned(_written(after), self._version + 1)
        self._history.append((place, before, after))
        self._changed.notify_all()
        return after or {}

    def _changes(self, position: int, wait_s: float) -> list[_Change]:
        """What has happened since that version, as soon as it is something."""
        with self._changed:
            self._changed.wait_for(lambda: self._version > position, wait_s)
            return self._history[position - _FIRST :]

    def _begin_watch(self, place: _Place, query: Mapping[str, str], mark_s: float | None) -> tuple[int, list[bytes]]:
        """The version to go on from, 0 for no further, and the first lines."""
        position = int(query.get("resourceVersion") or 0)
        if position >= self._oldest:
            return position, []
        if position:  # in a 200, as the real one
            return 0, [_line("ERROR", _error(410, f"too old resource version: {position} ({self._oldest})").body)]
        mark = _head(_KINDS[place[0]], self._version, annotations={"k8s.io/initial-events-end": "true"})
        lines = [_line("ADDED", found) for found in self._picked(place, query, self._objects)]
        return self._version, [*lines, _line("BOOKMARK", mark)] if mark_s else lines


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def __init__(self, api: StandInApi, *args: Any) -> None:
        self._api = api
        super().__init__(*args)

    def handle(self) -> None:
        self._api._connections.add(self.connection)
        with suppress(OSError):  # the client has left, or was cut off
            super().handle()
        self._api._connections.discard(self.connection)
        self._api._watches.discard(self.connection)

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        url = urlsplit(self.path)
        query = dict(parse_qsl(url.query))
        request = Request(self.command, unquote(url.path), query, dict(self.headers.items()), time.monotonic())
        self._api.requests.append(request)
        self._wait_for_thaw()
        try:
            answer = self._api._answer(request, body)
        except ApiError as error:
            self._send(error.status, error.body, error.headers)
            return
        if isinstance(answer, dict):
            self._send(201 if self.command == "POST" else 200, answer)
        else:
            self._stream(answer)

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815  # the names that http.server wants

    def log_message(self, *_: object) -> None:
        """Say nothing: tests look at `requests`."""

    def _wait_for_thaw(self) -> None:
        self._api._running.wait()
        if self._api._server is not self.server:
            raise ConnectionAbortedError("killed while it was frozen")

    def _send(self, status: int, answer: Object, headers: Text = None) -> None:
        kind, text = "application/json", json.dumps(answer).encode()
        if status == 429:  # as the real one: it is sent before anything has looked at the request
            kind, text = "text/plain; charset=utf-8", b"Too many requests, please try again later.\n"
        self._send_head(status, {"Content-Type": kind, "Content-Length": str(len(text)), **(headers or {})})
        self.wfile.write(text)

    def _stream(self, lines: Iterator[bytes]) -> None:
        self._api._watches.add(self.connection)
        self._send_head(200, {"Content-Type": "application/json", "Transfer-Encoding": "chunked"})
        for line in lines:
            self._wait_for_thaw()
            self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
        self._api._watches.discard(self.connection)
        self._wait_for_thaw()
        self.wfile.write(b"0\r\n\r\n")

    def _send_head(self, status: int, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()


def _cut(connections: set[socket.socket]) -> None:
    for connection in tuple(connections):
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)  # close() would not wake the thread that reads from it


def _error(status: int, message: str, reason: str = "", headers: Text = None) -> ApiError:
    reason = reason or _REASONS.get(status) or HTTPStatus(status).phrase.replace(" ", "")
    body = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
    usual = {"Retry-After": "1"} if status == 429 else {}
    return ApiError(status, {**body, "message": message, "reason": reason, "code": status}, {**usual, **(headers or {})})


def _head(kind: str, version: int, **metadata: object) -> Object:
    return {"kind": kind, "apiVersion": "v1", "metadata": {"resourceVersion": str(version), **metadata}}


def _written(found: Object) -> Object:
    """An object with the moment of its last change, in one entry; a real server has one for each writer."""
    return {**found, "metadata": {**found["metadata"], "managedFields": [{"operation": "Update", "time": _now()}]}}


def _now() -> str:
    # gmtime() alone is of another clock, up to a tick behind: it may be a second ago there.
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time()))


def _versioned(found: Object, version: int) -> Object:
    return {**found, "metadata": {**found["metadata"], "resourceVersion": str(version)}}


def _line(kind: str, found: Object) -> bytes:
    return json.dumps({"type": kind, "object": found}).encode() + b"\n"


def _shown(was: Object | None, now: Object | None, version: int) -> Iterator[bytes]:
    """The event of a change: an object that no longer has the labels is shown as a deleted one, as it was."""
    if now:
        yield _line("MODIFIED" if was else "ADDED", now)
    elif was:
        yield _line("DELETED", _versioned(was, version))


def _next_mark(now: float, ends: float, mark_s: float | None) -> float:
    """When the next bookmark is due: in `mark_s`, or shortly before the end of the watch if that is earlier."""
    beat = now + (mark_s or float("inf"))
    return ends - _FAREWELL_S if mark_s and now < ends - _FAREWELL_S < beat else beat


def _picks(place: _Place, query: Mapping[str, str], at: _Place, found: Object | None) -> Object | None:
    """The object, if it is one that the request means."""
    field, selector = query.get("fieldSelector", ""), query.get("labelSelector", "")
    if found is None or at[:2] != place[:2] or field not in {"", f"metadata.name={at[2]}"}:
        return None
    labels = found["metadata"].get("labels", {})
    return found if all(_fits(term.strip(), labels) for term in _TERMS.split(selector) if term) else None


def _fits(term: str, labels: Mapping[str, str]) -> bool:
    """Whether labels fit one requirement of a selector: `a=b`, `a!=b`, `a`, `!a`, `a in (b,c)`, `a notin (b,c)`."""
    is_set = re.fullmatch(r"(\S+)\s+(in|notin)\s*\((.*)\)", term)
    if is_set:
        values = {value.strip() for value in is_set[3].split(",")}
        return (labels.get(is_set[1]) in values) == (is_set[2] == "in")
    key, equals, value = (part.strip() for part in term.replace("==", "=").partition("="))
    if not equals:
        return (key.lstrip("! ") in labels) != key.startswith("!")
    return (labels.get(key.removesuffix("!").strip()) == value) != key.endswith("!")


def _token_of(version: int, name: str) -> str:
    return base64.urlsafe_b64encode(json.dumps([version, name]).encode()).decode()


def _token(text: str) -> tuple[int, str]:
    version, name = json.loads(base64.urlsafe_b64decode(text))
    return version, name


def _merged(old: Any, patch: Any) -> Any:
    """RFC 7386, JSON Merge Patch."""
    if not isinstance(patch, dict):
        return patch
    kept = old if isinstance(old, dict) else {}
    merged = {**kept, **{key: _merged(kept.get(key), new) for key, new in patch.items()}}
    return {key: value for key, value in merged.items() if value is not None}


def _completed(place: _Place, given: Object, before: Object | None) -> Object:
    """An object with what the server adds, and without what is empty, as Go writes it."""
    born = {"uid": str(uuid.uuid4()), "creationTimestamp": _now()}
    old = before["metadata"] if before else born
    kept = {part: old[part] for part in ("uid", "creationTimestamp", "resourceVersion", "managedFields") if part in old}
    metadata = {**given["metadata"], "name": place[2], "namespace": place[1], **kept}
    usual = {"kind": _KINDS[place[0]], "apiVersion": "v1"} | ({"type": "Opaque"} if place[0] == "secrets" else {})
    parts = {**usual, **given, "metadata": {part: value for part, value in metadata.items() if value}}
    return {part: value for part, value in parts.items() if value}


def _check(found: Object, before: Object | None) -> None:
    """Refuse what a real server refuses: keys that are wrong, too much, a change to what is immutable."""
    texts, encoded = found.get("data", {}), found.get("binaryData", {})
    if found["kind"] == "Secret":
        texts, encoded = {}, texts
    try:
        contents = [text.encode() for text in texts.values()] + [base64.b64decode(raw, validate=True) for raw in encoded.values()]
    except (AttributeError, TypeError, ValueError) as error:
        raise _error(400, f"this cannot be handled as a {found['kind']}") from error
    wrong = [key for key in (*texts, *encoded) if not _KEY.fullmatch(key) or key in texts.keys() & encoded.keys()]
    fixed = before if before and before.get("immutable") else {}
    changed = [part for part in ("data", "binaryData", "immutable") if fixed and fixed.get(part) != found.get(part)]
    if wrong or changed or sum(map(len, contents)) > _BYTES_MAX:
        raise _error(422, f'{found["kind"]} "{found["metadata"]["name"]}" is invalid: {wrong or changed or "too long"}')
