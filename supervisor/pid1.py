"""The main thread's loop: forward signals, reap, and leave with the command's code."""

from __future__ import annotations

import time

from supervisor.inbox import STOP_SIGNALS, Applied, Inbox, Signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from threading import Event

    from supervisor.logs import Log
    from supervisor.processes import Processes


def wait_for_first(inbox: Inbox, processes: Processes, deadline: float) -> tuple[Applied | Signal | None, list[Signal]]:
    """Wait until the first configuration is on disk, we are asked to stop, or the deadline is past (None).

    Also returns the other signals that came meanwhile, in order: they are for the command, which does not run yet.
    """
    held: list[Signal] = []
    while True:
        heard = False
        for word in inbox.wait(deadline):
            heard = True
            if isinstance(word, Applied) or word in STOP_SIGNALS:
                return word, held
            held.append(word)
        processes.reap()
        if not heard and time.monotonic() >= deadline:
            return None, held


def run(inbox: Inbox, processes: Processes, *, has_command: bool, stop: Event, log: Log) -> int:
    """Forward and reap until the command ends, and return its exit code; without one, until we are asked to stop: 0.

    From the first stop signal on `stop` is set: no reload is sent to an app that is shutting down.
    """
    while True:
        for word in inbox.wait():
            if isinstance(word, Signal):
                if word in STOP_SIGNALS:
                    stop.set()
                    if not has_command:
                        return 0
                forward(word, processes, log)
        code = processes.reap()
        if code is not None:
            return code


def forward(number: Signal, processes: Processes, log: Log) -> None:
    """Hand a signal on to the command, which may run as somebody whom we must not signal."""
    try:
        processes.send(number)
    except PermissionError:
        log.warning("signal.denied", f"cannot forward signal {number}: the command runs as another user", signal=number)
