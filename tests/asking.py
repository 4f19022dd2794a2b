"""Ask the port that --listen names, as a probe, a scraper or a browser does: one connection for each request."""

from __future__ import annotations

import json
import socket
import time
from typing import Any, NamedTuple

from tests.running import CANARY, DEADLINE_S, Running, eventually


class Answer(NamedTuple):
    """What came back, and after how many seconds since before the connection was made."""

    status: int
    headers: dict[str, str]
    body: bytes
    took_s: float

    @property
    def json(self) -> Any:
        """The body as data."""
        return json.loads(self.body)


def address_of(running: Running) -> str:
    """Where a program listens that was started with --listen."""
    return str(running.wait_for_event("listen.started")["address"])


def connect(address: str, timeout_s: float = DEADLINE_S) -> socket.socket:
    """A connection to `HOST:PORT`, `[IPV6]:PORT` or `unix:PATH`."""
    if address.startswith("unix:"):
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(timeout_s)
        client.connect(address.removeprefix("unix:"))
        return client
    host, _, port = address.rpartition(":")
    return socket.create_connection((host.strip("[]") or "127.0.0.1", int(port)), timeout_s)


def ask(address: str, path: str, method: str = "GET") -> Answer:
    """The answer to one request."""
    began = time.monotonic()
    with connect(address) as client:
        client.sendall(f"{method} {path} HTTP/1.1\r\nHost: test\r\n\r\n".encode())
        answer = read_answer(client)
    assert CANARY.encode() not in answer.body.replace(path.encode(), b""), "a content is served"
    return answer._replace(took_s=time.monotonic() - began)


def read_answer(client: socket.socket) -> Answer:
    """All that a server sends until it closes."""
    received = b""
    while chunk := client.recv(2**16):
        received += chunk
    head, _, body = received.partition(b"\r\n\r\n")
    line, *fields = head.decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (field.partition(": ") for field in fields)}
    return Answer(int(line.split()[1]), headers, body, 0.0)


def wait_for_status(address: str, path: str, status: int) -> Answer:
    """The first answer with a status."""

    def look() -> Answer | None:
        answer = ask(address, path)
        return answer if answer.status == status else None

    answer: Answer = eventually(look, f"{path} answers {status}")
    return answer
