"""What both APIs have in common: the tests' own small admin client, the face of an API, and kubeconfig files.

It is the standard library's http.client and not the library of the program under test, so a fault of that library
cannot hide in the tests.
"""

from __future__ import annotations

import base64
import copy
import http.client
import json
import os
import random
import socket
import ssl
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal, Protocol, TypedDict, Unpack
from urllib.parse import urlencode, urlsplit

from tests.running import LAST_APPLIED

Kind = Literal["ConfigMap", "Secret"]
Object = dict[str, Any]
Text = Mapping[str, str] | None
Raw = Mapping[str, bytes] | None

ANSWER_S = 30.0


class ApiError(Exception):
    """The API answered with an error; `status` is the HTTP status, `body` the Status object, empty if there was none."""

    def __init__(self, status: int, body: Object, headers: Mapping[str, str], text: str = "") -> None:
        self.status = status
        self.reason = str(body.get("reason", ""))
        self.message = str(body.get("message", text))
        self.body = body
        self.headers = headers
        super().__init__(status, self.reason, self.message)


class Client:
    """An admin of one API with one connection, for one thread."""

    def __init__(
        self,
        url: str,
        *,
        ca_file: Path | None = None,
        token: str | None = None,
        certificate: tuple[Path, Path] | None = None,
        answer_s: float = ANSWER_S,
    ) -> None:
        self._address = urlsplit(url)
        self._tls = ssl.create_default_context(cafile=ca_file) if ca_file else None
        if self._tls and certificate:
            self._tls.load_cert_chain(*certificate)
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._answer_s = answer_s
        self._connection = self._connect(answer_s)
        weakref.finalize(self, self._connection.close)  # tests drop clients, and Python warns of sockets that nobody closed

    def acting_as(self, user: str) -> Client:
        """The same admin with no more than the rights of a user, on the same connection (Kubernetes, "User impersonation")."""
        other = copy.copy(self)
        other._headers = {**self._headers, "Impersonate-User": user}
        return other

    def create(
        self, kind: Kind, namespace: str, name: str, data: Text = None, binary_data: Raw = None, labels: Text = None
    ) -> str:
        """Create an object and return its resourceVersion. The contents of a Secret are encoded here."""
        created = self.request("POST", path_of(kind, namespace), object_of(kind, name, data, binary_data, labels))
        return version_of(created)

    def replace(
        self, kind: Kind, namespace: str, name: str, data: Text = None, binary_data: Raw = None, labels: Text = None
    ) -> str:
        """Replace an object that exists and return its new resourceVersion."""
        replaced = self.request("PUT", path_of(kind, namespace, name), object_of(kind, name, data, binary_data, labels))
        return version_of(replaced)

    def apply(
        self, kind: Kind, namespace: str, name: str, data: Text = None, binary_data: Raw = None, labels: Text = None
    ) -> str:
        """Replace an object, or create it if there is none, and return its resourceVersion."""
        try:
            return self.replace(kind, namespace, name, data, binary_data, labels)
        except ApiError as error:
            if error.status != 404:
                raise
            return self.create(kind, namespace, name, data, binary_data, labels)

    def delete(self, kind: Kind, namespace: str, name: str) -> None:
        """Delete an object."""
        self.request("DELETE", path_of(kind, namespace, name))

    def get(self, kind: Kind, namespace: str, name: str) -> Object:
        """One object, as the API writes it."""
        return self.request("GET", path_of(kind, namespace, name))

    def list(self, kind: Kind, namespace: str, name: str | None = None, labels: str | None = None) -> Object:
        """The list object of all objects, of the one called `name`, or of those with these labels (`app=a,tier=b`)."""
        return self.request("GET", f"{path_of(kind, namespace)}?{_query(name, labels)}")

    def list_page(self, kind: Kind, namespace: str, labels: str, limit: int, more: str = "") -> tuple[Sequence[str], str]:
        """The names of one page of a list, and the token for the next page, empty after the last."""
        query = {"limit": str(limit)} | ({"continue": more} if more else {})
        page = self.request("GET", f"{path_of(kind, namespace)}?{_query(None, labels, query)}")
        return [item["metadata"]["name"] for item in page["items"]], page["metadata"].get("continue", "")

    def watch(
        self,
        kind: Kind,
        namespace: str,
        name: str | None = None,
        labels: str | None = None,
        *,
        version: str | None = None,
        timeout_s: int = 30,
        bookmarks: bool = False,
    ) -> Iterator[Object]:
        """Events as the API writes them, on a connection of their own, until the API ends the watch after `timeout_s`.

        The request is sent by the first next(); ERROR events are yielded like all others. Raises ConnectionError when cut off.
        """
        more = {"watch": "1", "timeoutSeconds": str(timeout_s), "allowWatchBookmarks": str(bookmarks).lower()}
        if version is not None:
            more["resourceVersion"] = version
        connection = self._connect(timeout_s + self._answer_s)
        try:
            connection.request("GET", f"{path_of(kind, namespace)}?{_query(name, labels, more)}", headers=self._headers)
            response = connection.getresponse()
            if response.status != 200:
                raise _error(response, response.read())
            yield from map(json.loads, _lines(response))
        finally:
            connection.close()

    def create_raw(self, path: str, new: Object) -> Object:
        """POST any object: a namespace, a Role, a RoleBinding."""
        return self.request("POST", path, new)

    def delete_raw(self, path: str) -> None:
        """DELETE what is at this path."""
        self.request("DELETE", path)

    def request(self, method: str, path: str, body: Object | None = None, content_type: str = "application/json") -> Object:
        """Send one request and return the object of its answer. Raises ApiError, or OSError if the API is away.

        Sent once more when the connection had been used before and turns out to be dead: the API was restarted meanwhile.
        """
        used = self._connection.sock is not None
        try:
            return self._once(method, path, body, content_type)
        except (ConnectionError, ssl.SSLError, http.client.HTTPException):
            if not used:
                raise
            return self._once(method, path, body, content_type)

    @contextmanager
    def unread(self, path: str) -> Iterator[None]:
        """GET something, and leave all but the head of the answer unread: a large one keeps the server busy meanwhile."""
        self._connection.request("GET", path, headers=self._headers)
        with self._connection.getresponse():
            yield
        self._connection.close()

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        self._connection.close()

    def _once(self, method: str, path: str, body: Object | None, content_type: str) -> Object:
        text = None if body is None else json.dumps(body).encode()
        headers = self._headers if body is None else {**self._headers, "Content-Type": content_type}
        try:
            self._connection.request(method, path, text, headers)
            response = self._connection.getresponse()
            answer = response.read()
        except BaseException:
            self._connection.close()  # or the next request would read the answer to this one
            raise
        if response.status >= 400:
            raise _error(response, answer)
        return _object(answer)

    def _connect(self, answer_s: float) -> http.client.HTTPConnection:
        host, port = self._address.hostname or "", self._address.port
        if self._tls is None:
            return http.client.HTTPConnection(host, port, timeout=answer_s)
        return http.client.HTTPSConnection(host, port, timeout=answer_s, context=self._tls)


