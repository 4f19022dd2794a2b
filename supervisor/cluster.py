"""The door to the Kubernetes API: who we are, list and watch one kind of object, and the API's errors in our words.

Only the client library's configuration and its REST client are used, with paths: its generated calls and models cost many
times the start-up and memory, and its own watch gives up after one 410 and does not know bookmarks from silence.
Most of the library is imported by the first call, on the caller's thread.
"""

from __future__ import annotations

import json
import os
import random
import time
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple

from supervisor.collection import Collection
from supervisor.errors import Denied, Expired, SourceError, StartError, Unavailable
from supervisor.login import import_narrowly, log_in
from supervisor.patience import Patience
from supervisor.turns import Turns

if TYPE_CHECKING:
    from collections.abc import Iterator

    from supervisor.login import Api
    from supervisor.settings import ClusterSettings

_SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
_DEFAULT_KUBECONFIG = "~/.kube/config"

_CONNECT_S = 10.0
_ANSWER_S = 30.0
# The server ends a watch after a time that we choose, and we open the next: about eight requests an hour. At random, so that
# many instances do not renew together (client-go's reflector does the same).
_WATCH_S = (300, 600)
_PAGE_OBJECTS = 500
# The largest object, 1 MiB, has up to six bytes a character in JSON, and its managedFields.
_LINE_BYTES_MAX = 16 * 2**20
_ERROR_BYTES_MAX = 2**20
_MESSAGE_MAX = 300
_METHODS = {"create": "POST", "patch": "PATCH"}
_CONTENT_TYPES = {"create": "application/json", "patch": "application/merge-patch+json"}
OPENED = "OPENED"  # a watch's first event, by us: the server has agreed to it

Object = dict[str, Any]


class Seen(NamedTuple):
    """What the API server tells of itself and of us."""

    server: str
    date: str
    """Its clock, as HTTP writes it."""
    user: str
    """Who we are to it; empty if it does not tell."""


def find(settings: ClusterSettings, environment_kubeconfig: str | None) -> str | None:
    """The kubeconfig to use, None for the pod's own service account. Raises StartError if there is neither."""
    if settings.kubeconfig:
        return settings.kubeconfig
    if not settings.context and os.path.exists(f"{_SERVICE_ACCOUNT}/token"):
        return None
    path = environment_kubeconfig or os.path.expanduser(_DEFAULT_KUBECONFIG)
    if any(os.path.isfile(part) for part in path.split(os.pathsep)):
        return path
    raise StartError(
        "cannot find a cluster: no --kubeconfig, no $KUBECONFIG, no ~/.kube/config, and no service account is mounted "
        "(is automountServiceAccountToken false?)"
    )


def own_namespace() -> str | None:
    """The namespace of the pod that we run in, None outside of one."""
    try:
        with open(f"{_SERVICE_ACCOUNT}/namespace", encoding="ascii") as file:
            return file.read().strip()
    except (OSError, UnicodeDecodeError):
        return None


