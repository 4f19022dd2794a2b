"""A proxy before an API server that makes faults: it counts requests, and what it forwards may be cut, slow, or lost."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from tests.stand_ins.client import free_port, write_context

_BACK_S = 120.0


class FaultyProxy:
    """Listens on a port of its own, in the clear, and passes GET requests on to an API server; faults last as long as a block."""

    def __init__(self, url: str, ca_file: Path) -> None:
        self.requests: list[float] = []
        """The moments of all requests, in seconds of time.monotonic()."""
        self._back, self._ca_file = urlsplit(url), ca_file
        self._server: ThreadingHTTPServer | None = None
        self._port = free_port()
        self._connections: set[Any] = set()
        self._forwards = threading.Event()
        self._forwards.set()
        self._pause_s = 0.0
        self._answer: tuple[int, dict[str, str]] | None = None
        self._lines: Sequence[bytes] | None = None
        self._swallows = False
        self._over = threading.Event()

    def __enter__(self) -> Self:
        self._listen()
        return self

    def __exit__(self, *_: object) -> None:
        self._forwards.set()
        self._over.set()
        self._close()

    def write_kubeconfig(self, path: Path, token: str, token_file: Path | None = None) -> Path:
        """Write a kubeconfig that leads here."""
        options: Any = {"token_file": token_file} if token_file else {"token": token}
        return write_context(path, {"server": f"http://127.0.0.1:{self._port}"}, token, options)

    def cut(self) -> None:
        """End all connections, in the middle of whatever they carry."""
        for connection in list(self._connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    # --- faults

    @contextmanager
    def refusing(self) -> Iterator[None]:
        """Nobody listens."""
        self._close()
        yield
        self._listen()

    @contextmanager
    def forwarding_nothing(self) -> Iterator[None]:
        """Connections stay open and new ones are accepted, but nothing comes through in either direction."""
        self._forwards.clear()
        yield
        self._forwards.set()

    @contextmanager
    def swallowing(self) -> Iterator[None]:
        """What comes in either direction is lost, and the connections on which something was lost stay dead afterwards."""
        self._swallows = True
        yield
        self._swallows = False

    @contextmanager
    def cutting(self, every_s: float = 0.2) -> Iterator[None]:
        """All connections are cut again and again."""
        over = threading.Event()

        def cut() -> None:
            while not over.wait(every_s):
                self.cut()

        cutter = threading.Thread(target=cut, daemon=True)
        cutter.start()
        yield
        over.set()
        cutter.join()

    @contextmanager
    def slow(self, byte_s: float = 0.1) -> Iterator[None]:
        """Answers trickle, a byte at a time. Connections of before are cut."""
        self._pause_s = byte_s
        self.cut()
        yield
        self._pause_s = 0.0

    @contextmanager
    def answering(self, status: int, **headers: str) -> Iterator[None]:
        """Every request gets this answer, and watches of before are cut."""
        self._answer = status, {name.replace("_", "-"): value for name, value in headers.items()}
        self.cut()
        yield
        self._answer = None

    @contextmanager
    def saying(self, *lines: bytes) -> Iterator[None]:
        """Every watch gets these bytes instead of events, and then nothing; watches of before are cut, and these at the end."""
        self._lines = lines
        self.cut()
        yield
        self._lines = None
        self.cut()

    # --- serving

    def _listen(self) -> None:
        self._server = _Server(("127.0.0.1", self._port), partial(_Handler, self))
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def _close(self) -> None:
        if self._server:
            self._server.shutdown()
            self._server.server_close()
        self.cut()

    @contextmanager
    def connected(self, connection: Any) -> Iterator[None]:
        """Known, so that it can be cut."""
        self._connections.add(connection)
        try:
            yield
        finally:
            self._connections.discard(connection)

    def serve(self, handler: _Handler) -> None:
        """Answer one request."""
        self.requests.append(time.monotonic())
        self._forwards.wait()
        is_watch = "watch=1" in handler.path
        if self._swallows:
            self._over.wait()
        elif self._answer:
            status, headers = self._answer
            _send(handler, status, headers, json.dumps({"kind": "Status", "code": status, "message": "made up"}).encode())
        elif self._lines is not None and is_watch:
            _send(handler, 200, {})
            for line in self._lines:
                _send_chunk(handler, line)
            self._over.wait()
        else:
            self._forward(handler)

    def _forward(self, handler: _Handler) -> None:
        tls = ssl.create_default_context(cafile=self._ca_file)
        back = http.client.HTTPSConnection(self._back.hostname or "", self._back.port, context=tls, timeout=_BACK_S)
        with ExitStack() as stack:
            stack.callback(back.close)
            headers = {name: handler.headers[name] for name in ("Authorization", "Accept") if name in handler.headers}
            back.request("GET", handler.path, headers=headers)
            stack.enter_context(self.connected(back.sock))
            answer = back.getresponse()
            passed = {name: value for name, value in answer.getheaders() if name in {"Content-Type", "Retry-After"}}
            _send(handler, answer.status, passed)
            while part := answer.read1(2**16):
                self._forwards.wait()
                if self._swallows:
                    self._over.wait()
                if self._pause_s:
                    for index in range(len(part)):
                        _send_chunk(handler, part[index : index + 1])
                        if self._pause_s:
                            time.sleep(self._pause_s)  # this is the fault
                else:
                    _send_chunk(handler, part)
            handler.wfile.write(b"0\r\n\r\n")


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    block_on_close = False

    def handle_error(self, *_: object) -> None:
        """A connection that was cut is no error here."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, proxy: FaultyProxy, *args: Any) -> None:
        self._proxy = proxy
        super().__init__(*args)

    def handle(self) -> None:
        with self._proxy.connected(self.connection):
            super().handle()

    def do_GET(self) -> None:
        self._proxy.serve(self)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def _send(handler: _Handler, status: int, headers: dict[str, str], body: bytes | None = None) -> None:
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name, value)
    if body is None:
        handler.send_header("Transfer-Encoding", "chunked")
    else:
        handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    if body:
        handler.wfile.write(body)


def _send_chunk(handler: _Handler, part: bytes) -> None:
    handler.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
