"""What the tests of faults share: each says what it tried and saw, and a run ends with all of that as a table."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from tests.checkout import README

Tried = Callable[..., None]
COLUMNS = ("what was tried", "what happened", "lost updates", "recovery, s", "API requests a second")
_AT_ONCE_S = 0.01


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
    rows = _rows(terminalreporter)
    if rows:
        terminalreporter.write_sep("-", "what was tried")
        for line in _table(rows):
            terminalreporter.write_line(line)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A run of the whole folder fails if the README does not tell of the same faults: `make faults` is how its table was made."""
    reporter: Any = session.config.pluginmanager.get_plugin("terminalreporter")
    if session.config.args != ["tests/faults"] or reporter is None or session.exitstatus:
        return
    rows = {fault for fault, _ in _rows(reporter)}
    told = set(re.findall(r"^\| (.+?) \|", README.partition("## What was tried")[2].partition("\n## ")[0], re.MULTILINE))
    if rows != told - {COLUMNS[0], "---"}:
        reporter.write_line(f"README.md, What was tried: {sorted(rows ^ told)}", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _rows(reporter: Any) -> dict[tuple[str, str], list[float | None]]:
    rows: dict[tuple[str, str], list[float | None]] = {}
    for report in sorted(reporter.stats.get("passed", []), key=lambda report: report.nodeid):
        for name, value in report.user_properties:
            if name == "tried":
                fault, happened, figures = value
                worst = rows.setdefault((fault, happened), [None, None, None])
                worst[:] = [max((x for x in pair if x is not None), default=None) for pair in zip(worst, figures, strict=True)]
    return rows


def _table(rows: dict[tuple[str, str], list[float | None]]) -> Iterable[str]:
    yield _line(COLUMNS)
    yield _line(["---"] * len(COLUMNS))
    for words, (lost, recovery_s, per_s) in rows.items():
        recovery = "" if recovery_s is None else "at once" if recovery_s < _AT_ONCE_S else f"{recovery_s:.2g}"
        yield _line([*words, "" if lost is None else f"{lost:.0f}", recovery, "" if per_s is None else f"{per_s:.2g}"])


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
