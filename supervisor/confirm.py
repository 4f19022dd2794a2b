"""Ask whether the app took a revision: it, by HTTP, or a command that knows it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from supervisor.errors import Refused, Unreachable
from supervisor.hook import Hook

if TYPE_CHECKING:
    from supervisor.logs import Log
    from supervisor.model import Update
    from supervisor.processes import Processes
    from supervisor.settings import HttpSettings, SafetySettings


class Confirmation:
    """The questions that were given. Without one, nobody is asked."""

    def __init__(self, settings: SafetySettings, processes: Processes, log: Log) -> None:
        self._http = settings.confirm_http
        self._match = re.compile(settings.confirm_match) if settings.confirm_match else None
        words = settings.confirm_command
        self._hook = Hook("--confirm-command", words, settings.hook_timeout_s, processes, log) if words else None

    @property
    def is_asked(self) -> bool:
        """Whether there is a question."""
        return bool(self._http or self._hook)

    def ask(self, update: Update, timeout_s: float) -> None:
        """Ask once. Raises Refused with the answer that is no yes, and Unreachable if a command could not be run."""
        if self._http:
            self._ask_http(self._http)
        if self._hook:
            self._hook.run(update, timeout_s=timeout_s)

    def _ask_http(self, settings: HttpSettings) -> None:
        """An app that does not answer has not taken its configuration."""
        from supervisor.request import ask, is_yes, shown

        try:
            answer = ask(settings)
        except Unreachable as error:
            raise Refused(f"--confirm-http: {error}") from error
        if not is_yes(settings, answer):
            raise Refused(f"--confirm-http: {shown(settings)} answers {answer.name}")
        if self._match and not self._match.search(answer.body.decode(errors="replace")):
            raise Refused(f"--confirm-http: the answer of {shown(settings)} does not match --confirm-match")
