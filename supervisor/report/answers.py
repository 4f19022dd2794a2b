"""What each address of --listen answers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from supervisor.report.facts import facts
from supervisor.report.health import Health
from supervisor.report.server import Answer, plain

if TYPE_CHECKING:
    from collections.abc import Callable

    from supervisor.inbox import Inbox
    from supervisor.processes import Processes
    from supervisor.settings import Settings
    from supervisor.status import Board

_JSON = "application/json"
_ADDRESSES = "there are /, /livez, /readyz, /startupz, /healthz, /metrics and /status.json"


class Answers:
    """Probes, metrics, the page and the same as data. Called by the one thread that listens."""

    def __init__(
        self, settings: Settings, board: Board, inbox: Inbox, processes: Processes, is_stopping: Callable[[], bool]
    ) -> None:
        self._settings = settings
        self._board = board
        self._processes = processes
        self._health = Health(settings, board, inbox, processes, is_stopping)
        self._render_metrics: Callable[[], bytes] | None = None

    def answer(self, target: str) -> Answer:
        """The answer to a request for a path, with or without a query."""
        path, _, query = target.partition("?")
        if path in {"/livez", "/healthz"}:
            return _probe(self._health.why_not_live())
        if path == "/readyz":
            return _probe(self._health.why_not_ready())
        if path == "/startupz":
            return _probe(self._health.why_not_started())
        pages = {"/": lambda: self._page(query), "/metrics": self._metrics, "/status.json": self._status}
        return pages[path]() if path in pages else plain(404, _ADDRESSES)

    def warm_up(self) -> None:
        """Import what takes a while, so that no request has to wait for it."""
        self._metrics()

    def _metrics(self) -> Answer:
        from supervisor.report import metrics

        if self._render_metrics is None:
            self._render_metrics = metrics.make_metrics(self._settings, self._board, self._health, self._processes)
        return Answer(200, metrics.KIND, self._render_metrics())

    def _status(self) -> Answer:
        return Answer(200, _JSON, json.dumps(self._facts(), indent=1).encode() + b"\n")

    def _page(self, query: str) -> Answer:
        from supervisor.report import page

        return Answer(200, page.KIND, page.render(self._facts(), refreshes=query == "refresh"), page.policy())

    def _facts(self) -> dict[str, object]:
        return facts(self._settings, self._board, self._health, self._processes)


def _probe(why_not: str) -> Answer:
    body = {"status": "failing", "reason": why_not} if why_not else {"status": "ok"}
    return Answer(503 if why_not else 200, _JSON, json.dumps(body).encode() + b"\n")
