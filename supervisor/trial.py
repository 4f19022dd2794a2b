"""What is known of a revision on its way: the outcome in the making, and how far the app has heard of it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from supervisor.model import Outcome, Refusal, Revision, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from supervisor.ledger import Ledger
    from supervisor.model import Change, ConfigObject, Update
    from supervisor.tree import Staged


class Step:
    """A context whose time is added to that of a step."""

    def __init__(self, steps: dict[str, float], name: str) -> None:
        self._steps = steps
        self._name = name
        self._began = 0.0

    def __enter__(self) -> None:
        self._began = time.monotonic()

    def __exit__(self, *_: object) -> None:
        self._steps[self._name] = self._steps.get(self._name, 0.0) + time.monotonic() - self._began


class Attempt:
    """One wanted state, from the moment at which it is taken up."""

    def __init__(self, objects: Sequence[ConfigObject]) -> None:
        self.objects = objects
        self.began = time.monotonic()
        self.revision = Revision("")
        self.reason = ""
        """Why it cannot be published."""
        self.changed: tuple[Change, ...] = ()
        self._steps: dict[str, float] = {}

    @property
    def key(self) -> str:
        """What tells it from others: its revision, or why it has none."""
        return self.revision or self.reason

    def step(self, name: str) -> Step:
        """Count the time of the block as one of the steps."""
        return Step(self._steps, name)

    def outcome(self, ledger: Ledger, verdict: Verdict, reason: str, *, is_good: bool = True) -> Outcome:
        """What became of it. What is live is good if the app took it, and `is_good`: nothing is known that came after."""
        staged = ledger.live  # the main thread may be changing it
        live = staged.revision if staged else Revision("")
        return Outcome(
            self.revision,
            verdict,
            time.monotonic() - self.began,
            tuple(found.origin for found in self.objects),
            self.changed,
            reason,
            tuple(self._steps.items()),
            live,
            is_good and ledger.is_good and not (verdict is Verdict.REFUSED and self.revision == live),
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
        self.told_at: float | None = None
        """When the app was told, as a reading of time.monotonic()."""
        self.problem = ""
        """Why the app could not be reached so far."""
        self.is_over = False
        """There are no more tries until something changes."""
        self.said = ""
        """What was told of that."""
        self.end: tuple[Verdict, str] | None = None
        """Why it goes back, and how that is called."""
        self.is_back = False
        self.told_back_at: float | None = None

    def go_back(self, refusal: Refusal) -> Revision | None:
        """The command has died of it, and is started again on what was good: that is the way back, but for its confirmation.

        Returns what it has heard of since that was good. Nothing, if it died of the one before, in whose place this one was put
        and not told: this is not to blame, and its time is still to come.
        """
        if not self.end and self.update.revision != refusal.revision:
            return None
        self.is_back, self.told_back_at = True, time.monotonic()
        self.end = self.end or (Verdict.ROLLED_BACK, refusal.reason)
        return refusal.revision

    def left(self) -> tuple[Verdict, str] | None:
        """What to tell of it when something newer takes its place; None: nothing that has not been told."""
        if self.said or not (self.end or self.told_at or self.problem):
            return None
        if self.told_at and not self.end:
            return Verdict.APPLIED, "something newer took its place before it was confirmed"
        return self.end or (Verdict.FAILED, self.problem)

    def blamed_for(self, code: int, heard_of: Revision | None, good: Revision) -> Refusal | None:
        """What to refuse when the command has ended with this code: what it heard of last and has not confirmed, if anything."""
        if self.is_over or code == 0 or heard_of is None or heard_of == good:
            return None
        after_s = time.monotonic() - (self.told_back_at or self.told_at or self.attempt.began)
        reason = f"the command ended with exit code {code}, {after_s:.1f} s after it was given this configuration"
        return Refusal(heard_of, self.end[1] if self.end else reason)
