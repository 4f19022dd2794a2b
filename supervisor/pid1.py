"""The main thread's loop: forward signals, reap, and leave with the command's code."""

from __future__ import annotations

import os
import time

from supervisor.inbox import JOB_CONTROL_SIGNALS, STOP_SIGNALS, Applied, OwnStop, Restart, Signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from collections.abc import Callable

    from supervisor.forwarding import Forwarding
    from supervisor.inbox import Inbox
    from supervisor.logs import Log
    from supervisor.processes import Processes
    from supervisor.stopping import Stopping
else:
    import _signal as signal  # as in inbox

# What the command has left behind has so long after TERM, and after KILL.
_TERM_GRACE_S = 2.0
_KILL_GRACE_S = 1.0
# So often is looked whether it is gone: not everybody in our PID namespace is our child, of whose end we are told.
_LOOK_S = 0.05


def wait_for_first(inbox: Inbox, processes: Processes, stops: frozenset[int], deadline: float) -> Applied | Signal | None:
    """Wait until the first configuration is on disk, one of `stops` asks us to stop, or the deadline is past (None).

    Other signals are put back into the inbox, in order: they are for the command, which does not run yet.
    """
    held: list[Signal | Restart] = []
    while True:
        word = inbox.wait(deadline)
        if isinstance(word, Applied) or word in stops:
            processes.reap()  # of a hook that has ended since, there may be no news but what this word came with
            inbox.put_back(held)
            return word
        if word is None:
            processes.reap()
            if time.monotonic() >= deadline:
                return None
        elif not _stops_us(word, processes):
            held.append(word)


def run(
    inbox: Inbox,
    processes: Processes,
    forwarding: Forwarding,
    stopping: Stopping,
    *,
    on_end: Callable[[int], bool] = lambda _: False,
) -> int:
    """Forward and reap until the command ends, and return its exit code.

    `on_end` is told the code of a command that has ended by itself, and says whether to start it again. Raises StartError if
    it cannot be started again.
    """
    restarts: list[Restart] = []
    stops, begin, forward = forwarding.stops, stopping.begin, forwarding.forward
    while True:
        word = inbox.wait(stopping.deadline)
        if isinstance(word, Signal):
            (begin if word in stops or isinstance(word, OwnStop) else forward)(word)
        elif isinstance(word, Restart):
            restarts.append(word)
            stopping.restart()
        if stopping.act():
            return 128 + signal.SIGKILL
        if not inbox.has_child_news():
            continue
        code = processes.reap()
        if code is None:
            processes.stop_with_the_command()
        elif stopping.has_begun or not (restarts or on_end(code)):
            return code
        else:
            processes.start_again()
            stopping.has_restarted()
            while restarts:
                restarts.pop().done()


def wait_for_stop(inbox: Inbox, processes: Processes) -> None:
    """Without a command: reap until we are asked to stop."""
    while (word := inbox.wait()) not in STOP_SIGNALS:
        _stops_us(word, processes)
        processes.reap()


def _stops_us(word: object, processes: Processes) -> bool:
    """Do what a job control signal asks for while there is no command that could do it. PID 1 cannot be stopped."""
    if word in JOB_CONTROL_SIGNALS and os.getpid() != 1:
        processes.stop_ourselves()
        return True
    return False


def tell_who_reaps(log: Log, *, is_subreaper: bool = False) -> None:
    """Say it once if orphans of the command do not come to us."""
    if os.getpid() != 1 and not is_subreaper:
        log.warning("orphans.elsewhere", "not PID 1: orphans of the command are not reaped here; --subreaper changes that")


def end_the_rest(inbox: Inbox, processes: Processes) -> None:
    """After the command's end: TERM to what it has left behind, and KILL after a moment, or at once if we are told to stop.

    Only for PID 1, whom it is all left to, and for a subreaper.
    """
    for number, grace_s in ((signal.SIGTERM, _TERM_GRACE_S), (signal.SIGKILL, _KILL_GRACE_S)):
        told: set[int] = set()
        end = time.monotonic() + grace_s
        while processes.signal_rest(number, told) and time.monotonic() < end:
            if inbox.wait(min(end, time.monotonic() + _LOOK_S)) in STOP_SIGNALS:
                end = 0.0
            processes.reap()
