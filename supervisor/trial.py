"""What is known of a revision on its way: the outcome in the making, and how far the app has heard of it."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from supervisor.model import Outcome, Refusal, Revision

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from supervisor.ledger import Ledger
    from supervisor.model import Change, ConfigObject, Update, Verdict
    from supervisor.tree import Staged


class Attempt:
    """One wanted state, from the moment at which it is taken up."""

    def __init__(self, objects: Sequence[ConfigObject]) -> None:
        self.objects = objects
        self.began = time.monotonic()
        self.revision = Revision("")
        self.changed: tuple[Change, ...] = ()
        self._steps: dict[str, float] = {}

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Count the time of the block as one of the steps."""
        began = time.monotonic()
        try:
            yield
        finally:
            self._steps[name] = self._steps.get(name, 0.0) + time.monotonic() - began

    def outcome(self, ledger: Ledger, verdict: Verdict, reason: str) -> Outcome:
        """What became of it."""
        return Outcome(
            self.revision,
            verdict,
            time.monotonic() - self.began,
            tuple(found.origin for found in self.objects),
            self.changed,
            reason,
            tuple(self._steps.items()),
            ledger.live.revision if ledger.live else Revision(""),
            ledger.is_good,
        )


class Trial:
    """A revision that is live and has not been taken by the app yet, or one on the way back to `back`."""

    def __init__(self, attempt: Attempt, update: Update, back: Staged | None, *, is_published: bool) -> None:
        self.attempt = attempt
        self.update = update
        self.back = back
        self.is_published = is_published
        """Whether this run has published it, or has found it live."""
        self.is_start = False
        """The command starts with it, and need not be told."""
        self.is_checked = False
        self.told_of: Revision | None = None
        """The newest revision that the app may have heard of since it took `back`."""
        self.told_at: float | None = None
        """When the app was told, as a reading of time.monotonic()."""
        self.problem = ""
        """Why the app could not be reached so far."""
        self.end: tuple[Verdict, str] | None = None
        """Why it goes back, and how that is called."""
        self.is_back = False
        self.told_back_at: float | None = None

    def go_back(self, verdict: Verdict, reason: str) -> None:
        """The command has died of it, and is started again on what was good: that is the way back, but for its confirmation."""
        self.is_back, self.told_back_at = True, time.monotonic()
        self.end = self.end or (verdict, reason)

    def blamed_for(self, code: int, good: Revision) -> Refusal | None:
        """What to refuse when the command has ended with this code: what it heard of last and has not confirmed, if anything."""
        if self.told_of is None or self.told_of == good or code == 0:
            return None
        after_s = time.monotonic() - (self.told_back_at or self.told_at or self.attempt.began)
        reason = f"the command ended with exit code {code}, {after_s:.1f} s after it was given this configuration"
        return Refusal(self.told_of, self.end[1] if self.end else reason)
