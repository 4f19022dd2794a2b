"""The door to HTTP servers: one request, one answer, within a time. Proxies of the environment are not used."""

from __future__ import annotations

import base64
import http.client
import socket
import ssl
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Timer
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from supervisor.errors import Unreachable

if TYPE_CHECKING:
    from urllib.parse import SplitResult

    from supervisor.settings import HttpSettings

_BODY_BYTES_MAX = 2**20
# So long a server may ask us to wait.
_RETRY_AFTER_MAX_S = 30.0
# RFC 9110 and RFC 6585: not now (429, 503), or a gateway that has no answer of the app (502, 504).
_NOT_NOW = frozenset({429, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said. `name` is the status for people; the body is cut at 1 MiB."""

    status: int
    name: str
    body: bytes = field(repr=False)


def shown(settings: HttpSettings) -> str:
    """The request for people: `POST http://host/path`, without what may be secret, as a password or a query."""
    url = urlsplit(settings.url)
    return f"{settings.method} {url.scheme}://{url.netloc.rpartition('@')[2]}{url.path}"


def is_yes(settings: HttpSettings, answer: Answer) -> bool:
    """Whether a status is one of those that were asked for."""
    return any(low <= answer.status <= high for low, high in settings.statuses)


def ask(settings: HttpSettings) -> Answer:
    """Send the request and read the answer.

    Raises Unreachable if there is none: refused, reset, out of time, not HTTP; also for an answer that says "not now" and
    nothing of the app's mind: 429, 502, 503 and 504, unless it counts as a yes.
    """
    connection = _connection(settings)
    timer = Timer(settings.timeout_s, _cut, (connection,))  # http.client bounds each step, not the whole
    timer.daemon = True
    try:
        headers = _headers(settings)
        connection.connect()
        timer.start()
        connection.request(settings.method, _target(settings), settings.body.encode(), headers)
        answer, retry_after_s = _answer(connection)
    except OSError as error:
        where = f" {error.filename}:" if error.filename else ""
        raise Unreachable(f"{shown(settings)}:{where} {error.strerror or str(error) or 'cut off'}") from error
    except (http.client.HTTPException, ValueError) as error:  # not its text: it may quote an answer or a header
        raise Unreachable(f"{shown(settings)}: no HTTP answer ({type(error).__name__})") from None
    finally:
        timer.cancel()
        connection.close()
    if answer.status in _NOT_NOW and not is_yes(settings, answer):
        raise Unreachable(f"{shown(settings)} answers {answer.name}", retry_after_s=retry_after_s)
    return answer


def _answer(connection: _Connection) -> tuple[Answer, float]:
    """Read the answer, and how long it asks us to wait. Its status counts, also if the body never ends."""
    with connection.getresponse() as answer:
        if connection.is_cut:  # in the middle of a header, which http.client takes for the end of all
            raise TimeoutError("timed out")
        body = b""
        with suppress(OSError, http.client.HTTPException):
            body = answer.read(_BODY_BYTES_MAX)
        text = answer.headers.get("Retry-After", "")
        retry_after_s = min(float(text), _RETRY_AFTER_MAX_S) if text.isascii() and text.isdigit() else 0.0
        name = f"{answer.status} {http.client.responses.get(answer.status, '')}".rstrip()
        return Answer(answer.status, name, body), retry_after_s


def _cut(connection: _Connection) -> None:
    """End the request from another thread: whoever reads gets an end or an error at once."""
    connection.is_cut = True
    if connection.wire:
        with suppress(OSError):
            connection.wire.shutdown(socket.SHUT_RDWR)


def _target(settings: HttpSettings) -> str:
    url = urlsplit(settings.url)
    return (url.path or "/") + (f"?{url.query}" if url.query else "")


def _headers(settings: HttpSettings) -> dict[str, str]:
    url = urlsplit(settings.url)
    headers = {"User-Agent": "config-supervisor", "Connection": "close"}
    if url.scheme == "http+unix":
        headers["Host"] = "localhost"
    if url.username is not None:
        words = f"{unquote(url.username)}:{unquote(url.password or '')}"
        headers["Authorization"] = f"Basic {base64.b64encode(words.encode()).decode()}"
    if settings.body or settings.method in {"POST", "PUT", "PATCH"}:
        headers["Content-Length"] = str(len(settings.body.encode()))
    return headers | dict(settings.headers) | {name: _content(path) for name, path in settings.header_files}


def _content(path: str) -> str:
    """The value of a header that stands in a file, as of now."""
    with open(path, encoding="utf-8") as file:
        value = file.read().strip()
    if not value.isprintable():
        raise ValueError(path)
    return value


class _Connection(http.client.HTTPConnection):
    """One that keeps its socket at hand: http.client forgets it as soon as the answer begins."""

    wire: socket.socket | None = None
    is_cut = False

    def connect(self) -> None:
        super().connect()
        self.wire = self.sock


class _TlsConnection(_Connection, http.client.HTTPSConnection):
    """The same with TLS."""


class _UnixConnection(_Connection):
    """The same through a socket file, whose path is the host."""

    def connect(self) -> None:
        self.wire = self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.host)


def _connection(settings: HttpSettings) -> _Connection:
    url: SplitResult = urlsplit(settings.url)
    timeout_s = settings.timeout_s
    if url.scheme == "http+unix":
        connection = _UnixConnection("localhost", timeout=timeout_s)
        connection.host = unquote(url.netloc)
        return connection
    if url.scheme == "https":
        return _TlsConnection(url.hostname or "", url.port, timeout=timeout_s, context=_context(settings))
    return _Connection(url.hostname or "", url.port, timeout=timeout_s)


def _context(settings: HttpSettings) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=settings.ca)
    except OSError as error:
        raise Unreachable(f"{shown(settings)}: cannot use {settings.ca}: {error.strerror or error}") from error
