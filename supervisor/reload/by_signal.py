"""Tell the app by a signal."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

from supervisor.errors import NotTold, NotYet
from supervisor.peers import Peers, age_s, name_of, send, survives

if TYPE_CHECKING:
    from supervisor.model import Update
    from supervisor.peers import Peer
    from supervisor.processes import Processes
    from supervisor.settings import ReloadSettings

# An app that lacks a handler is looked at again for so long: until it is so old, and in any case for a moment, because a
# program that executes itself again (haproxy -W) is without its handlers meanwhile.
_YOUNG_S = 10.0
_MOMENT_S = 3.0


class BySignal:
    """Sends the signal, unless it would end the app for lack of a handler."""

    def __init__(self, settings: ReloadSettings, processes: Processes) -> None:
        assert settings.signal
        self._number: int = settings.signal
        self._name = signal.Signals(self._number).name if self._number in set(signal.Signals) else f"signal {self._number}"
        self._peers = Peers(settings.process, processes)
        self._is_forced = settings.signal_force
        self._looked_since: float | None = None

    def deliver(self, update: Update) -> None:
        """Send the signal, to all processes that are meant or to none.

        Raises Unreachable if there is none or we may not, NotYet if one has no handler yet, and NotTold if it will not get one.
        """
        with self._peers.found() as peers:
            for peer in peers:
                self._look_at(peer)
            self._looked_since = None
            for peer in peers:
                send(peer, self._number, self._name)

    def _look_at(self, peer: Peer) -> None:
        """See that the process will live: it handles or ignores the signal."""
        if self._is_forced or survives(peer, self._number):
            return
        now = time.monotonic()
        self._looked_since = self._looked_since or now
        what = name_of(peer)
        if now - self._looked_since < _MOMENT_S or age_s(peer) < _YOUNG_S:
            raise NotYet(f"{what} has no handler for {self._name} yet")
        self._looked_since = None
        raise NotTold(
            f"{self._name} would end {what}, which has no handler for it: choose another --reload-signal, or tell the app in"
            " another way (--reload-http, --reload-command, --reload-restart; --reload-signal-force sends it all the same)"
        )
