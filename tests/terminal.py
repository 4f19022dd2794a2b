"""A pseudo-terminal for tests: what is typed, what is seen."""

from __future__ import annotations

import fcntl
import os
import re
import select
import struct
import subprocess
import termios
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.running import CANARY, DEADLINE_S, eventually, kill_all

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}


class Terminal:
    """A pseudo-terminal with a session of its own, in which a command runs."""

    def __init__(self, words: list[str], environment: Mapping[str, str], cwd: Path | None) -> None:
        self._master, slave = os.openpty()
        self.process = subprocess.Popen(
            ["setsid", "--ctty", "--wait", *words], stdin=slave, stdout=slave, stderr=slave, env=environment, cwd=cwd
        )
        os.close(slave)
        self.seen = ""

    def type(self, text: str) -> None:
        """Press keys."""
        os.write(self._master, text.encode())

    def foreground(self) -> int:
        """The process group that has the terminal."""
        return os.tcgetpgrp(self._master)

    def resize(self, rows: int, columns: int) -> None:
        """Drag the window's corner."""
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("4H", rows, columns, 0, 0))

    def wait_for(self, pattern: str, deadline_s: float = DEADLINE_S) -> None:
        """Read until a pattern has been printed. Fails after the deadline."""
        eventually(lambda: re.search(pattern, self._read()), f"{pattern!r} on the terminal", deadline_s)

    def _read(self) -> str:
        """Everything that was printed so far."""
        if select.select([self._master], [], [], 0.05)[0]:
            try:
                self.seen += os.read(self._master, 65536).decode(errors="replace")
            except OSError:  # EIO: everybody has left
                assert self.process.wait(5) is not None
        return self.seen

    def close(self) -> None:
        """Hang up."""
        kill_all(self.process)
        os.close(self._master)
        assert CANARY not in self.seen, "a content was printed"


@contextmanager
def terminal(*words: str, environment: Mapping[str, str] = ENVIRONMENT, cwd: Path | None = None) -> Iterator[Terminal]:
    """A terminal that is closed at the end."""
    opened = Terminal(list(words), environment, cwd)
    try:
        yield opened
    finally:
        opened.close()
