"""What happened, told once for each revision to all who want to hear it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from supervisor.report.line import write_line
from supervisor.report.state import after

if TYPE_CHECKING:
    from supervisor.logs import Log
    from supervisor.model import Outcome
    from supervisor.status import Board
    from supervisor.tree import Tree


class Report:
    """The listeners of an outcome: the log and the notice board."""

    def __init__(self, log: Log, board: Board, tree: Tree) -> None:
        self._log = log
        self._board = board
        self._tree = tree

    def tell(self, outcome: Outcome) -> None:
        """Tell an outcome. Called by whoever owns the tree at that moment."""
        write_line(outcome, self._log)
        self._board.config = after(self._board.config, outcome, self._tree.live, self._tree.good, time.time())
        self._board.works("sync")
