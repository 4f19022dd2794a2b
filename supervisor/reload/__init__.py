"""How the app is told that its configuration has changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from supervisor.inbox import Inbox
    from supervisor.logs import Log
    from supervisor.model import Update
    from supervisor.processes import Processes
    from supervisor.settings import Settings

# The ways, in the order in which they are used when the command line says no other.
_WAYS = ("signal", "http", "command", "restart", "exit")


class Reloader(Protocol):
    """One way to tell the app.

    Raises Unreachable if the app could not be told, which is worth another try, and Refused if the app said no.
    """

    def deliver(self, update: Update) -> None:
        """Tell the app that a revision is on disk. Called by the sync thread."""
        ...


def make_reloaders(settings: Settings, processes: Processes, inbox: Inbox, log: Log) -> tuple[Reloader, ...]:
    """The ways that were asked for, in order.

    Called by the sync thread, so that only it waits for what they import.
    """
    reload = settings.reload
    made: dict[str, Reloader] = {}
    if reload.signal is not None:
        from supervisor.reload.by_signal import BySignal

        made["signal"] = BySignal(reload, processes)
    if reload.http is not None:
        from supervisor.reload.by_http import ByHttp

        made["http"] = ByHttp(reload.http)
    if reload.command:
        from supervisor.reload.by_command import ByCommand

        made["command"] = ByCommand(reload.command, settings.safety.hook_timeout_s, processes, log)
    if reload.restart:
        from supervisor.reload.by_restart import ByRestart

        made["restart"] = ByRestart(inbox)
    if reload.leave:
        from supervisor.reload.by_exit import ByExit

        made["exit"] = ByExit(inbox)
    order = [*reload.order, *(way for way in _WAYS if way not in reload.order)]
    return tuple(made[way] for way in order if way in made)
