"""How the command is stopped: when a stop signal reaches it, and when it is killed."""

from __future__ import annotations

import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from collections.abc import Callable

    from supervisor.forwarding import Forwarding
    from supervisor.logs import Log
    from supervisor.processes import Processes
else:
    import _signal as signal  # as in inbox

_NEVER = float("inf")


class Stopping:
    """Holds the first stop signal back for `delay_s` seconds; the command and its group have `kill_timeout_s` from then on.

    `on_stop` is called when the stop begins, before any signal is sent.
    """

    def __init__(
        self,
        forwarding: Forwarding,
        processes: Processes,
        log: Log,
        kill_timeout_s: float = _NEVER,
        delay_s: float = 0.0,
        on_stop: Callable[[], None] = lambda: None,
    ) -> None:
        self._forwarding = forwarding
        self._processes = processes
        self._log = log
        self._kill_timeout_s = kill_timeout_s
        self._delay_s = delay_s
        self._on_stop = on_stop
        self._held: list[int] = []
        self._release_at = self._kill_at = _NEVER
        self.has_begun = False

    @property
    def deadline(self) -> float:
        """When `act` has something to do, as a reading of time.monotonic()."""
        return min(self._release_at, self._kill_at)

    def begin(self, number: int) -> None:
        """A stop signal was sent to us. A second one ends the delay; it does not start the time until KILL anew."""
        is_first = not self.has_begun
        if is_first:
            self.has_begun = True
            self._on_stop()
        if number not in self._held:
            self._held.append(number)
        if is_first and self._delay_s:
            self._release_at = time.monotonic() + self._delay_s
        else:
            self._release()

    def restart(self) -> None:
        """Ask the command to end, because it is to be started again. Not if it ends anyway."""
        if self.has_begun:
            return
        self._set_clock()
        self._forwarding.ask_to_end()

    def has_restarted(self) -> None:
        """The command runs again: it is not to be killed."""
        self._kill_at = _NEVER

    def act(self) -> bool:
        """Do what is due. True: we are to leave, because the command cannot be killed otherwise."""
        now = time.monotonic()
        if now >= self._release_at:
            self._release()
        if now < self._kill_at:
            return False
        self._kill_at = _NEVER
        return self._kill()

    def _kill(self) -> bool:
        """Where we may not, we leave if we are PID 1, which ends everybody; any other would leave it behind, and waits on."""
        late = f"the command has not ended within {self._kill_timeout_s:g} s (--kill-timeout)"
        try:
            self._processes.kill()
        except PermissionError:
            must_leave = os.getpid() == 1
            then = "we leave, which ends it" if must_leave else "we wait on"
            message = f"{late} and cannot be killed: it runs as somebody else; {then}"
            self._log.warning("signal.denied", message, signal=signal.SIGKILL)
            return must_leave
        self._log.warning("command.killed", f"{late}: killed")
        return False

    def _release(self) -> None:
        self._release_at = _NEVER
        self._set_clock()
        for number in self._held:
            self._forwarding.ask_to_end(number)
        self._held = []

    def _set_clock(self) -> None:
        self._kill_at = min(self._kill_at, time.monotonic() + self._kill_timeout_s)
