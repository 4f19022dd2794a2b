"""The bench itself: a row that cannot be measured any more is found here, and not by the next one who wants figures."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench.rows import Budget, Row, spread


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_quick_bench_measures_every_row(tmp_path: Path) -> None:
    """Its figures mean nothing, so no budget is looked at."""
    file = tmp_path / "rows.json"

    done = subprocess.run(
        [sys.executable, "-m", "tests.bench", "--quick", f"--json={file}"], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    rows = json.loads(file.read_text())["rows"]
    assert {row["what"] for row in rows if row.get("budget")} >= {"memory at rest, no source (PSS)"}
    assert all("ours" in row or "skipped" in row for row in rows)


@pytest.mark.parametrize(
    ("budget", "is_met"),
    [
        (Budget("times", 1.5), True),
        (Budget("times", 1.49), False),
        (Budget("more", 1.0), True),
        (Budget("more", 0.9), False),
        (Budget("at most", 3.0), True),
        (Budget("at most", 2.9), False),
        (Budget("at least", 3.0), True),
        (Budget("at least", 3.1), False),
    ],
)
def test_a_budget_is_about_medians(budget: Budget, is_met: bool) -> None:
    """3 against 2, with one bad sample in ten."""
    ours, theirs = [3.0] * 9 + [100.0], [2.0] * 10

    assert Row("row", "ms", ours, "floor", theirs, budget).is_met is is_met


def test_the_spread_of_a_ratio_is_that_of_its_rounds() -> None:
    """The n-th samples of both belong together."""
    row = Row("row", "ms", [2.0, 20.0, 200.0], "floor", [1.0, 10.0, 100.0])

    assert row.ratio_spread == (2.0, 2.0)
    assert spread([1.0, 2.0]) is None
