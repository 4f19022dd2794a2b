"""Ask whether the app took a revision: it, by HTTP, or a command that knows it; or look for its new workers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from supervisor.errors import Refused, Unreachable
from supervisor.hook import Hook

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from supervisor.logs import Log
    from supervisor.model import Update
    from supervisor.processes import Processes
    from supervisor.settings import HttpSettings, SafetySettings


class Confirmation:
    """The questions that were given. Without one, nobody is asked."""

    def __init__(self, settings: SafetySettings, process: str | None, processes: Processes, log: Log) -> None:
        self._workers = Workers(process, processes) if settings.confirm_workers else None
        self._http = settings.confirm_http
        self._match = re.compile(settings.confirm_match) if settings.confirm_match else None
        words = settings.confirm_command
        self._hook = Hook("--confirm-command", words, settings.hook_timeout_s, processes, log) if words else None

    @property
    def is_asked(self) -> bool:
        """Whether there is a question."""
        return bool(self._http or self._hook or self._workers)

    def look_before(self) -> None:
        """Remember what will have changed when the app has taken it. Called just before the app is told."""
        if self._workers:
            self._workers.remember()

    def ask(self, update: Update, timeout_s: float) -> None:
        """Ask once. Raises Refused with the answer that is no yes, and Unreachable if a command could not be run."""
        if self._workers:
            self._workers.look()
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


class Workers:
    """The workers of an app whose master starts new ones for a new configuration, and goes on with the old ones if it is bad."""

    def __init__(self, process: str | None, processes: Processes) -> None:
        self._process = process
        self._processes = processes
        self._before: AbstractSet[object] | None = None

    def remember(self) -> None:
        """Remember those that there are, if the app runs."""
        self._before = self._found()

    def look(self) -> None:
        """Raises Refused if there is none that was not there before."""
        if self._before is not None and self._found() <= self._before:
            raise Refused("the app has started no new workers: its own log says why")

    def _found(self) -> AbstractSet[object]:
        from supervisor.peers import Peers, workers

        try:
            with Peers(self._process, self._processes).found() as masters:
                return workers(masters)
        except Unreachable:
            return frozenset()
