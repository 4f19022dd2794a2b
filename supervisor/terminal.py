"""The controlling terminal: one process group at a time is its foreground group, which may read and gets Ctrl-C."""

from __future__ import annotations

import os
from contextlib import suppress


def ours() -> int | None:
    """A descriptor of the controlling terminal, if we are its foreground group and so may give it away."""
    try:
        terminal = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)
    except OSError:
        return None
    if os.tcgetpgrp(terminal) == os.getpgrp():
        return terminal
    os.close(terminal)
    return None


def take_back(terminal: int | None) -> None:
    """Make our group the foreground one again, so that whoever started us can read from the terminal."""
    if terminal is not None:
        with suppress(OSError):  # it is gone: nobody can read from it anyway
            os.tcsetpgrp(terminal, os.getpgrp())
