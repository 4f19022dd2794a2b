"""A random wait before a change is published, so that replicas do not reload together."""

from __future__ import annotations

import time
from random import uniform
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from supervisor.app import Pause


class Splay:
    """One wait, of a random part of `longest_s` seconds, for all revisions that are wanted meanwhile."""

    def __init__(self, longest_s: float, pause: Pause) -> None:
        self._longest_s = longest_s
        self._pause = pause
        self._over_at: float | None = None

    def wait(self) -> None:
        """Wait for what is left of it. Raises Superseded when something newer is wanted, which waits for the rest."""
        if self._over_at is None:
            self._over_at = time.monotonic() + uniform(0, self._longest_s)
        self._pause(self._over_at - time.monotonic(), 0.0)

    def is_over(self) -> None:
        """Something was published: what is wanted next waits anew."""
        self._over_at = None