class Cluster:
    """One API server, as one user. Any thread may use it; after a failure the next call reads the configuration again."""

    def __init__(self, kubeconfig: str | None, context: str | None) -> None:
        import_narrowly()
        import urllib3  # it brings logging, which no other thread may import while the main one forks (spawn)

        urllib3.disable_warnings()  # that a server is not verified was somebody's choice, and its lines are no JSON
        self._kubeconfig = kubeconfig
        self._context = context
        self._lock = Lock()
        self._api: Api | None = None
        self._patience = Patience()
        self._turns = Turns()

    def list_pages(self, collection: Collection) -> Iterator[tuple[list[Object], str]]:
        """All objects, page by page, each with the version to watch from. Raises SourceError, and Expired to begin again.

        No version is asked for, so the answer is the newest state and never older than one that we saw before a restart. All
        pages show the state of the first one (Kubernetes API concepts, "Retrieving large results sets in chunks").
        """
        query = collection.selection if collection.name else [*collection.selection, ("limit", str(_PAGE_OBJECTS))]
        more: list[tuple[str, str]] = []
        self._turns.wait()
        while True:
            with self._translated(collection, "list"):
                answer = _parsed(self._request(collection.path, query + more, _ANSWER_S, collection, "list").data)
            items, metadata = answer.pop("items", None), answer.get("metadata")
            if items is None:
                items = []  # how Go writes an empty list
            if not isinstance(items, list) or not isinstance(metadata, dict) or not all(isinstance(item, dict) for item in items):
                raise SourceError(f"cannot list {collection}: the answer is no list")
            before, token = more, metadata.get("continue")
            more = [("continue", str(token))] if token else []
            if more and more == before:
                raise SourceError(f"cannot list {collection}: the pages do not end")
            self._turns.succeeded()
            yield items, str(metadata.get("resourceVersion", ""))
            if not more:
                return

    def watch_objects(self, collection: Collection, version: str) -> Iterator[tuple[str, Object]]:
        """Events since `version`, as (type, object), until the server ends the watch as agreed, or has been silent for too long.

        The first, OPENED, is our own. Raises Expired if the server no longer knows the version, Unavailable if the connection
        is lost, and SourceError for everything else.
        """
        from urllib3.exceptions import ReadTimeoutError

        lasts_s = random.randint(*_WATCH_S)
        query = [
            *collection.selection,
            ("watch", "1"),
            ("allowWatchBookmarks", "true"),
            ("resourceVersion", version),
            ("timeoutSeconds", str(lasts_s)),
        ]
        self._turns.wait()
        with self._translated(collection, "watch"):
            # It answers before there is anything to tell: only what comes after the head may be long in coming.
            response = self._request(collection.path, query, _ANSWER_S, collection, "watch")
            _bear_silence(response, self._patience.silence_s)
            self._turns.succeeded()
            yield OPENED, {}
            try:
                for line in _lines(response):
                    event = _parsed(line)
                    kind, found = event.get("type"), event.get("object")
                    if not isinstance(kind, str) or not isinstance(found, dict):
                        raise SourceError(f"cannot watch {collection}: the server sent something else than an event")
                    if kind == "ERROR":
                        raise _error_of(found.get("code"), found, collection, "watch", None)
                    if kind == "BOOKMARK":
                        self._patience.bookmark(time.monotonic())
                    yield kind, found
            except ReadTimeoutError:
                self._patience.ran_out()
                response.close()
                return
            except GeneratorExit:
                response.close()
                raise
            response.release_conn()

    def look(self) -> Seen:
        """Ask for what a doctor wants to know. Raises SourceError if the server cannot be reached or does not know us."""
        version, review = Collection("Version", ""), Collection("SelfSubjectReview", "")
        with self._translated(version, "ask for"):
            response = self._request("/version", [], _ANSWER_S, version, "ask for")
            server, date = self._client().host, str(response.headers.get("Date", ""))
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        try:
            with self._translated(review, "create"):
                path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
                answer = _parsed(self._request(path, [], _ANSWER_S, review, "create", body).data)
        except Unavailable:
            raise
        except SourceError:  # before Kubernetes 1.28 nobody can be asked
            answer = {}
        return Seen(server, date, str(answer.get("status", {}).get("userInfo", {}).get("username", "")))

    def create(self, collection: Collection, body: Object, *, is_trial: bool = False) -> None:
        """Create an object; as a trial, the server only says whether it would. Raises SourceError."""
        query = [("dryRun", "All")] if is_trial else []
        with self._translated(collection, "create"):
            self._request(collection.path, query, _ANSWER_S, collection, "create", body)

    def patch(self, collection: Collection, body: Object) -> None:
        """Change fields of the object that the collection names. Raises SourceError."""
        with self._translated(collection, "patch"):
            self._request(f"{collection.path}/{collection.name}", [], _ANSWER_S, collection, "patch", body)

    def _request(
        self,
        path: str,
        query: list[tuple[str, str]],
        silence_s: float,
        collection: Collection,
        verb: str,
        body: Object | None = None,
    ) -> Any:
        """Send a request; return urllib3's response, its body unread."""
        headers = {"Accept": "application/json"} | ({"Content-Type": _CONTENT_TYPES[verb]} if body else {})
        method, timeouts_s = _METHODS.get(verb, "GET"), (_CONNECT_S, silence_s)
        response = self._client().send(method, path, query, headers, body, timeouts_s)
        if not 200 <= response.status < 300:
            status = _parsed(response.read(_ERROR_BYTES_MAX))
            response.close()
            raise _error_of(response.status, status, collection, verb, response.headers.get("Retry-After"))
        return response

    def _client(self) -> Api:
        with self._lock:
            if self._api is None or self._api.expires_at <= time.time():
                self._api = log_in(self._kubeconfig, self._context)
            return self._api

    def _forget(self) -> None:
        self._api = None
        self._turns.failed()

    @contextmanager
    def _translated(self, collection: Collection, verb: str) -> Iterator[None]:
        """Turn the library's errors into ours; and log in again next time: token, certificates or address may have changed."""
        from kubernetes.client.exceptions import OpenApiException
        from kubernetes.config.config_exception import ConfigException
        from urllib3.exceptions import HTTPError

        try:
            yield
        except Expired:
            raise
        except SourceError:
            self._forget()
            raise
        except ConfigException as error:
            self._forget()
            raise SourceError(f"cannot use the cluster's configuration: {_short(error)}") from error
        except (HTTPError, OpenApiException, OSError) as error:
            self._forget()
            raise Unavailable(f"cannot {verb} {collection}: {_short(error)}") from error


