"""What becomes of a signal that was sent to us: the command gets it, as it is, as another one, or not at all."""

from __future__ import annotations

from supervisor.inbox import JOB_CONTROL_SIGNALS, STOP_SIGNALS

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from collections.abc import Iterable

    from supervisor.logs import Log
    from supervisor.processes import Processes
else:
    import _signal as signal  # as in inbox


class Forwarding:
    """Passes signals on to the command, with `to_group` to its whole process group.

    `rewrites` are pairs: what is sent to us, and what the command gets, 0 for nothing. `own_session` tells that the command
    has a session of its own. `stops` are the signals that ask the command to end: TERM, INT and QUIT, what becomes one of
    them, and what TERM becomes.
    """

    def __init__(
        self,
        processes: Processes,
        log: Log,
        rewrites: Iterable[tuple[int, int]] = (),
        *,
        to_group: bool = False,
        own_session: bool = False,
    ) -> None:
        self._processes = processes
        self._log = log
        # In another session than ours the command's group is orphaned, and the kernel drops these (credentials(7)).
        stops: dict[int, int] = dict.fromkeys(JOB_CONTROL_SIGNALS, signal.SIGSTOP) if own_session else {}
        # What the command gets for each signal, 0 for nothing.
        self._becomes: dict[int, int] = {number: number for number in signal.valid_signals()} | stops | dict(rewrites)
        self._to_group = to_group
        self._stop_signal: int = self._becomes[signal.SIGTERM] or signal.SIGTERM
        self.stops: frozenset[int] = frozenset(number for number in self._becomes if self._is_stop(number))
        self._is_denied = False

    def _is_stop(self, number: int) -> bool:
        """Whether a signal asks the command to end: TERM, INT and QUIT do, what becomes one of them, and what TERM becomes.

        So does WINCH where no terminal can have changed its size: it is the STOPSIGNAL of Apache's images.
        """
        sent = self._becomes[number]
        is_of_image = number == signal.SIGWINCH and not self._processes.has_terminal
        return sent != 0 and (number in STOP_SIGNALS or sent in STOP_SIGNALS or sent == self._stop_signal or is_of_image)

    def forward(self, number: int) -> None:
        """Pass a signal on."""
        self._send(number, self._becomes[number])

    def ask_to_end(self, number: int = signal.SIGTERM) -> None:
        """Pass a stop signal on, or TERM when it is we who ask: that one as it is, where it would be dropped."""
        self._send(number, self._becomes[number] or number)

    def _send(self, number: int, sent: int) -> None:
        """The command may run as somebody whom we must not signal: that is said once."""
        if sent:
            try:
                self._processes.send(sent, to_group=self._to_group)
            except PermissionError:
                if not self._is_denied:
                    self._is_denied = True
                    self._log.warning("signal.denied", "cannot forward signals: the command runs as somebody else", signal=sent)
        self._log.debug(
            "signal.forwarded", "a signal for the command; sent is what it gets, 0 for nothing", signal=number, sent=sent
        )
