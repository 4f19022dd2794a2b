"""Leave, so that whoever started us starts the app again, with what is on disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from supervisor.inbox import Inbox
    from supervisor.model import Update


class ByExit:
    """Asks the main thread to stop, as a TERM from outside would that is not dropped: the command gets its time to end."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox

    def deliver(self, update: Update) -> None:
        """Ask, and return at once: the next run tries the revision, and confirms it."""
        self._inbox.ask_to_stop()
