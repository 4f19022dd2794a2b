"""Start a contender around an app, and wait until the app was told.

The program is what users start: its console script, by the interpreter that stands in the script's first line. What it is
compared with is started by the same interpreter with the same flags.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Self

from tests.bench.footprint import cpu_ms
from tests.running import AS_PID1, descendants, eventually

HERE = Path(__file__).parent
DEADLINE_S = 120.0
REST_FOREVER = ["sleep", "infinity"]


@cache
def program() -> list[str]:
    """The program: $BENCH_PROGRAM, else the script that is installed beside the interpreter that runs the bench."""
    given = os.environ.get("BENCH_PROGRAM")
    if given:
        return given.split()
    script = Path(sys.executable).parent / "config-supervisor"
    return [str(script)] if script.exists() else [sys.executable, "-m", "supervisor"]


@cache
def interpreter() -> list[str]:
    """The interpreter of the program, with its flags."""
    with Path(program()[0]).open("rb") as file:
        first = file.readline()
    return first[2:].decode().split() if first.startswith(b"#!") and b"python" in first else [sys.executable]


@cache
def help_text() -> str:
    """The program's --help: it says which options there are."""
    return subprocess.run([*program(), "--help"], capture_output=True, text=True, check=True).stdout


def available(*options: str) -> list[str]:
    """Those of the options that the program has."""
    return [option for option in options if f" {option.partition('=')[0]}=" in help_text()]


def script(name: str, *arguments: str) -> list[str]:
    """The command line of one of the scripts in this folder, compiled: an installed program is that too."""
    return [*interpreter(), _compiled(name), *arguments]


@cache
def _compiled(name: str) -> str:
    source = HERE / f"{name}.py"
    code = "import py_compile, sys; print(py_compile.compile(sys.argv[1], doraise=True))"
    return subprocess.run([*interpreter(), "-c", code, source], capture_output=True, text=True, check=True).stdout.strip()


@cache
def environment() -> dict[str, str]:
    """What every contender gets: our environment, without what keeps Python from keeping what it has compiled."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def app(file: Path, *port: str) -> list[str]:
    """The command line of the app, by an interpreter that starts fast."""
    return [sys.executable, "-IS", str(HERE / "app.py"), str(file), *port]


@dataclass(frozen=True)
class Told:
    """When an app was told, when it had read its file, in ns of CLOCK_MONOTONIC, and how the file began then."""

    at_ns: int
    read_ns: int
    start: int


class Contender:
    """A running contender: something that runs an app, or is at rest."""

    def __init__(self, words: Sequence[str], log: Path, *, as_pid1: bool = False) -> None:
        self._as_pid1 = as_pid1
        self._rest = b""
        self._lines: list[bytes] = []
        self.times_told = 0
        self.log = log
        with log.open("ab") as file:  # through a pipe, as a container's standard error
            self._log_reader = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=file)
        assert self._log_reader.stdin
        with self._log_reader.stdin as errors:
            self._process = subprocess.Popen(
                [*(AS_PID1 if as_pid1 else []), *words],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=environment(),
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Kill it, and what it has started."""
        assert self._process.stdout
        below = descendants(self._process.pid)
        self._process.kill()
        self._process.wait()
        for pid in below:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._log_reader.wait()
        self._process.stdout.close()

    @property
    def pid(self) -> int:
        """Its process ID, as seen from here."""
        if not self._as_pid1:
            return self._process.pid
        return int(eventually(lambda: descendants(self._process.pid), "unshare has a child")[0])

    def line(self) -> bytes:
        """The next line of its standard output, as soon as it is there. By a plain read: no thread of ours competes with it."""
        assert self._process.stdout
        while not self._lines:
            readable, _, _ = select.select([self._process.stdout], [], [], DEADLINE_S)
            part = os.read(self._process.stdout.fileno(), 2**16) if readable else b""
            if not part:
                raise RuntimeError(f"it {'has ended' if readable else 'says nothing'}: {self._last_words()}")
            *self._lines, self._rest = (self._rest + part).split(b"\n")
        return self._lines.pop(0)

    def has_said_something(self) -> bool:
        """Whether a line of its standard output can be read."""
        assert self._process.stdout
        return bool(select.select([self._process.stdout], [], [], 0)[0])

    def wait_until_told(self, start: int) -> Told:
        """Wait until the app was told and its file began with this number, or a higher one."""
        while True:
            told = Told(*map(int, self.line().split()))
            self.times_told += 1
            if told.start >= start:
                return told

    def wait_until_it_rests(self, since_s: float = 0.5) -> None:
        """Wait until neither it nor its app has used the processor for a while."""
        used, since = 0.0, time.monotonic()
        while time.monotonic() < since + since_s:
            now = sum(map(cpu_ms, [self.pid, *descendants(self.pid)]))
            if now != used:
                used, since = now, time.monotonic()
            time.sleep(since_s / 10)

    def end(self) -> int:
        """Wait for its end, and return its exit code."""
        return self._process.wait(DEADLINE_S)

    def _last_words(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-5:])


def time_to_line(words: Sequence[str], log: Path, *, waits: bool = True) -> float:
    """From before its start to the first line of what it starts, in ms; then wait for its end, or kill it."""
    began = time.monotonic()
    with Contender(words, log) as contender:
        contender.line()
        took_s = time.monotonic() - began
        if waits:
            contender.end()
    return took_s * 1000