class Kubeconfig(TypedDict, total=False):
    """What may be said about a kubeconfig. Without credentials it is the admin's; the empty token is nobody's."""

    context: str  # "test"
    namespace: str
    token: str
    token_file: Path
    certificate: tuple[Path, Path]  # and its key
    embed_ca: bool  # the CA in the file itself, and not its path


class Api(Protocol):
    """A Kubernetes API that tests can hurt; both the stand-in and the real one are of this form."""

    @property
    def url(self) -> str:
        """Where it listens: the same after every restart."""

    def client(self, answer_s: float = ANSWER_S) -> Client:
        """A new admin client, which waits for so long for an answer."""

    def write_kubeconfig(self, path: Path, **options: Unpack[Kubeconfig]) -> Path:
        """Write a kubeconfig, or add a context to the one that is there: it becomes the current one."""

    def namespace(self, name: str) -> None:
        """Create a namespace, if it is not there."""

    def kill(self) -> None:
        """End it as SIGKILL does: nobody is told, what is stored stays."""

    def start(self) -> None:
        """Start it, again on the same port; return when it is ready."""

    def freeze(self) -> None:
        """Stop answering, with all connections open, as SIGSTOP does."""

    def thaw(self) -> None:
        """Go on after a freeze, with what has piled up."""

    def compact(self) -> None:
        """Forget all versions before this instant, so that a watch from one of them gets 410; the real one after a restart."""

    def stop(self) -> None:
        """End it for good."""


