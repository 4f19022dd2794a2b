"""The door to prctl(2): what a process can ask the Linux kernel for that Python has no call for."""

from __future__ import annotations

import os
from ctypes import CDLL, get_errno

from supervisor.errors import StartError

# linux/prctl.h
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


def become_subreaper() -> None:
    """Be the parent of the orphans of our descendants, as PID 1 is. Raises StartError where that is not possible."""
    _prctl("--subreaper", _PR_SET_CHILD_SUBREAPER, 1)


def ask_for_signal_when_parent_dies(number: int, parent: int) -> None:
    """Let the kernel send us a signal when our parent dies; if `parent` is dead already, now. Raises StartError."""
    _prctl("--parent-death-signal", _PR_SET_PDEATHSIG, number)
    if os.getppid() != parent:
        os.kill(os.getpid(), number)


def _prctl(option: str, what: int, value: int) -> None:
    try:
        failed = CDLL(None, use_errno=True).prctl(what, value, 0, 0, 0)
    except AttributeError:
        raise StartError(f"{option} needs Linux") from None
    if failed:
        raise StartError(f"{option}: the kernel says {os.strerror(get_errno())}")
