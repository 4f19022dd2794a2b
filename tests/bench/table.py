"""The rows as a table for people, and as JSON."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from statistics import median
from typing import Any

from tests.bench.rows import Missing, Row, number, spread

_HEAD = ("what", "ours", "against", "ratio", "budget", "")


def render(rows: Sequence[Row | Missing]) -> str:
    """A Markdown table, aligned for a terminal. Samples are medians, with the tenth and ninetieth percentile in brackets."""
    lines = [_HEAD, *(_cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_HEAD))]
    text = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines]
    text.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(text)


def as_json(rows: Sequence[Row | Missing], *, quick: bool) -> str:
    """The rows, and the machine that they were measured on."""
    return json.dumps({"machine": machine(), "quick": quick, "rows": [row.as_data() for row in rows]}, indent=2)


def machine() -> dict[str, Any]:
    """What the figures depend on."""
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "cores": len(os.sched_getaffinity(0)),
        "load": os.getloadavg()[0],
        "system": f"{platform.system()} {platform.release().partition('-')[0]} {platform.machine()}",
        "python": platform.python_version(),
    }


def _cells(row: Row | Missing) -> tuple[str, ...]:
    if isinstance(row, Missing):
        return row.what, "", "", "", "", f"{'failed' if row.failed else 'skipped'}: {row.reason}"
    against = f"{row.against} {_samples(row.theirs, row.unit)}" if row.theirs else row.against
    ratio = f"{row.ratio:.2f}{_brackets(row.ratio_spread)}" if row.ratio is not None else ""
    if row.by_difference and row.difference is not None:
        ratio = f"{row.difference:+.2f} {row.unit}"
    verdict = {True: "met", False: "missed", None: ""}[row.is_met]
    return row.what, _samples(row.ours, row.unit), against, ratio, row.budget_text, "; ".join(filter(None, (verdict, row.note)))


def _samples(samples: list[float], unit: str) -> str:
    return f"{number(median(samples))}{_brackets(spread(samples))} {unit}"


def _brackets(found: tuple[float, float] | None) -> str:
    return f" ({number(found[0])}–{number(found[1])})" if found else ""
