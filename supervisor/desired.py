"""What is wanted now: the newest word of each source. A newer one takes the place of an older one; nothing queues."""

from __future__ import annotations

from threading import Condition
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from supervisor.model import ConfigObject


class Desired:
    """One slot for each source, filled by its thread and read by the sync thread."""

    def __init__(self, sources: tuple[str, ...]) -> None:
        self._changed = Condition()
        self._slots: dict[str, tuple[ConfigObject, ...] | None] = dict.fromkeys(sources)
        self._serial = 0
        self._falls_back = False

    def put(self, source: str, objects: tuple[ConfigObject, ...]) -> None:
        """Replace what a source wants. The same once more is nothing newer."""
        with self._changed:
            if self._slots[source] == objects:
                return
            self._slots[source] = objects
            self._serial += 1
            self._changed.notify_all()

    def fall_back(self) -> None:
        """Let whoever waits know that a source cannot tell at present what it wants; once, and unless all have spoken."""
        with self._changed:
            self._falls_back = True
            self._changed.notify_all()

    def wait(self, after: int) -> tuple[int, tuple[ConfigObject, ...] | None]:
        """Wait for something newer than serial number `after`, and for every source to have spoken.

        Returns the new serial number and the objects of all sources, in the order of the sources; or the old one and None if
        we are to fall back on what is there.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._falls_back or (self._serial > after and self._all_have_spoken()))
            falls_back, self._falls_back = self._falls_back and not self._all_have_spoken(), False
            if falls_back:
                return after, None
            self._changed.wait_for(lambda: self._serial > after and self._all_have_spoken())
            return self._serial, tuple(found for slot in self._slots.values() for found in slot or ())

    def _all_have_spoken(self) -> bool:
        return None not in self._slots.values()

    def is_newer(self, than: int, timeout_s: float) -> bool:
        """Wait until something newer than serial number `than` is wanted, or for so many seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: self._serial > than, timeout_s)
