"""The app, as one transaction sees it: check what it would get, tell it, ask it. Patient with whoever cannot be reached."""

from __future__ import annotations

import os
import time
from math import inf
from typing import TYPE_CHECKING

from supervisor.backoff import retry_delays
from supervisor.confirm import Confirmation
from supervisor.errors import NotTold, NotYet, Refused, Unreachable
from supervisor.hook import Hook

if TYPE_CHECKING:
    from collections.abc import Callable

    from supervisor.logs import Log
    from supervisor.model import Update
    from supervisor.processes import Processes
    from supervisor.reload import Reloader
    from supervisor.settings import Settings

    # Wait so many seconds; from a reading of time.monotonic() on, something newer ends the wait. Raises Superseded.
    Pause = Callable[[float, float], None]

# An app that is only starting is looked at so often.
_LOOK_S = 0.02
# A question is asked again after so long, while the app may still be starting again.
_ASK_FIRST_S, _ASK_MAX_S = 0.1, 1.0


class App:
    """How the app is checked, told and asked.

    `reloaders` returns the ways to tell it, and not before the command runs. Called by the sync thread alone.
    """

    def __init__(
        self, settings: Settings, processes: Processes, log: Log, reloaders: Callable[[], tuple[Reloader, ...]], pause: Pause
    ) -> None:
        safety = settings.safety
        self._retries = settings.reload.retries
        self._safety = safety
        self._has_command = bool(settings.command)
        self._is_once = settings.once
        self._check = Hook("--validate", safety.validate, safety.hook_timeout_s, processes, log) if safety.validate else None
        self._confirmation = Confirmation(safety, settings.reload.process, processes, log)
        self._reloaders = reloaders
        self._pause = pause

    @property
    def has_to_watch(self) -> bool:
        """Whether there is no way to tell it. Returns when the command has been started, if there is one."""
        return not self._is_once and not self._reloaders()

    def wait_until_it_runs(self) -> None:
        """Return when the command has been started, if there is one."""
        self._reloaders()

    def check_staged(self, update: Update, folder: str) -> None:
        """Let a check that asks for a folder look at the staged one. Raises Refused, Unreachable and Superseded."""
        if self._check and self._check.takes_folder:
            check = self._check
            self._patiently(lambda: check.run(update, folder))

    def check_published(self, update: Update) -> None:
        """Let a check that asks for no folder look at the published files. Raises Refused, Unreachable and Superseded."""
        if self._check and not self._check.takes_folder:
            check = self._check
            self._patiently(lambda: check.run(update))

    def deliver(self, update: Update) -> None:
        """Tell the app, each way in turn. Raises NotTold if the first of them says no before it was told anything.

        Raises Refused, Unreachable after the last try, and Superseded when a stop begins, or something newer is wanted while
        one cannot be reached.
        """
        self._confirmation.look_before()
        for number, reloader in enumerate(self._reloaders()):
            if number:
                self._pause(0.0, inf)  # a stop may have begun; what is newer waits: all ways are to tell the same
            try:
                self._patiently(lambda way=reloader: way.deliver(update))  # type: ignore[misc]
            except NotTold as error:
                if number:
                    raise Refused(str(error)) from error
                raise
        os.sched_yield()  # a change has perhaps come to many instances here: others that wait may tell their apps first

    def confirm(self, update: Update, since: float, newer_from: float) -> None:
        """Return when the app has taken it: it has not died meanwhile, and whoever is asked says yes.

        `since`: when it was told; `newer_from`: from when on something newer ends the wait, both as readings of
        time.monotonic(). Raises Refused with the last answer, Unreachable if a command could not be run, and Superseded.
        """
        if self._has_command or self._confirmation.is_asked:
            self._pause(since + self._safety.settle_s - time.monotonic(), newer_from)
        if not self._confirmation.is_asked:
            return
        deadline = since + self._safety.confirm_within_s
        delay_s = _ASK_FIRST_S
        while True:
            try:
                self._confirmation.ask(update, max(_ASK_MAX_S, deadline - time.monotonic()))
            except (Refused, Unreachable):
                if time.monotonic() + delay_s > deadline:
                    raise
            else:
                return
            self._pause(delay_s, newer_from)
            delay_s = min(_ASK_MAX_S, delay_s * 2)

    def _patiently(self, ask: Callable[[], None]) -> None:
        """Ask, and again whoever could not be reached. Raises what the last try raised, or Superseded."""
        delays = retry_delays(self._retries)
        while True:
            try:
                ask()
            except NotYet:
                self._pause(_LOOK_S, 0.0)
            except Unreachable as error:
                delay_s = next(delays, None)
                if delay_s is None:
                    raise
                self._pause(max(delay_s, error.retry_after_s), 0.0)
            else:
                return
