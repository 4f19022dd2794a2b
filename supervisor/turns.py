"""How often a server in trouble is asked by all sources of one program together."""

from __future__ import annotations

import time
from threading import Condition

_APART_S = 1.0


class Turns:
    """Lets one request a second through after one has failed, until one succeeds: then whoever waits goes on at once."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._is_in_trouble = False
        self._next_at = 0.0

    def wait(self) -> None:
        """Wait for the caller's turn, which it then has to take."""
        with self._changed:
            while self._is_in_trouble and (left_s := self._next_at - time.monotonic()) > 0:
                self._changed.wait(left_s)
            self._next_at = time.monotonic() + _APART_S

    def failed(self) -> None:
        """Say that a request has failed."""
        with self._changed:
            self._is_in_trouble = True

    def succeeded(self) -> None:
        """Say that a request has been answered."""
        with self._changed:
            self._is_in_trouble = False
            self._changed.notify_all()
