"""Stop the command and start it again, with what is on disk then."""

from __future__ import annotations

from threading import Event
from typing import TYPE_CHECKING

from supervisor.inbox import Restart

if TYPE_CHECKING:
    from supervisor.inbox import Inbox
    from supervisor.model import Update


class ByRestart:
    """Lets the main thread do it, which stops the command as it would for a stop of its own."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox

    def deliver(self, update: Update) -> None:
        """Return when the command runs again. If we are leaving it never does, and nobody waits for us."""
        done = Event()
        self._inbox.post(Restart(done.set))
        done.wait()
