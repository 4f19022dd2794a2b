"""How long a watch may be silent before its connection counts as dead."""

from __future__ import annotations

# A server sends a bookmark once a minute, if anything of that kind has changed anywhere (Kubernetes API concepts, "Watch
# bookmarks"); in a quiet cluster it sends none, and a watch that is well and one that is dead look alike.
_LEAST_S = 90.0
_MOST_S = 660.0  # longer than any watch: its own end comes first


class Patience:
    """Learns what silence means: one that was ended is borne twice as long, and where bookmarks come, twice their distance.

    So a connection that dies among bookmarks is found dead after a few minutes at the most, and a quiet server is not asked
    more often than its watches end anyway.
    """

    def __init__(self) -> None:
        self.silence_s = _LEAST_S
        self._heard_at: float | None = None

    def bookmark(self, now: float) -> None:
        """One has come, at a reading of time.monotonic()."""
        if self._heard_at is not None:
            self.silence_s = min(_MOST_S, max(_LEAST_S, 2 * (now - self._heard_at)))
        self._heard_at = now

    def ran_out(self) -> None:
        """It was silent for so long, and the connection was given up."""
        self.silence_s = min(_MOST_S, 2 * self.silence_s)
