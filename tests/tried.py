"""Tables of the README that a run of tests makes: each test says what it tried and saw, and the run ends with all of that."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from tests.checkout import README

Figures = Sequence[float | None]


@dataclass(frozen=True)
class Table:
    """One table: what was tried, what happened, and some figures of it. Of rows with the same words the highest figures count."""

    name: str
    """Of the property of a test's report that holds a row: its two texts and its figures."""
    columns: tuple[str, ...]
    show: Callable[[Figures], Iterable[str]]
    """Writes the figures of a row."""

    def summarize(self, reporter: Any) -> None:
        """Print the table, as Markdown, if there is anything in it."""
        rows = self._rows(reporter)
        if rows:
            reporter.write_sep("-", self.columns[0])
            lines = [self.columns, ["---"] * len(self.columns), *([*words, *self.show(found)] for words, found in rows.items())]
            for cells in lines:
                reporter.write_line(f"| {' | '.join(cells)} |")

    def compare(self, session: pytest.Session) -> None:
        """Let a run fail if it has tried other things than the README tells of. For runs of all that has to do with the table."""
        reporter: Any = session.config.pluginmanager.get_plugin("terminalreporter")
        if reporter is None or session.exitstatus:
            return
        tried = {words[0] for words in self._rows(reporter)}
        table = README.partition(f"\n| {' | '.join(self.columns)} |\n")[2].partition("\n\n")[0]
        told = {*re.findall(r"^\| (.+?) \|", table, re.MULTILINE)} - {"---"}
        if tried != told:
            reporter.write_line(f"README.md, {self.columns[0]}: {sorted(tried ^ told)}", red=True)
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def _rows(self, reporter: Any) -> dict[tuple[str, str], list[float | None]]:
        rows: dict[tuple[str, str], list[float | None]] = {}
        for report in sorted(reporter.stats.get("passed", []), key=lambda report: report.nodeid):
            for name, value in report.user_properties:
                if name == self.name:
                    what, happened, figures = value
                    most = rows.setdefault((what, happened), [None] * len(figures))
                    most[:] = [max((x for x in pair if x is not None), default=None) for pair in zip(most, figures, strict=True)]
        return rows
