"""Tell the app by a command."""

from __future__ import annotations

from typing import TYPE_CHECKING

from supervisor.hook import Hook

if TYPE_CHECKING:
    from supervisor.logs import Log
    from supervisor.model import Update
    from supervisor.processes import Processes


class ByCommand:
    """Runs a command, which says no by its exit code."""

    def __init__(self, words: tuple[str, ...], timeout_s: float, processes: Processes, log: Log) -> None:
        self._hook = Hook("--reload-command", words, timeout_s, processes, log)

    def deliver(self, update: Update) -> None:
        """Run it to its end. One that cannot be started, or is out of time, has told nobody anything: worth another try."""
        self._hook.run(update)