def path_of(kind: Kind, namespace: str, name: str | None = None) -> str:
    """Where the API serves objects of a kind, or one of them."""
    path = f"/api/v1/namespaces/{namespace}/{kind.lower()}s"
    return path if name is None else f"{path}/{name}"


def object_of(kind: Kind, name: str, data: Text = None, binary_data: Raw = None, labels: Text = None) -> Object:
    """A ConfigMap, or a Secret with all its contents in `data`."""
    raw = {key: base64.b64encode(content).decode() for key, content in (binary_data or {}).items()}
    found: Object = {
        "apiVersion": "v1",
        "kind": kind,
        "metadata": {"name": name, "labels": dict(labels or {}), "annotations": LAST_APPLIED},
    }
    if kind == "Secret":
        text = {key: base64.b64encode(content.encode()).decode() for key, content in (data or {}).items()}
        return {**found, "data": {**text, **raw}}
    return {**found, "data": dict(data or {}), "binaryData": raw}


def version_of(found: Object) -> str:
    """The resourceVersion of an object or list."""
    return str(found["metadata"]["resourceVersion"])


def _ports() -> Iterator[int]:
    """Those that this worker of pytest may give away, one after another: no other worker has one of them."""
    width = 12_000 // int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    first = 20_000 + width * int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    yield from random.sample(range(first, first + width), width)


_to_be_given = _ports()


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on, below those that the kernel gives to outgoing connections.

    So it stays free while a server is down: from the kernel's range, a client that tries again and again could even be
    given this very port, and connect to itself. Nor is it given to another server.
    """
    for port in _to_be_given:
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise RuntimeError("no port is left")


def write_context(path: Path, cluster: Object, admin_token: str, options: Kubeconfig) -> Path:
    """Add a context to a kubeconfig file, and make it the current one. It is written as JSON, which is YAML too."""
    name = options.get("context", "test")
    context = {"cluster": name, "user": name} | ({"namespace": options["namespace"]} if "namespace" in options else {})
    config: Object = json.loads(path.read_text()) if path.exists() else {"apiVersion": "v1", "kind": "Config"}
    for part, entry in ("cluster", cluster), ("user", _user(options, admin_token)), ("context", context):
        others = [other for other in config.get(f"{part}s", []) if other["name"] != name]
        config[f"{part}s"] = [*others, {"name": name, part: entry}]
    path.write_text(json.dumps({**config, "current-context": name}, indent=2))
    return path


def _user(options: Kubeconfig, admin_token: str) -> Object:
    if "certificate" in options:
        certificate, key = options["certificate"]
        return {"client-certificate": str(certificate), "client-key": str(key)}
    if "token_file" in options:
        return {"tokenFile": str(options["token_file"])}
    token = options.get("token", admin_token)
    return {"token": token} if token else {}


def _query(name: str | None, labels: str | None, more: Mapping[str, str] | None = None) -> str:
    selectors = {"fieldSelector": f"metadata.name={name}" if name else None, "labelSelector": labels}
    return urlencode({key: value for key, value in selectors.items() if value} | dict(more or {}))


def _lines(response: http.client.HTTPResponse) -> Iterator[bytes]:
    """The lines of a stream. Not by readline(), which takes a connection that was cut for the end."""
    rest = b""
    try:
        while part := response.read1():
            *lines, rest = (rest + part).split(b"\n")
            yield from lines
    except http.client.IncompleteRead as error:
        raise ConnectionResetError("the watch was cut off") from error


def _error(response: http.client.HTTPResponse, answer: bytes) -> ApiError:
    return ApiError(response.status, _object(answer), dict(response.getheaders()), answer.decode(errors="replace"))


def _object(answer: bytes) -> Object:
    """The object of an answer, empty if it is plain text, as those to /readyz are."""
    try:
        found = json.loads(answer)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
