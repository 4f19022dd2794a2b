"""One revision on its way to the app: stage → check → publish → deliver → confirm; or back to the one that the app took last.

From its publication to its end a revision is *on trial* (`Trial`). It may be left at any wait, because something newer is wanted,
and is gone on with later, if the newer one never gets as far as being published.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from supervisor.errors import NotTold, Refused, Superseded, TreeError, Unreachable
from supervisor.items import lay_out
from supervisor.model import Update, Verdict
from supervisor.splay import Splay
from supervisor.trial import Attempt, Trial

if TYPE_CHECKING:
    from collections.abc import Callable
    from threading import Event

    from supervisor.app import App, Pause
    from supervisor.ledger import Ledger
    from supervisor.model import Outcome, Snapshot
    from supervisor.settings import Settings


class Transaction:
    """Does one attempt after another. `first_is_live` is called once, when the command may start with what is on disk."""

    def __init__(
        self,
        settings: Settings,
        ledger: Ledger,
        app: App,
        *,
        stop: Event,
        pause: Pause,
        first_is_live: Callable[[], None],
        report: Callable[[Outcome], None],
    ) -> None:
        self._settings = settings
        self._ledger = ledger
        self._app = app
        self._stop = stop
        self._splay = Splay(settings.reload.splay_s, pause)
        self._first_is_live = first_is_live
        self._report = report
        self._trial: Trial | None = None
        # The newest revision that the app may have heard of, perhaps in an earlier run, since it took the good one.
        self._heard_of = None if settings.command else ledger.unanswered
        self._judged = ""  # the wanted state that is on trial or has its outcome: its revision, or why it has none
        self._has_begun = False
        self.may_reload_at = 0.0

    def attempt(self, attempt: Attempt) -> bool:
        """Bring what is wanted as far as it gets, and go on with what is on trial. False: call again, in the reload interval.

        Raises TreeError if the disk does not take it: call again. Raises Superseded when something newer is wanted.
        """
        try:
            self._prepare(attempt)
        except Refused as error:
            self._keep_live(attempt, Verdict.REFUSED, str(error))
        except Unreachable as error:
            self._keep_live(attempt, Verdict.FAILED, str(error))
        except TreeError:
            if self._trial:
                self._finish(self._trial)
            raise
        if self._trial:
            self._finish(self._trial)
        self._ledger.prune()
        return self._trial is not None or self._judged == attempt.key  # else the way back led to it

    def command_ended(self, code: int) -> bool:
        """The command has ended by itself: if that may be for what is on trial, take it back. Called by the main thread.

        Returns whether to start the command again, on the good revision; if not, the folder stays as it is now.
        """
        good, trial = self._ledger.hold(), self._trial
        if not (trial and good and self._settings.safety.rollback):
            return False
        if not (refusal := trial.blamed_for(code, self._heard_of, good.revision)):
            return False
        verdict, reason = Verdict.ROLLED_BACK, refusal.reason
        try:
            self._ledger.take_back(refusal)
            if self._settings.reload.restart and trial.told_back_at is None:
                self._heard_of = trial.go_back(refusal)
                self._ledger.release()
                return True
        except TreeError as error:
            verdict, reason = Verdict.FAILED, f"{reason}; {error}"
        trial.attempt.revision = refusal.revision
        self._tell(trial.attempt, verdict, reason)
        return False

    # --- before it is live

    def _prepare(self, attempt: Attempt) -> None:
        """Put it on trial, unless it is there already. Raises Refused or Unreachable: then nothing has changed."""
        snapshot = lay_out(attempt.objects, self._settings.files)
        attempt.revision = snapshot.revision
        live, good = self._ledger.live, self._ledger.good
        is_live = live is not None and live.revision == snapshot.revision
        if attempt.revision == self._judged or (is_live and self._trial):
            return
        if is_live and self._ledger.is_good:  # whatever was refused since is no longer wanted
            self._ledger.mark_good(attempt.revision)
            self.begin()
            self._judged = attempt.revision
            self._tell(attempt, Verdict.UNCHANGED)
            return
        if reason := self._ledger.why_refused(snapshot.revision):
            raise Refused(f"it was refused before: {reason}")
        attempt.changed, update = self._ledger.compare(snapshot)
        if live and is_live:  # an earlier run has left it without an answer, or the app could not be reached
            self._app.check_staged(update, self._ledger.path_of(live))
            self._put_on_trial(Trial(attempt, update, good, is_published=False))
        else:
            self._publish(attempt, update, snapshot)

    def _publish(self, attempt: Attempt, update: Update, snapshot: Snapshot) -> None:
        with attempt.step("stage"):
            staged, folder = self._ledger.stage(snapshot)
        try:
            with attempt.step("check"):
                self._app.check_staged(update, folder)
            if self._has_begun:  # a start waits for nothing
                self._splay.wait()
            self._stop_here()
            back = self._ledger.good or self._ledger.before_good
            with attempt.step("publish"):
                self._ledger.publish(staged)
        except (Refused, Unreachable, Superseded):
            self._ledger.discard(staged)
            raise
        self._splay.is_over()
        self._put_on_trial(Trial(attempt, update, back, is_published=True))

    def _put_on_trial(self, trial: Trial) -> None:
        """Let it take the place of the one before, whose outcome is told now."""
        before, self._trial, self._judged = self._trial, trial, trial.attempt.revision
        trial.is_start = not self._has_begun and bool(self._settings.command)
        if before and (end := before.left()):
            self._tell(before.attempt, *end)

    def _keep_live(self, attempt: Attempt, verdict: Verdict, reason: str) -> None:
        """Say why it is not published. A start goes on with what the app took last, if there is that."""
        self._stop_here()
        attempt.reason = reason
        if attempt.key == self._judged:
            return
        if verdict is Verdict.REFUSED and attempt.revision:
            self._ledger.refuse(attempt.revision, reason)
        good = self._ledger.good
        if good and not self._has_begun:
            reason += f"; going on with {good.revision}, the last one that was good"
            if not self._ledger.is_good:
                self._ledger.go_back(good)
                if not self._settings.command:  # the app may have heard of what was live
                    trial = Trial(attempt, Update(good.revision), good, is_published=False)
                    trial.end, trial.is_back = (verdict, reason), True
                    self._put_on_trial(trial)
            self.begin()
        self._judged = attempt.key
        if self._trial is None or self._trial.attempt is not attempt:
            self._tell(attempt, verdict, reason)

    # --- on trial

    def _finish(self, trial: Trial) -> None:
        """Bring a trial to its end. Raises TreeError and Superseded, and can be called again then."""
        trial.is_over = False
        try:
            if not trial.end:
                self._try(trial)
        except Superseded as error:
            trial.problem = str(error)
            raise
        except Refused as error:
            self._stop_here()
            trial.end = trial.end or (Verdict.ROLLED_BACK, str(error))
        except Unreachable as error:
            self._stop_here()
            if trial.is_checked and not trial.end:
                self._give_up(trial, str(error))
                return
            trial.end = trial.end or (Verdict.FAILED, str(error))
        if trial.end:
            self._go_back(trial, *trial.end)
        elif self._trial:  # the main thread has taken it away with the one before, which was to blame: as if it had never been
            self._trial, self._judged = None, ""

    def _try(self, trial: Trial) -> None:
        """Check → deliver → confirm, from where it was left. Raises Refused, Unreachable, Superseded, TreeError."""
        if not trial.is_checked:
            with trial.attempt.step("check"):
                self._app.check_published(trial.update)
            trial.is_checked = True
        self._stop_here()
        if self._ledger.live_revision() != trial.update.revision:
            return
        if trial.is_start:
            self._heard_of = trial.update.revision
        self.begin()
        self._app.wait_until_it_runs()
        if trial.told_at is None and trial.is_start:
            trial.told_at = time.monotonic()
        elif trial.told_at is None:
            with trial.attempt.step("deliver"):
                self._deliver(trial)
        with trial.attempt.step("confirm"):
            self._app.confirm(trial.update, trial.told_at or 0.0, self.may_reload_at)
        self._stop_here()
        if self._ledger.mark_good(trial.update.revision):
            self._heard_of = None
            self._end(trial, Verdict.APPLIED if trial.is_published or not trial.is_start else Verdict.UNCHANGED)

    def _deliver(self, trial: Trial) -> None:
        heard_before, self._heard_of = self._heard_of, trial.update.revision
        try:
            trial.told_at = self._tell_app(trial.update)
        except NotTold:
            self._heard_of = heard_before
            raise
        except Refused:
            self._count_reload()
            raise

    def _tell_app(self, update: Update) -> float:
        self._app.deliver(update)
        if self._app.has_to_watch:  # there is no other way to tell it
            self._ledger.let_go()
        return self._count_reload()

    def _count_reload(self) -> float:
        self.may_reload_at = (now := time.monotonic()) + self._settings.reload.interval_s
        return now

    def _go_back(self, trial: Trial, verdict: Verdict, reason: str) -> None:
        """Publish what the app took last, remember the refusal, and tell the app. Raises TreeError and Superseded."""
        if not self._settings.safety.rollback:
            self._end(trial, Verdict.REFUSED if verdict is Verdict.ROLLED_BACK else verdict, reason)
            return
        if not trial.is_back:
            with trial.attempt.step("back"):
                if not self._ledger.step_back(trial.update.revision, trial.back, or_clear=not self._has_begun):
                    self._end(trial, Verdict.REFUSED, f"{reason}; there is no other one to go back to")
                    return
            if verdict is Verdict.ROLLED_BACK:
                self._ledger.refuse(trial.update.revision, reason)
            trial.is_back = True
        if not self._has_begun and self._ledger.good:
            self.begin()
        if self._has_begun and self._heard_of:
            try:
                self._tell_back(trial)
            except (Refused, Unreachable) as error:
                self._stop_here()
                self._give_up(trial, f"{reason}; and the app did not take the way back: {error}")
                return
        self._end(trial, verdict, reason)

    def _tell_back(self, trial: Trial) -> None:
        update = Update(self._ledger.live_revision(), trial.update.changed)
        self._app.wait_until_it_runs()
        with trial.attempt.step("back"):
            if trial.told_back_at is None:
                self._stop.wait(max(0.0, self.may_reload_at - time.monotonic()))
                self._stop_here()
                trial.told_back_at = self._tell_app(update)
            self._app.confirm(update, trial.told_back_at, self.may_reload_at)
        self._heard_of = None

    def begin(self) -> None:
        """Let the command start with what is live now."""
        if not self._has_begun:
            self._has_begun = True
            self._first_is_live()

    def _stop_here(self) -> None:
        """Once we are asked to stop, nothing is published, told or judged: what a killed hook says counts for nothing."""
        if self._stop.is_set():
            raise Superseded

    def _give_up(self, trial: Trial, reason: str) -> None:
        """Say that the app cannot be had, once. Whatever changes next, it is tried again, if nothing newer is published."""
        trial.is_over = True
        if reason != trial.said:
            trial.said = reason
            self._tell(trial.attempt, Verdict.FAILED, reason)

    def _end(self, trial: Trial, verdict: Verdict, reason: str = "") -> None:
        self._trial = None
        self._tell(trial.attempt, verdict, reason)

    def _tell(self, attempt: Attempt, verdict: Verdict, reason: str = "") -> None:
        self._report(attempt.outcome(self._ledger, verdict, reason, is_good=self._trial is None))
