"""What happened, told once for each revision to all who want to hear it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from supervisor.report.line import write_line
from supervisor.report.state import after

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from supervisor.inbox import Inbox
    from supervisor.logs import Log
    from supervisor.model import Outcome
    from supervisor.processes import Processes
    from supervisor.report.events import Events
    from supervisor.settings import Address, Settings
    from supervisor.status import Board
    from supervisor.tree import Tree


class Report:
    """The listeners of an outcome: the log, the notice board, and Kubernetes if it was asked for."""

    def __init__(self, log: Log, board: Board, tree: Tree, events: Events | None) -> None:
        self._log = log
        self._board = board
        self._tree = tree
        self._events = events

    def tell(self, outcome: Outcome) -> None:
        """Tell an outcome, the log last: who asks for it then finds it. Called by whoever owns the tree at that moment."""
        self._board.config = after(self._board.config, outcome, self._tree.live, self._tree.good, time.time())
        self._board.works("sync")
        write_line(outcome, self._log)
        if self._events:
            self._events.put(outcome)


def listen(
    address: Address,
    settings: Settings,
    board: Board,
    inbox: Inbox,
    processes: Processes,
    is_stopping: Callable[[], bool],
    log: Log,
) -> Callable[[], None]:
    """Take the address of --listen, and return what is to run there for ever. Raises StartError if it cannot be had."""
    from supervisor.report.answers import Answers
    from supervisor.report.server import Server, bind

    listening, where = bind(address)
    log.info("listen.started", f"listening on {where}", address=str(where))
    answers = Answers(settings, board, inbox, processes, is_stopping)
    return Server(listening, answers.answer, answers.warm_up).run


def make_events(settings: Settings, environment: Mapping[str, str], log: Log) -> Events | None:
    """The writer of Events, if they were asked for. Raises StartError if there is no cluster to write them to."""
    if not settings.report.events:
        return None
    from supervisor.cluster import Cluster, find
    from supervisor.report.events import Events, find_pod

    which = settings.sources.cluster
    return Events(Cluster(find(which, environment.get("KUBECONFIG")), which.context), find_pod(environment), log)
