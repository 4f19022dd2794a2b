"""The sync thread: take what is wanted now, make it live or leave what is, and tell the app."""

from __future__ import annotations

import time
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING

from supervisor.backoff import backoff
from supervisor.errors import Refused, TreeError, Unreachable
from supervisor.items import lay_out
from supervisor.model import Outcome, Revision, Verdict, changes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from threading import Event

    from supervisor.desired import Desired
    from supervisor.model import Change, ConfigObject, Snapshot
    from supervisor.reload import Reloader
    from supervisor.settings import Settings
    from supervisor.tree import Tree


class Sync:
    """Keeps a tree equal to what is desired.

    `first_is_live` is called once, when the first configuration is on disk. `reloaders` returns the ways to tell the app of
    a change, and not before the command runs: it is not told of the configuration that it starts with.
    """

    def __init__(
        self,
        settings: Settings,
        desired: Desired,
        tree: Tree,
        *,
        stop: Event,
        first_is_live: Callable[[], None],
        reloaders: Callable[[], tuple[Reloader, ...]],
        report: Callable[[Outcome], None],
    ) -> None:
        self._settings = settings
        self._desired = desired
        self._tree = tree
        self._stop = stop
        self._first_is_live = first_is_live
        self._reloaders = reloaders
        self._report = report
        self._is_live = False
        self._may_reload_at = 0.0
        self._serial = 0

    def run(self) -> None:
        """Make the newest wanted state live, again and again, at most once in the reload interval, until a stop is under way."""
        while not self._stop.is_set():
            self._serial, objects = self._desired.wait(self._serial)
            if objects is None:
                self._start_with_last()
                continue
            self._make_live(objects)
            if self._is_live:
                self._reloaders()
            self._stop.wait(max(0.0, self._may_reload_at - time.monotonic()))

    def _start_with_last(self) -> None:
        """Until it is known what is wanted, do with what an earlier run left: what the app took last, or else what is live."""
        last = self._tree.good or self._tree.live
        if last and not self._is_live:
            with suppress(TreeError, Refused):  # then we wait
                if last != self._tree.live:
                    self._tree.publish(last)
                self._was_first()

    def _make_live(self, objects: Sequence[ConfigObject]) -> None:
        """Attempt it until the disk takes it or something newer is wanted. Why it does not is said once."""
        said = ""
        for delay_s in backoff():
            began = time.monotonic()
            try:
                self._attempt(objects, began)
            except TreeError as error:
                if str(error) != said:
                    self._tell(began, objects, Verdict.FAILED, reason=str(error))
                said = str(error)
            else:
                return
            if self._desired.is_newer(self._serial, delay_s) or self._stop.is_set():
                return

    def _attempt(self, objects: Sequence[ConfigObject], began: float) -> None:
        """Stage → publish → deliver, and tell the outcome. Raises TreeError if the disk does not take it."""
        snapshot: Snapshot | None = None
        changed: tuple[Change, ...] = ()
        verdict, reason = Verdict.APPLIED, ""
        try:
            snapshot = lay_out(objects, self._settings.files)
            live = self._tree.live
            changed = changes(live.listing if live else {}, snapshot.listing)
            if live is None or snapshot.revision != live.revision:
                self._publish(snapshot)
                if not self._was_first() or not self._settings.command:
                    self._deliver(snapshot.revision)
                self._tree.let_go()
            elif self._was_first():
                verdict = Verdict.UNCHANGED
            else:
                return
        except Refused as error:
            verdict, reason = Verdict.REFUSED, str(error)
        except Unreachable as error:
            verdict, reason = Verdict.FAILED, str(error)
        self._tell(began, objects, verdict, snapshot, changed, reason)
        with suppress(TreeError):  # it is tried again after the next one, and a full disk shows when that is staged
            self._tree.prune()

    def _publish(self, snapshot: Snapshot) -> None:
        staged = self._tree.stage(snapshot)
        try:
            self._tree.publish(staged)
        except Refused:
            self._tree.discard(staged)
            raise

    def _was_first(self) -> bool:
        """Whether this was the first configuration; if so, let the command start with it."""
        if self._is_live:
            return False
        self._is_live = True
        self._first_is_live()
        return True

    def _deliver(self, revision: Revision) -> None:
        """Tell the app, each way in turn. Raises Refused, or Unreachable after the last try or when something newer is wanted."""
        for reloader in self._reloaders():
            delays = islice(backoff(), self._settings.reload.retries)
            while not self._stop.is_set():
                try:
                    reloader.deliver(revision)
                    break
                except Unreachable:
                    delay_s = next(delays, None)
                    if delay_s is None or self._desired.is_newer(self._serial, delay_s):
                        raise
        self._may_reload_at = time.monotonic() + self._settings.reload.interval_s

    def _tell(
        self,
        began: float,
        objects: Sequence[ConfigObject],
        verdict: Verdict,
        snapshot: Snapshot | None = None,
        changed: tuple[Change, ...] = (),
        reason: str = "",
    ) -> None:
        """Report what became of what was wanted. A snapshot that could not even be laid out has no revision."""
        revision = snapshot.revision if snapshot else Revision("")
        origins = tuple(found.origin for found in objects)
        self._report(Outcome(revision, verdict, time.monotonic() - began, origins, changed, reason))
