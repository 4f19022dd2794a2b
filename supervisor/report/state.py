"""What outcomes leave behind: the state of the configuration, a new one after each outcome."""

from __future__ import annotations

import time
from bisect import bisect_left
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from supervisor.model import Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from supervisor.model import Listing, Outcome
    from supervisor.tree import Staged

OUTCOMES_MAX = 50
_TOLD = {"deliver", "back"}  # steps after which the app has heard of a revision
# Upper bounds in seconds: a signal takes milliseconds, a check by a big app seconds, retries of an app that is away a minute.
DURATION_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
CHANGE_BOUNDS = (0.01, 0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)


@dataclass(frozen=True, slots=True)
class Histogram:
    """How many durations were no longer than each bound; the last count is of those beyond all bounds."""

    bounds: tuple[float, ...]
    counts: tuple[int, ...] = ()
    sum_s: float = 0.0

    def with_one(self, seconds: float) -> Histogram:
        """The same and one more duration."""
        counts = [*self.counts] or [0] * (len(self.bounds) + 1)
        counts[bisect_left(self.bounds, seconds)] += 1
        return Histogram(self.bounds, tuple(counts), self.sum_s + seconds)


@dataclass(frozen=True, slots=True)
class Told:
    """An outcome and when it was told, in Unix time."""

    outcome: Outcome
    at: float


@dataclass(frozen=True, slots=True)
class ConfigState:
    """What is live, what is wanted, and how the last attempts ended. Times are Unix times, 0 for never."""

    outcomes: tuple[Told, ...] = ()
    """The last 50, the newest first."""
    live: str = ""
    live_since: float = 0.0
    files: Listing = field(default_factory=dict)
    """Of what is live."""
    wanted: str = ""
    """What the last attempt was about; empty if it could not even be laid out."""
    wanted_since: float = 0.0
    failing_since: float = 0.0
    """From when on the app has not taken what is live, and no roll-back has mended that."""
    failing_from: float = 0.0
    """The same by time.monotonic(): somebody may set the clock."""
    last_refusal: Told | None = None
    verdicts: Mapping[Verdict, int] = field(default_factory=dict)
    last_applied: float = 0.0
    last_success: float = 0.0
    durations: Histogram = field(default=Histogram(DURATION_BOUNDS))
    steps: Mapping[str, Histogram] = field(default_factory=dict)
    """Durations by step."""
    from_change: Histogram = field(default=Histogram(CHANGE_BOUNDS))
    """From the change of an object to the app's confirmation."""

    @property
    def last(self) -> Told:
        """The newest outcome; there is one as soon as the state is on the board."""
        return self.outcomes[0]

    @property
    def is_in_sync(self) -> bool:
        """Whether what is wanted is live, and the app has taken it."""
        return bool(self.live and self.outcomes) and not self.failing_since and self.last.outcome.verdict.is_success


def after(state: ConfigState | None, outcome: Outcome, live: Staged | None, good: Staged | None, now: float) -> ConfigState:
    """The state after one more outcome, with what is live by then and what the app took last."""
    before = state or ConfigState()
    told = Told(outcome, now)
    began = now - outcome.took_s
    revision = live.revision if live else ""
    is_failing = _is_failing(before, outcome, live, good)
    is_applied = outcome.verdict is Verdict.APPLIED
    steps = dict(before.steps)
    for name, seconds in outcome.steps:
        steps[name] = steps.get(name, Histogram(DURATION_BOUNDS)).with_one(seconds)
    return replace(
        before,
        outcomes=(told, *before.outcomes[: OUTCOMES_MAX - 1]),
        live=revision,
        live_since=before.live_since if revision == before.live else now,
        files=live.listing if live else {},
        wanted=outcome.revision,
        wanted_since=before.wanted_since if outcome.revision and outcome.revision == before.wanted else began,
        failing_since=(before.failing_since or began) if is_failing else 0.0,
        failing_from=(before.failing_from or time.monotonic() - outcome.took_s) if is_failing else 0.0,
        last_refusal=told if outcome.verdict in {Verdict.REFUSED, Verdict.ROLLED_BACK} else before.last_refusal,
        verdicts={**before.verdicts, outcome.verdict: before.verdicts.get(outcome.verdict, 0) + 1},
        last_applied=now if is_applied else before.last_applied,
        last_success=now if outcome.verdict.is_success else before.last_success,
        durations=before.durations.with_one(outcome.took_s),
        steps=steps,
        from_change=before.from_change.with_one(_since_change(outcome, now)) if is_applied and state else before.from_change,
    )


def _is_failing(before: ConfigState, outcome: Outcome, live: Staged | None, good: Staged | None) -> bool:
    """Whether the app has not taken what is live. A check or a disk that fails leaves the app alone with what it has taken."""
    if outcome.verdict is Verdict.FAILED and not outcome.revision:  # the disk
        return bool(before.failing_since)
    is_taken = bool(live and good and live.revision == good.revision)
    if outcome.verdict is Verdict.FAILED:
        return not is_taken or bool(_TOLD & {name for name, _ in outcome.steps})
    return outcome.verdict is Verdict.REFUSED and bool(live) and not is_taken


def _since_change(outcome: Outcome, now: float) -> float:
    """Seconds since the newest change of the objects; since the attempt began where they do not tell. Clocks may differ."""
    changed = max((origin.changed for origin in outcome.origins), default=0.0)
    return max(0.0, now - changed) if changed else outcome.took_s
