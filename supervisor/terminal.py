"""The controlling terminal: one process group at a time is its foreground group, which may read and gets Ctrl-C."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
else:
    import _signal as signal  # as in inbox


class Terminal:
    """The controlling terminal, if we have one: lent to the command's group, or given away to the command's session."""

    def __init__(self) -> None:
        try:
            self._terminal = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)
        except OSError:
            self._terminal = -1
        self.exists = self._terminal >= 0
        self.is_lent = False
        self._is_free = False

    def is_ours(self) -> bool:
        """Whether our group is the foreground one, and so may give the terminal away."""
        try:
            return self.exists and os.tcgetpgrp(self._terminal) == os.getpgrp()
        except OSError:  # it has hung up
            return False

    def offer(self, *, to_new_session: bool) -> None:
        """Called before the command's process is made: see whether it gets the terminal."""
        self.is_lent = not to_new_session and self.is_ours()
        if to_new_session and self.exists and os.getsid(0) == os.getpid():
            self._let_go()

    def accept(self) -> None:
        """Called by the command's process, leader of a new group or session, before it becomes the command."""
        try:
            if self.is_lent:
                os.tcsetpgrp(self._terminal, os.getpid())
            elif self._is_free:
                from fcntl import ioctl  # imported already
                from termios import TIOCSCTTY

                ioctl(self._terminal, TIOCSCTTY, 0)
        except OSError:
            pass  # it has hung up, or somebody else was faster: the command runs without

    def lend(self, group: int) -> bool:
        """Make a group the foreground one, if ours is; return whether it was made so."""
        if not self.is_ours():
            return False
        try:
            os.tcsetpgrp(self._terminal, group)
        except OSError:
            return False
        self.is_lent = True
        return True

    def take_back(self) -> None:
        """Make our group the foreground one again, so that whoever started us can read from the terminal.

        Not unless it is lent: if we were put into the background since, another has it now.
        """
        if self.is_lent:
            self.is_lent = False
            try:
                os.tcsetpgrp(self._terminal, os.getpgrp())
            except OSError:
                pass  # it has hung up

    def _let_go(self) -> None:
        """Free the terminal of our session, which we lead, for the command's one (ioctl_tty(2), TIOCNOTTY).

        For that the kernel sends HUP and CONT to the foreground group: these are no news for the command, and taken away.
        """
        from fcntl import ioctl
        from termios import TIOCNOTTY, TIOCSCTTY  # noqa: F401  (the second for accept, which must not import)

        before = signal.sigpending()
        try:
            ioctl(self._terminal, TIOCNOTTY)
        except OSError:
            return
        self._is_free = True
        for number in {signal.SIGHUP, signal.SIGCONT} & (signal.sigpending() - before):
            signal.sigwait({number})
