"""Tell the command by a signal."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import psutil

from supervisor.errors import Refused, Unreachable

if TYPE_CHECKING:
    from supervisor.model import Revision
    from supervisor.processes import Processes


class BySignal:
    """Sends the signal to the command, unless it would end it: a command that has only just started has no handler yet."""

    def __init__(self, number: int, processes: Processes) -> None:
        self._number = number
        self._processes = processes

    def deliver(self, revision: Revision) -> None:
        """Send the signal. The process cannot be replaced by another of the same number while we hold on to it."""
        name = signal.Signals(self._number).name if self._number in set(signal.Signals) else str(self._number)
        with self._processes.child() as pid:
            if pid is None:
                raise Unreachable("the command does not run")
            if not _survives(pid, self._number):
                raise Unreachable(f"{name} would end the command, which has no handler for it: choose another --reload-signal")
            try:
                psutil.Process(pid).send_signal(self._number)
            except psutil.NoSuchProcess:
                raise Unreachable("the command has ended") from None
            except psutil.AccessDenied:
                raise Refused(f"may not send {name} to the command: it runs as another user") from None


def _survives(pid: int, number: int) -> bool:
    """Whether the process handles or ignores the signal (proc(5): SigCgt and SigIgn are masks, bit 0 is signal 1)."""
    try:
        with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as file:
            masks = [int(line.split()[1], 16) for line in file if line.startswith(("SigCgt:", "SigIgn:"))]
    except OSError:
        return True  # no /proc here: as far as we know
    return any(mask >> (number - 1) & 1 for mask in masks) or not masks
