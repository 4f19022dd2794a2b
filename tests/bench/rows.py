"""A row of the table: what was measured, against what, and whether that is within the budget."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median, quantiles
from typing import Any, Literal

# How a budget reads, and by which number it is met: the ratio, the difference or the value of the medians.
_TEXTS = {"times": "≤ {} ×", "more": "≤ + {} {}", "at most": "≤ {} {}", "at least": "≥ {} {}"}


@dataclass(frozen=True)
class Budget:
    """What a row may cost: so many times as much as the other, so much more, or so much at all."""

    kind: Literal["times", "more", "at most", "at least"]
    limit: float


@dataclass(frozen=True)
class Row:
    """One line of the table. `ours` and `theirs` are samples in `unit`; the n-th of both are from the same round."""

    what: str
    unit: str
    ours: list[float]
    against: str = ""
    theirs: list[float] | None = None
    budget: Budget | None = None
    note: str = ""
    by_difference: bool = False
    """Whether the difference of the medians says more than their ratio: when theirs is about nothing."""

    @property
    def difference(self) -> float | None:
        """The difference of the medians."""
        return median(self.ours) - median(self.theirs) if self.theirs else None

    @property
    def ratio(self) -> float | None:
        """The ratio of the medians."""
        return _ratio(median(self.ours), median(self.theirs)) if self.theirs else None

    @property
    def ratio_spread(self) -> tuple[float, float] | None:
        """The tenth and the ninetieth percentile of the ratios of the rounds."""
        ratios = [_ratio(ours, theirs) for ours, theirs in zip(self.ours, self.theirs or (), strict=False)]
        return spread([ratio for ratio in ratios if ratio is not None])

    @property
    def is_met(self) -> bool | None:
        """Whether the budget is met; None if there is none."""
        if self.budget is None:
            return None
        value = median(self.ours)
        if self.budget.kind == "at least":
            return value >= self.budget.limit
        if self.budget.kind == "at most":
            return value <= self.budget.limit
        assert self.theirs
        most = self.budget.limit + median(self.theirs) if self.budget.kind == "more" else self.budget.limit * median(self.theirs)
        return value <= most

    @property
    def budget_text(self) -> str:
        """`≤ 1.25 ×`, `≤ 30 ms`."""
        return _TEXTS[self.budget.kind].format(number(self.budget.limit), self.unit) if self.budget else ""

    def as_data(self) -> dict[str, Any]:
        """All of it, for JSON."""
        return {
            "what": self.what,
            "unit": self.unit,
            "ours": _summary(self.ours),
            "against": self.against or None,
            "theirs": _summary(self.theirs) if self.theirs else None,
            "ratio": self.ratio,
            "ratio_p10_p90": self.ratio_spread,
            "difference": self.difference,
            "budget": self.budget_text or None,
            "met": self.is_met,
            "note": self.note or None,
        }


@dataclass(frozen=True)
class Missing:
    """What was not measured, and why: it cannot be measured here (skipped), or measuring failed."""

    what: str
    reason: str
    failed: bool = False

    def as_data(self) -> dict[str, Any]:
        """The same, for JSON."""
        return {"what": self.what, "failed" if self.failed else "skipped": self.reason}


def spread(samples: list[float]) -> tuple[float, float] | None:
    """The tenth and the ninetieth percentile; None if there are fewer than three samples."""
    if len(samples) < 3:
        return None
    tenths = quantiles(samples, n=10, method="inclusive")
    return tenths[0], tenths[-1]


def number(value: float) -> str:
    """Three digits that count."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _ratio(ours: float, theirs: float) -> float | None:
    return ours / theirs if theirs > 0 else None


def _summary(samples: list[float]) -> dict[str, Any]:
    return {"median": median(samples), "p10_p90": spread(samples), "samples": len(samples)}
