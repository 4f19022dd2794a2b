"""What the tests of faults share: each says what it tried and saw, and a run ends with all of that as a table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Tried = Callable[..., None]
COLUMNS = ("what was tried", "what happened", "lost updates", "recovery, s", "API requests a second")


@pytest.fixture
def tried(record_property: Callable[[str, object], None]) -> Tried:
    """Record a row of the table: the fault and what happened, in words; of several rows with the same words the worst is shown.

    `lost` counts wanted changes that never became live, `recovery_s` is from the end of the fault until the change that was made
    during it was live, `requests_per_s` what the API server got meanwhile.
    """

    def record(
        fault: str,
        happened: str,
        *,
        lost: int | None = None,
        recovery_s: float | None = None,
        requests_per_s: float | None = None,
    ) -> None:
        record_property("tried", (fault, happened, (lost, recovery_s, requests_per_s)))

    return record


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print the table, as Markdown."""
    rows: dict[tuple[str, str], list[float | None]] = {}
    for report in sorted(terminalreporter.stats.get("passed", []), key=lambda report: report.nodeid):
        for name, value in report.user_properties:
            if name == "tried":
                fault, happened, figures = value
                worst = rows.setdefault((fault, happened), [None, None, None])
                worst[:] = [max((x for x in pair if x is not None), default=None) for pair in zip(worst, figures, strict=True)]
    if rows:
        terminalreporter.write_sep("-", "what was tried")
        terminalreporter.write_line(_line(COLUMNS))
        terminalreporter.write_line(_line(["---"] * len(COLUMNS)))
        for words, figures in rows.items():
            terminalreporter.write_line(_line([*words, *("" if figure is None else f"{figure:.2g}" for figure in figures)]))


def _line(cells: Any) -> str:
    return f"| {' | '.join(cells)} |"
