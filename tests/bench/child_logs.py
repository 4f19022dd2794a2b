"""Row: how fast the lines of the command pass through `--child-logs=json`, and that none is lost."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.bench.contenders import available, program
from tests.bench.rounds import interleave, say
from tests.bench.rows import Budget, Missing, Row

_WHAT = "--child-logs=json, throughput"
_LINE = b"2026-11-24T12:00:00Z GET /api/v1/items?page=%08d 200 1534 0.0021 a line as many programs print it\n"


def rows(*, quick: bool) -> Iterator[Row | Missing]:
    """Against `cat` through a pipe."""
    options = available("--child-logs=json")
    if not options:
        yield Missing(_WHAT, "the program has no --child-logs")
        return
    say("throughput of logs")
    lines = 10_000 if quick else 1_000_000
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        file = Path(folder) / "lines"
        file.write_bytes(b"".join(_LINE % number for number in range(lines)))
        size_mb = file.stat().st_size / 1e6
        contenders = {
            "ours": lambda: _pass([*program(), *options, "--", "cat", str(file)], lines, size_mb),
            "cat": lambda: _pass(["sh", "-c", 'cat "$0" | cat', str(file)], lines, size_mb),
        }
        samples = interleave(contenders, 2 if quick else 5, warm_up=1)
    yield Row(_WHAT, "MB/s", samples["ours"]["rate"], "cat | cat", samples["cat"]["rate"], Budget("at least", 50))


def _pass(words: Sequence[str], lines: int, size_mb: float) -> dict[str, float]:
    """MB a second of what the command writes, with the start of it all; fails if a line is missing."""
    began = time.monotonic()
    with subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout
        found = 0
        while part := os.read(process.stdout.fileno(), 2**20):
            found += part.count(b"\n")
    took_s = time.monotonic() - began
    if process.returncode or found != lines:
        raise RuntimeError(f"{words[0]} ended with {process.returncode} and passed on {found} of {lines} lines")
    return {"rate": size_mb / took_s}
