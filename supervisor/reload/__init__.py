"""How the app is told that its configuration has changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from supervisor.model import Revision
    from supervisor.processes import Processes
    from supervisor.settings import ReloadSettings


class Reloader(Protocol):
    """One way to tell the app.

    Raises Unreachable if the app could not be told, which is worth another try, and Refused if the app said no.
    """

    def deliver(self, revision: Revision) -> None:
        """Tell the app that a revision is on disk. Called by the sync thread."""
        ...


def make_reloaders(settings: ReloadSettings, processes: Processes) -> tuple[Reloader, ...]:
    """The ways that were asked for. Called by the sync thread, so that only it waits for what they import."""
    reloaders: list[Reloader] = []
    if settings.signal is not None:
        from supervisor.reload.by_signal import BySignal

        reloaders.append(BySignal(settings.signal, processes))
    if settings.http is not None:
        from supervisor.reload.by_http import ByHttp

        reloaders.append(ByHttp(settings.http))
    return tuple(reloaders)
