"""What the probes say: reads the notice board, and asks nobody whose answer could take time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from supervisor.inbox import Inbox
    from supervisor.processes import Processes
    from supervisor.settings import Settings
    from supervisor.status import Board

# The main thread turns within milliseconds; a machine that is out of memory or frozen for a moment is no reason to kill the app.
_TURN_S = 10.0


class Health:
    """Each question is answered by the reason why not; an empty one is a yes. A cluster that is away is never a reason."""

    def __init__(
        self,
        settings: Settings,
        board: Board,
        inbox: Inbox,
        processes: Processes,
        is_stopping: Callable[[], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._unhealthy_after_s = settings.report.unhealthy_after_s
        self._step_s = _longest_step_s(settings)
        self._has_command = bool(settings.command)
        self._has_sources = settings.has_sources
        self._board = board
        self._inbox = inbox
        self._processes = processes
        self._is_stopping = is_stopping
        self._clock = clock
        self._asked_at = 0.0
        self._asked_turn = -1

    def why_not_live(self) -> str:
        """Kubernetes should start the container again: we are stuck, or the app does not take its configuration."""
        return self._why_main_is_stuck() or self._why_sync_is_stuck() or self._why_failing()

    def why_not_started(self) -> str:
        """The first configuration is not on disk yet; without a source there is nothing to wait for."""
        if self._has_sources and not self._board.begun:
            problems = [f"{source.name}: {source.problem}" for source in list(self._board.sources.values()) if source.problem]
            config = self._board.config
            problems += [config.last.outcome.reason] if config and config.last.outcome.reason else []
            return "; ".join(["no configuration is live yet", *problems])
        return ""

    def why_not_ready(self) -> str:
        """Load balancers should send nothing: the app does not run yet, or not for long any more."""
        if self._is_stopping():
            return "a stop is under way"
        if self._has_command and self._processes.state.pid is None:
            return self.why_not_started() or "the command does not run"
        return self.why_not_started()

    def _why_main_is_stuck(self) -> str:
        """Whether the main thread still turns: each probe wakes it, and looks whether it did so after an earlier one."""
        now = self._clock()
        if self._asked_turn != self._inbox.turns:
            self._asked_turn, self._asked_at = self._inbox.turns, now
            self._inbox.wake()
            return ""
        stuck_s = now - self._asked_at
        return f"the main thread has been stuck for {stuck_s:.0f} s" if stuck_s > _TURN_S else ""

    def _why_sync_is_stuck(self) -> str:
        """Whether the sync thread has a step in hand that takes longer than all time-outs allow, as on a disk that hangs."""
        since = self._board.working_since
        stuck_s = time.monotonic() - since if since and self._unhealthy_after_s else 0.0
        return f"the sync thread has been stuck for {stuck_s:.0f} s" if stuck_s > self._step_s else ""

    def _why_failing(self) -> str:
        if not self._unhealthy_after_s:
            return ""
        board, config, now = self._board, self._board.config, time.monotonic()
        if config and config.failing_from and now - config.failing_from > self._unhealthy_after_s:
            return f"the app has not taken its configuration for {now - config.failing_from:.0f} s: {config.last.outcome.reason}"
        since = board.down.get("sync", now)
        return f"the sync thread has been crashing for {now - since:.0f} s" if now - since > self._unhealthy_after_s else ""


def _longest_step_s(settings: Settings) -> float:
    """How long the sync thread may take from one sign of life to the next. To start the command again may take for ever."""
    safety, reload = settings.safety, settings.reload
    waits_s = [safety.hook_timeout_s, safety.confirm_within_s, safety.settle_s, reload.interval_s, reload.splay_s]
    waits_s += [http.timeout_s for http in (reload.http, safety.confirm_http) if http]
    waits_s += [settings.init.kill_timeout_s] if reload.restart else []
    return settings.report.unhealthy_after_s + sum(waits_s)
