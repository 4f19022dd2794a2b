"""A small HTTP server, made so that no client can harm anybody: one thread, which never waits for a client.

Not the standard library's: that one reads a request line of 64 KiB and up to 100 headers with a blocking read, so that
somebody who sends a byte a minute holds a thread for as long as he likes, and it has no limit on the number of them. Here a
client has three seconds and a few KiB; when there are too many, the one who has waited longest goes, so that a probe
always finds a place. Each connection carries one request, as kubelets send their probes.
"""

from __future__ import annotations

import os
import select
import socket
import stat
import time
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from supervisor.errors import StartError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from supervisor.settings import Address

    Wait = tuple[int, float]  # for which event of poll(2), and until when, by time.monotonic()

CLIENTS_MAX = 32
_HEAD_BYTES_MAX = 8 * 2**10
_HEAD_S = 3.0  # for the whole request: a kubelet gives up after one second
_ANSWER_S = 10.0
# What a client still sends is read away for a moment: closing at once would make the kernel take the answer back (RFC 9112, 9.6).
_LINGER_S = 1.0
_LINGER_BYTES_MAX = 64 * 2**10
_ACCEPT_AT_ONCE = 8
_BACKLOG = 64
_PAUSE_S = 0.5
_QUIET_S = 1.0
_REASONS = {
    200: "OK",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    431: "Request Header Fields Too Large",
    503: "Service Unavailable",
}
_HEADERS = (
    "Cache-Control: no-store",
    "Connection: close",
    "Referrer-Policy: no-referrer",
    "X-Content-Type-Options: nosniff",
)


class Answer(NamedTuple):
    """What a client gets."""

    status: int
    kind: str
    """The media type of the body."""
    body: bytes
    policy: str = "default-src 'none'; frame-ancestors 'none'"
    """What a browser may load for it."""


def plain(status: int, text: str) -> Answer:
    """An answer for people who did something wrong."""
    return Answer(status, "text/plain; charset=utf-8", f"{text}\n".encode())


def bind(address: Address) -> tuple[socket.socket, Address]:
    """Take the address, and say which it is: port 0 is any. Raises StartError that says why it cannot be had."""
    try:
        if address.path:
            return _bind_path(address.path), address
        listening = _bind_port(address.host, address.port)
        return listening, replace(address, port=listening.getsockname()[1])
    except OSError as error:
        raise StartError(f"cannot listen on {address} (--listen): {error.strerror or error}") from error


