"""Tell the app by an HTTP request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from supervisor.errors import Refused
from supervisor.request import ask, is_yes, shown

if TYPE_CHECKING:
    from supervisor.model import Update
    from supervisor.settings import HttpSettings


class ByHttp:
    """Sends one request. Redirects are not followed: they would say nothing of the app's mind."""

    def __init__(self, settings: HttpSettings) -> None:
        self._settings = settings

    def deliver(self, update: Update) -> None:
        """Send the request. An answer that is no yes is the app's no; no answer, or "not now", is worth another try."""
        answer = ask(self._settings)
        if is_yes(self._settings, answer):
            return
        hint = ": redirects are not followed, give the final URL" if 300 <= answer.status < 400 else ""
        raise Refused(f"{shown(self._settings)} answers {answer.name}{hint}")
