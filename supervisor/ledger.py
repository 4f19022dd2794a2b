"""Which revision is live, which is good and which was refused: the tree, for two threads, with the memory of refusals.

The sync thread does everything here but for one thing: when the command ends, the main thread takes a revision that it may have
died of out of the way, before it leaves. Whoever changes what is live holds the lock.
"""

from __future__ import annotations

from contextlib import suppress
from threading import Lock
from typing import TYPE_CHECKING

from supervisor.errors import Refused, TreeError
from supervisor.model import Refusal, Revision, Snapshot, Update, changes

if TYPE_CHECKING:
    from supervisor.model import Change
    from supervisor.tree import Staged, Tree

# At the command's end a change of the folder that is under way gets so long to be finished: it takes milliseconds.
_HOLD_S = 0.5


class Ledger:
    """The folder's revisions. With `remembers`, a refusal is remembered across restarts: there is a way back."""

    def __init__(self, tree: Tree, *, remembers: bool) -> None:
        self._tree = tree
        self._remembers = remembers
        self._lock = Lock()
        self._is_held: bool | None = None  # None: nobody has asked for that
        self._refusal = tree.refusal if remembers and tree.good else None

    @property
    def live(self) -> Staged | None:
        """What an app sees."""
        return self._tree.live

    @property
    def good(self) -> Staged | None:
        """What the app took last."""
        return self._tree.good

    @property
    def before_good(self) -> Staged | None:
        """What is live, for want of a good one; not if it is nothing at all."""
        return self._tree.live if self._tree.live and self._tree.live.listing else None

    @property
    def unanswered(self) -> Revision | None:
        """The revision that is live, if an earlier run has left it without an answer of the app."""
        return self._tree.live.revision if self._tree.live and not self.is_good else None

    def compare(self, snapshot: Snapshot) -> tuple[tuple[Change, ...], Update]:
        """What differs from what is live; and what to tell the app: what differs from what it took last."""
        live, good = self._tree.live, self._tree.good
        from_live = changes(live.listing if live else {}, snapshot.listing)
        from_good = from_live if good is None or good is live else changes(good.listing, snapshot.listing)
        return from_live, Update(snapshot.revision, tuple(sorted(one.path for one in from_good)))

    def live_revision(self) -> Revision:
        """The revision of what is live, or an empty one, as soon as nobody is changing it."""
        with self._lock:
            return self._tree.live.revision if self._tree.live else Revision("")

    @property
    def is_good(self) -> bool:
        """Whether what is live is what the app took last. The same content, published anew, has to be taken anew."""
        return self._tree.live is not None and self._tree.live == self._tree.good

    def stage(self, snapshot: Snapshot) -> tuple[Staged, str]:
        """Write a snapshot beside what is live; also returns where. Raises TreeError."""
        with self._lock:
            self._tree.return_to_root()
        staged = self._tree.stage(snapshot)
        return staged, self._tree.path_of(staged)

    def path_of(self, staged: Staged) -> str:
        """The folder of a revision that is on disk."""
        return self._tree.path_of(staged)

    def discard(self, staged: Staged) -> None:
        """Remove what was staged and is not to be published. If the disk does not take it, it is removed with the next one."""
        with suppress(TreeError):
            self._tree.discard(staged)

    def publish(self, staged: Staged) -> None:
        """Make it live. Raises Refused or TreeError."""
        with self._lock:
            if self._tree.live != staged:
                self._tree.publish(staged)

    @property
    def has_to_let_go(self) -> bool:
        """Whether files that are no longer live are still the same to whoever watches them."""
        return self._tree.has_to_let_go

    def let_go(self) -> None:
        """Let those who watch files that are no longer live see them go."""
        with self._lock:
            self._tree.let_go()

    def go_back(self, staged: Staged) -> None:
        """Make one live that was live before. Raises TreeError, also if something foreign is in the way now: try again."""
        try:
            self.publish(staged)
        except Refused as error:
            raise TreeError(str(error)) from error

    def step_back(self, revision: Revision, back: Staged | None, *, or_clear: bool) -> bool:
        """Take a revision that is live away, for the one before it. If there is none, make nothing live, or return False.

        Raises TreeError.
        """
        if back and back.revision != revision:
            self.go_back(back)
        elif or_clear:
            self.publish(self._tree.stage(Snapshot([])))
        else:
            return False
        return True

    def mark_good(self, revision: Revision) -> bool:
        """Remember that the app took what is live, and that nothing newer was refused. Raises TreeError.

        False if another revision is live: the main thread has taken this one out of the way.
        """
        with self._lock:
            if self._tree.live is None or self._tree.live.revision != revision:
                return False
            if not self.is_good or self._tree.refusal:
                self._tree.mark_good()
        self._refusal = None
        return True

    def why_refused(self, revision: Revision) -> str:
        """Why what is wanted now is not to be tried again; empty if it is. Whatever else was refused is forgotten."""
        if self._refusal and self._refusal.revision != revision:
            self._refusal = None
        return self._refusal.reason if self._refusal else ""

    def refuse(self, revision: Revision, reason: str) -> None:
        """Remember a refusal; across restarts only if there is a good revision to start with. A full disk forgets it then."""
        if self.why_refused(revision):
            return
        self._refusal = Refusal(revision, reason)
        if self._remembers and self._tree.good:
            with suppress(TreeError), self._lock:
                self._tree.refuse(self._refusal)

    def prune(self) -> None:
        """Remove what nobody goes back to. A disk that does not take it is tried again after the next revision."""
        with suppress(TreeError), self._lock:
            self._tree.prune()

    def hold(self) -> Staged | None:
        """From here on nobody else publishes or judges. Returns what is good. Called by the main thread, perhaps twice."""
        if self._is_held is None:
            self._is_held = self._lock.acquire(timeout=_HOLD_S)
        return self._tree.good

    def take_back(self, refusal: Refusal) -> None:
        """Go back to the good revision, and remember the refusal. Called by the main thread, after `hold`. Raises TreeError."""
        if not self._is_held:
            raise TreeError(f"cannot go back: {self._tree.root} has been busy for {_HOLD_S:g} s")
        good = self._tree.good
        assert good
        try:
            if self._tree.live != good:
                self._tree.publish(good)
        except Refused as error:
            raise TreeError(str(error)) from error
        self._refusal = refusal
        self._tree.refuse(refusal)

    def release(self) -> None:
        """Let others go on after `hold`; without it, the folder is left as it is for good."""
        self._is_held = None
        self._lock.release()
