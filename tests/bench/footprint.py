"""What a process costs, seen from outside: memory, processor time, wake-ups. From /proc (proc(5))."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path


def pss_mb(pid: int) -> float:
    """Its proportional set size in MB: private memory, and its share of what it shares with others."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    found = re.search(r"^Pss: +(\d+) kB", text, re.MULTILINE)
    assert found
    return int(found[1]) * 1024 / 1e6


def cpu_ms(pid: int) -> float:
    """Processor time of all its threads that live, in ms: to the nanosecond, where /proc/PID/stat counts ticks of 10 ms."""
    return sum(int(text.split()[0]) for text in _of_threads(pid, "schedstat")) / 1e6


def wake_ups(pid: int) -> int:
    """How often its threads that live have slept and been woken: voluntary context switches."""
    return sum(int(text.partition("\nvoluntary_ctxt_switches:")[2].split()[0]) for text in _of_threads(pid, "status"))


def name_of(pid: int) -> str:
    """The name of the program that it runs; empty if it is gone."""
    return next(_of_threads(pid, "comm"), "").strip()


def _of_threads(pid: int, name: str) -> Iterator[str]:
    """A file of each thread; nothing for one that has just ended, nor for a process that has."""
    with suppress(FileNotFoundError, ProcessLookupError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            with suppress(FileNotFoundError, ProcessLookupError):
                yield Path(f"/proc/{pid}/task/{thread}/{name}").read_text()
