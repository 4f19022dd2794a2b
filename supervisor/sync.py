"""The sync thread: bring what is wanted now to the app, newest first, as often as the app can bear it."""

from __future__ import annotations

import time
from contextlib import suppress
from math import inf
from typing import TYPE_CHECKING

from supervisor.backoff import backoff
from supervisor.errors import Superseded, TreeError
from supervisor.ledger import Ledger
from supervisor.model import Verdict
from supervisor.transaction import Transaction
from supervisor.trial import Attempt

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from threading import Event

    from supervisor.app import App, Pause
    from supervisor.desired import Desired
    from supervisor.model import ConfigObject, Outcome
    from supervisor.settings import Settings
    from supervisor.tree import Tree

# Changes that come one after another are for the app; who watches files beside it hears of them so much later at the most.
_LET_GO_S = 1.0


class Sync:
    """Keeps a tree equal to what is desired, and the app told.

    `first_is_live` is called once, when the first configuration is on disk; `at_work` is told True at each step, and False when
    there is nothing to do: no step takes longer than the time-outs allow.
    """

    def __init__(
        self,
        settings: Settings,
        desired: Desired,
        tree: Tree,
        *,
        make_app: Callable[[Pause], App],
        stop: Event,
        first_is_live: Callable[[], None],
        report: Callable[[Outcome], None],
        at_work: Callable[[bool], None],
    ) -> None:
        self._desired = desired
        self._at_work = at_work
        self._stop = stop
        self._report = report
        self._serial = 0
        self._let_go_at = inf
        self._ledger = Ledger(tree, remembers=settings.safety.rollback)
        self._transaction = Transaction(
            settings,
            self._ledger,
            make_app(self._pause),
            stop=stop,
            pause=self._pause,
            first_is_live=first_is_live,
            report=report,
        )

    def run(self) -> None:
        """Attempt the newest wanted state, again and again, at most once in the reload interval, until a stop is under way.

        Called anew after a crash, it begins with the state at which it crashed.
        """
        self._serial = 0
        while not self._stop.is_set():
            self._at_work(False)
            self._serial, objects = self._desired.wait(self._serial)
            if objects is None:
                self._start_with_last()
            else:
                self._attempt(objects)
            self._let_go()
            self._wait_for_turn()

    def command_ended(self, code: int) -> bool:
        """Take a revision that the command may have died of out of the way. Called by the main thread.

        Returns whether to start the command again; if not, the folder is left as it is now for good.
        """
        return self._transaction.command_ended(code)

    def close(self) -> None:
        """Leave the folder as it is for good, after what is just being published. Called by the main thread, before it leaves."""
        self._ledger.hold()  # if that takes too long, the next run puts it right

    def _start_with_last(self) -> None:
        """Until it is known what is wanted, do with what an earlier run left: what the app took last, or else what is live."""
        last = self._ledger.good or self._ledger.live
        if last:
            with suppress(TreeError):  # then we wait
                self._ledger.go_back(last)
                self._transaction.begin()

    def _attempt(self, objects: Sequence[ConfigObject]) -> None:
        """Attempt it until the disk takes it or something newer is wanted. Why it does not is said once."""
        said = ""
        for delay_s in backoff():
            self._at_work(True)
            attempt = Attempt(objects)
            try:
                while not self._transaction.attempt(attempt):
                    self._wait_for_turn()
            except Superseded:
                return
            except TreeError as error:
                if str(error) != said:
                    said = str(error)
                    self._report(attempt.outcome(self._ledger, Verdict.FAILED, said))
            else:
                return
            if self._desired.is_newer(self._serial, delay_s) or self._stop.is_set():
                return

    def _let_go(self) -> None:
        """Let go of what is no longer live: when nothing newer comes, when the app has to rest anyway, or when it is time."""
        if not self._ledger.has_to_let_go:
            return
        now = time.monotonic()
        self._let_go_at = min(self._let_go_at, now + _LET_GO_S)
        rests = self._transaction.may_reload_at > now
        waits = now < self._let_go_at and not rests and self._desired.is_newer(self._serial, self._let_go_at - now)
        if not waits and not self._stop.is_set():
            self._ledger.let_go()
            self._let_go_at = inf

    def _wait_for_turn(self) -> None:
        self._stop.wait(max(0.0, self._transaction.may_reload_at - time.monotonic()))

    def _pause(self, seconds: float, newer_from: float) -> None:
        """Wait so many seconds. Raises Superseded when we are to stop, or when something newer is wanted.

        Before `newer_from`, a reading of time.monotonic(), something newer waits for its turn and does not end the wait.
        """
        end = time.monotonic() + seconds
        while True:
            self._at_work(True)
            if self._stop.is_set():
                raise Superseded
            now = time.monotonic()
            if now >= end:
                return
            if now < newer_from:
                self._stop.wait(min(end, newer_from) - now)
            elif self._desired.is_newer(self._serial, end - now):
                raise Superseded
