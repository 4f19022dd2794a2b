"""A name server for tests: it knows a few names, and notes which it was asked for."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from threading import Thread
from typing import Self

_NO_SUCH_NAME = 3


class NameServer:
    """Answers questions for IPv4 addresses (RFC 1035) on port 53 of an address of this machine, which takes root."""

    address = "127.0.0.77"

    def __init__(self, names: Mapping[str, str]) -> None:
        self.asked: set[str] = set()
        self._names = names
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._thread = Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        self._socket.bind((self.address, 53))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.sendto(b"", (self.address, 53))
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        """Until the empty question, which is ours."""
        while True:
            question, asker = self._socket.recvfrom(512)
            if not question:
                return
            self._socket.sendto(self._answer(question), asker)

    def _answer(self, message: bytes) -> bytes:
        labels, at = [], 12
        while message[at]:
            labels.append(message[at + 1 : at + 1 + message[at]].decode())
            at += 1 + message[at]
        name, kind = ".".join(labels), int.from_bytes(message[at + 1 : at + 3])
        self.asked.add(name)
        found = self._names.get(name)
        is_answered = bool(found) and kind == 1
        flags = 0x8580 | (0 if found else _NO_SUCH_NAME)  # an answer, with authority, recursion as asked
        counts = (1).to_bytes(2) + int(is_answered).to_bytes(2) + bytes(4)
        record = bytes.fromhex("c00c 0001 0001 0000003c 0004") + socket.inet_aton(found or "0.0.0.0")
        return message[:2] + flags.to_bytes(2) + counts + message[12 : at + 5] + (record if is_answered else b"")