def _bear_silence(response: Any, seconds: float) -> None:
    """Wait so long for more of a body. Not if the server is about to close the connection: then it is soon over anyway."""
    sock = response.connection and response.connection.sock
    if sock:
        sock.settimeout(seconds)


def _lines(response: Any) -> Iterator[bytes]:
    """The lines of a streamed body, each as soon as it is there."""
    parts: list[bytes] = []
    size = 0
    while chunk := response.read1(2**16):
        *ended, rest = chunk.split(b"\n")
        for line in ended:
            yield b"".join((*parts, line))
            parts, size = [], 0
        parts.append(rest)
        size += len(rest)
        if size > _LINE_BYTES_MAX:
            raise SourceError(f"the server sent a line of more than {_LINE_BYTES_MAX} bytes")


def _parsed(text: bytes) -> Object:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):  # not the error itself: it holds the text
        value = None
    return value if isinstance(value, dict) else {}


def _error_of(code: object, status: Object, collection: Collection, verb: str, retry_after: str | None) -> SourceError:
    """Our error for a Status object of the API (Kubernetes API conventions, "Response Status Kind")."""
    what = f"cannot {verb} {collection}"
    code = code if isinstance(code, int) else 0  # a hostile server's may be a list
    said = str(status.get("message", ""))[:_MESSAGE_MAX]
    if code == 410:
        return Expired(f"{what}: {said}")
    if code == 401:
        return SourceError(f"{what}: the API server does not accept our credentials (401): token or certificate expired?")
    if code == 403:
        return Denied(f"{what} (403): {said}. Add a Role, and a RoleBinding to it, with {collection.rule}")
    if code == 404:
        return SourceError(f"{what}: the server does not know {collection.path} (404): is this the API server's address?")
    if code in {429, 500, 502, 503, 504}:
        seconds = int(retry_after[:9]) if retry_after and retry_after.isdecimal() else 0
        return Unavailable(f"{what}: the API server is busy or not ready ({code}): {said}", retry_after_s=min(seconds, 60))
    return SourceError(f"{what}: the API server answered {code}: {said}")


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:_MESSAGE_MAX]
