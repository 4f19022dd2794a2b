"""The door to signals: signals from the kernel and words from our threads, as one stream for the main thread.

All signals are *blocked*, in every thread, and the main thread takes them one by one with sigtimedwait(2). Why not handlers
and a wake-up descriptor: handlers would change the dispositions that the command inherits, and lose count of real-time
signals; a handler for SIGSEGV would turn a real fault of ours into an endless loop, while a blocked one still kills
(signal(7), "synchronously generated"). Blocked signals are queued even if they are ignored or if we are PID 1, for which
the kernel drops others without a handler. The mask is handed on through fork and exec, so processes.start gives the
command back the one that we were given.

A thread's word needs a wake-up too: it is SIGCHLD, which is never forwarded and after which the main thread looks anyway.
"""

from __future__ import annotations

import os
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from collections.abc import Callable, Iterable, Iterator
    from collections.abc import Set as AbstractSet
else:
    import _signal as signal  # the same without enums, which take a third of a plain init's start

STOP_SIGNALS: frozenset[int] = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGQUIT})

JOB_CONTROL_SIGNALS: frozenset[int] = frozenset({signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU})

_NEVER = float("inf")
# The kernel hands out the lowest signal first: in a storm of those below SIGCHLD children are looked after so often.
_TURNS = 64


class Signal(int):
    """The number of a signal that was sent to us."""


class OwnStop(Signal):
    """The TERM that we send ourselves: it asks us to stop, whatever becomes of one from outside."""


class Applied:
    """Word of the sync thread: the first configuration is on disk."""


class Restart:
    """Word of the sync thread: stop the command and start it again. `done` is called when it runs again.

    It is never called if the program is about to leave instead: nothing has to be done then.
    """

    def __init__(self, done: Callable[[], None]) -> None:
        self.done = done


if TYPE_CHECKING:
    Word = Signal | Applied | Restart


class Inbox:
    """Everything that the main thread has to hear of, in the order of its arrival."""

    def __init__(self) -> None:
        self._wanted: AbstractSet[int] = signal.valid_signals()
        self.given_mask: AbstractSet[int] = _given(signal.pthread_sigmask(signal.SIG_BLOCK, self._wanted))
        self._signals: dict[int, Signal] = {number: Signal(number) for number in self._wanted if number != signal.SIGCHLD}
        self._words: list[Word] = []
        self._has_child_news = False
        self.turns = 0
        """How often the main thread came to wait here: whoever wakes it can see whether it still turns."""

    def post(self, word: Applied | Restart | OwnStop) -> None:
        """Leave a word for the main thread; any thread may call this."""
        self._words.append(word)
        self.wake()

    def wake(self) -> None:
        """Let the main thread take a turn; any thread may call this."""
        os.kill(os.getpid(), signal.SIGCHLD)

    def ask_to_stop(self) -> None:
        """Let the main thread do what it would do if somebody asked us to stop; any thread may call this."""
        self.post(OwnStop(signal.SIGTERM))

    def put_back(self, words: Iterable[Word]) -> None:
        """Let the next wait yield words that were heard before their time, first of all."""
        self._words[:0] = words

    def wait(self, deadline: float = _NEVER) -> Word | None:
        """Sleep until something is there, and return it. None at the deadline, or when only a child changed state.

        `deadline` is a reading of time.monotonic(), in seconds.
        """
        self.turns += 1
        if self._words:
            return self._words.pop(0)
        signals = self._signals  # as little as possible is left for afterwards: the command waits for it
        number = signal.sigwait(self._wanted) if deadline == _NEVER else _take(self._wanted, deadline - time.monotonic())
        if number in signals:
            return signals[number]
        self._has_child_news = number is not None or self._has_child_news
        return self._words.pop(0) if self._words else None

    def has_child_news(self) -> bool:
        """Whether a child may have changed state since this was asked last. In a storm of signals, now and then in any case."""
        if self._has_child_news or self.turns % _TURNS == 0:
            self._has_child_news = False
            return True
        return False

    def pending(self) -> Iterator[Word]:
        """What is there already."""
        while signal.sigpending() or self._words:
            word = self.wait(0.0)
            if word is not None:
                yield word


def _given(mask: AbstractSet[int]) -> AbstractSet[int]:
    """The signals that were blocked for us: docker/launcher.c blocks all before Python starts, and says what it found.

    As the kernel writes it: bit 0 of a hexadecimal number is signal 1.
    """
    found = sys._xoptions.get("given_mask")  # noqa: SLF001 - documented: python -X, "values can be retrieved"
    if found is None:
        return mask
    return {number for number in signal.valid_signals() if int(found, 16) >> (number - 1) & 1}


if sys.platform == "darwin":
    import threading

    def _take(wanted: AbstractSet[int], timeout_s: float) -> int | None:
        """Stand in for sigtimedwait(2), which macOS lacks: a timer's SIGCHLD ends the wait."""
        if timeout_s <= 0 and not signal.sigpending() & wanted:
            return None
        timer = threading.Timer(min(timeout_s, threading.TIMEOUT_MAX), os.kill, (os.getpid(), signal.SIGCHLD))
        timer.daemon = True
        timer.start()
        number = signal.sigwait(wanted)
        timer.cancel()
        return number

else:

    def _take(wanted: AbstractSet[int], timeout_s: float) -> int | None:
        info = signal.sigtimedwait(wanted, max(0.0, timeout_s))
        return None if info is None else info.si_signo