def _bind_path(path: str) -> socket.socket:
    """A socket of a run that is over is in the way of nobody: it is removed, if nobody answers there."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            if stat.S_ISSOCK(os.stat(path).st_mode):
                os.unlink(path)
        except OSError:
            pass  # not there, or not a socket: the next one tells
    return _listening(socket.AF_UNIX, path)


def _bind_port(host: str, port: int) -> socket.socket:
    if not host and socket.has_dualstack_ipv6():
        try:
            return _listening(socket.AF_INET6, ("::", port), dual=True)
        except OSError as error:
            if "Address family" not in str(error.strerror) and "assign" not in str(error.strerror):
                raise
    family, _, _, _, where = socket.getaddrinfo(host or "0.0.0.0", port, type=socket.SOCK_STREAM)[0]  # noqa: S104 - asked for
    return _listening(family, where)


def _listening(family: int, where: str | tuple[object, ...], *, dual: bool = False) -> socket.socket:
    listening = socket.socket(family)
    try:
        if family != socket.AF_UNIX:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, not dual)
        listening.bind(where)
        listening.listen(_BACKLOG)
        listening.setblocking(False)
    except BaseException:
        listening.close()
        raise
    return listening


class Server:
    """Answers requests, one after the other. `answer` gets the path and must not wait.

    `prepare` is called once, in the first quiet moment, for what takes longer than a client should wait.
    """

    def __init__(self, listening: socket.socket, answer: Callable[[str], Answer], prepare: Callable[[], None]) -> None:
        self._listening = listening
        self._answer = answer
        self._prepare: Callable[[], None] | None = prepare
        self._poll = select.poll()
        self._clients: dict[int, _Client] = {}  # the oldest first
        self._accepts_from = 0.0

    def run(self) -> None:
        """Serve, for ever. With no client there is no deadline, and we sleep."""
        for client in self._clients.values():  # if we were here before, and something went wrong
            client.socket.close()
        self._clients, self._poll = {}, select.poll()
        self._poll.register(self._listening, select.POLLIN)
        while True:
            ready = self._poll.poll(self._timeout_ms())
            if not ready and self._prepare and not self._clients:
                self._prepare()
                self._prepare = None
            for descriptor, _ in ready:
                if descriptor == self._listening.fileno():
                    self._accept()
                elif descriptor in self._clients:
                    self._go_on(self._clients[descriptor])
            now = time.monotonic()
            for client in [each for each in self._clients.values() if each.deadline <= now]:
                self._close(client)
            self._poll.modify(self._listening, select.POLLIN if now >= self._accepts_from else 0)

    def _timeout_ms(self) -> float | None:
        now = time.monotonic()
        deadlines = [each.deadline for each in self._clients.values()]
        deadlines += [self._accepts_from] if self._accepts_from > now else []
        deadlines += [now + _QUIET_S] if self._prepare else []
        return max(0.0, min(deadlines) - now) * 1000 + 1 if deadlines else None

    def _accept(self) -> None:
        for _ in range(_ACCEPT_AT_ONCE):
            try:
                accepted, _ = self._listening.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            except OSError:  # out of descriptors or memory: trying again at once would only burn time
                self._accepts_from = time.monotonic() + _PAUSE_S
                return
            if len(self._clients) == CLIENTS_MAX:
                self._close(next(iter(self._clients.values())))
            accepted.setblocking(False)
            self._clients[accepted.fileno()] = client = _Client(accepted, _talk(accepted, self._answer))
            self._poll.register(accepted, select.POLLIN)
            self._go_on(client)  # most have sent their request by now

    def _go_on(self, client: _Client) -> None:
        try:
            event, client.deadline = next(client.talk)
        except (StopIteration, OSError):
            self._close(client)
        else:
            self._poll.modify(client.socket, event)

    def _close(self, client: _Client) -> None:
        self._poll.unregister(client.socket)
        del self._clients[client.socket.fileno()]
        client.socket.close()


class _Client:
    """Somebody who is connected, and how far we are with him."""

    def __init__(self, accepted: socket.socket, talk: Iterator[Wait]) -> None:
        self.socket = accepted
        self.talk = talk
        self.deadline = float("inf")


def _talk(client: socket.socket, answer: Callable[[str], Answer]) -> Iterator[Wait]:
    """Read a request, answer it, and read away what is left; yields whenever it would have to wait."""
    head = b""
    deadline = time.monotonic() + _HEAD_S
    while b"\r\n\r\n" not in head and len(head) < _HEAD_BYTES_MAX:
        chunk = yield from _received(client, _HEAD_BYTES_MAX - len(head), deadline)
        if not chunk:
            return
        head += chunk
    rest = memoryview(_reply(head, answer))
    deadline = time.monotonic() + _ANSWER_S
    while rest:
        try:
            rest = rest[client.send(rest) :]
        except BlockingIOError:
            yield select.POLLOUT, deadline
    client.shutdown(socket.SHUT_WR)
    left = _LINGER_BYTES_MAX
    deadline = time.monotonic() + _LINGER_S
    while left > 0:
        chunk = yield from _received(client, left, deadline)
        if not chunk:
            return
        left -= len(chunk)


def _received(client: socket.socket, size: int, deadline: float) -> Generator[Wait, None, bytes]:
    while True:
        try:
            return client.recv(size)
        except BlockingIOError:
            yield select.POLLIN, deadline


def _reply(head: bytes, answer: Callable[[str], Answer]) -> bytes:
    """The whole answer to a request of which the head was read, or as much as we read of it."""
    method, found = _answered(head, answer)
    lines = [
        f"HTTP/1.1 {found.status} {_REASONS.get(found.status, '')}",
        f"Content-Type: {found.kind}",
        f"Content-Length: {len(found.body)}",
        f"Content-Security-Policy: {found.policy}",
        "Allow: GET, HEAD",
        *_HEADERS,
        "\r\n",
    ]
    return "\r\n".join(lines).encode() + (b"" if method == b"HEAD" else found.body)


def _answered(head: bytes, answer: Callable[[str], Answer]) -> tuple[bytes, Answer]:
    """The method, and what becomes of it. A request line has three words (RFC 9112, 3)."""
    line, end, _ = head.partition(b"\r\n")
    words = line.split(b" ")
    if not end or b"\r\n\r\n" not in head:
        return b"", plain(431, f"the head of a request may have {_HEAD_BYTES_MAX} bytes")
    if len(words) != 3 or not words[2].startswith(b"HTTP/1.") or not words[1].startswith(b"/"):
        return b"", plain(400, "this is no HTTP/1.1 request")
    if words[0] not in {b"GET", b"HEAD"}:
        return b"", plain(405, "only GET and HEAD: nothing can be changed here")
    return words[0], answer(words[1].decode("ascii", errors="replace"))
