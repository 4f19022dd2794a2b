"""--child-logs=json: the command writes to us, and we write its lines as JSON to where it would have written.

A thread for each of its two streams reads what is there, and reads no more before that is written: so a reader of ours who is
slow slows the command down as a plain pipe would, and nothing is dropped.
"""

from __future__ import annotations

import os
import select
import time
from _thread import allocate_lock
from contextlib import contextmanager
from threading import Thread
from typing import TYPE_CHECKING

from supervisor.child_lines import ChildLines
from supervisor.errors import StartError
from supervisor.logs import rfc3339, write_all

if TYPE_CHECKING:
    from _thread import LockType
    from collections.abc import Iterator

    from supervisor.logs import Log

_STDOUT, _STDERR = 1, 2
_CHUNK_BYTES = 2**16  # pipe(7): what a pipe holds
# After the command's end, what it has started may still have a word to say. When we leave, that would be lost.
_MOMENT_S = 1.0
# A reader of ours who takes nothing for so long at the end gets no more. That is seen by the pieces in which is written.
_STUCK_S = 2.0
_PIECE_BYTES = 2**16


class ChildLogs:
    """The streams of the command, for each of its starts."""

    def __init__(self, log: Log) -> None:
        """Lines of our own log, and of both streams if they lead to one place, are written one at a time."""
        is_same = os.path.sameopenfile(_STDOUT, _STDERR)
        self._locks = {_STDOUT: log.writing if is_same else allocate_lock(), _STDERR: log.writing}
        self._pumps: list[_Pump] = []
        # Closed when it is over. One for all starts, so that none of them has anything to close but its own pipes.
        self._over: tuple[int, int] | None = None

    @contextmanager
    def outputs(self) -> Iterator[tuple[int, int]]:
        """Descriptors for the command to write to as its 1 and 2; they are ours only as long as the block lasts."""
        self._pumps = [pump for pump in self._pumps if pump.is_alive()]
        given: list[int] = []
        try:
            self._start_pumps(given)  # before there is a command, which nobody would look after if this fails
            yield given[0], given[1]
        finally:
            for descriptor in given:  # a pump that has begun ends by that if nobody else writes
                os.close(descriptor)

    def _start_pumps(self, given: list[int]) -> None:
        try:
            self._over = self._over or os.pipe()
            for name, to in (("stdout", _STDOUT), ("stderr", _STDERR)):
                pump = _Pump(name, to, self._locks[to], self._over[0])
                given.append(pump.given)
                pump.start()
                self._pumps.append(pump)
        except OSError as error:
            raise StartError(f"cannot make a pipe for --child-logs: {error.strerror}; is there a limit of open files?") from error
        except RuntimeError as error:
            raise StartError(
                f"cannot start a thread for --child-logs: {error}; is there a limit of processes or memory?"
            ) from error

    def finish(self) -> None:
        """The command has ended: write all that it has written, and for a moment what others still write in its name."""
        if self._over:
            os.close(self._over[1])
        for pump in self._pumps:
            self._wait_for(pump)

    def _wait_for(self, pump: _Pump) -> None:
        """Wait until it has written all, unless whoever reads us is stuck. It may wait for its turn while another one writes."""
        before = -1
        while pump.is_alive() and (written := sum(each.written for each in self._pumps)) != before:
            before = written
            pump.join(_STUCK_S)


class _Pump(Thread):
    """One stream, from a pipe to a descriptor of ours."""

    def __init__(self, stream: str, to: int, lock: LockType, over: int) -> None:
        super().__init__(name=f"child-{stream}", daemon=True)
        self._stream = stream
        self._lines = ChildLines(stream)
        self._to = to
        self._lock = lock
        self._over = over
        self._from, self.given = os.pipe()
        self.written = 0
        """How many pieces."""

    def run(self) -> None:
        """Pass everything on, and what has no end yet at the end."""
        try:
            self._pass_on()
        finally:
            os.close(self._from)  # if nobody reads, the command gets to know it at its next write, and does not wait for ever
        self._write(self._lines.end(rfc3339(time.time())))

    def _pass_on(self) -> None:
        """Until nobody can write any more, or nobody reads, or it is over."""
        poll = select.poll()
        poll.register(self._from, select.POLLIN)
        poll.register(self._over, select.POLLIN)
        deadline: float | None = None
        while True:
            timeout_ms = None if deadline is None else max(0.0, deadline - time.monotonic()) * 1000
            ready = [descriptor for descriptor, _ in poll.poll(timeout_ms)]
            if self._over in ready:
                poll.unregister(self._over)
                deadline = time.monotonic() + _MOMENT_S
            if self._from in ready:
                chunk = os.read(self._from, _CHUNK_BYTES)
                if not chunk or not self._write(self._json_of(chunk)):
                    break
            if deadline is not None and time.monotonic() >= deadline:
                break

    def _json_of(self, chunk: bytes) -> bytes:
        """A chunk as JSON lines; if that fails, what has no end yet and the chunk as they are, with an end."""
        rest = self._lines.rest
        try:
            return self._lines.feed(chunk, rfc3339(time.time()))
        except Exception:  # noqa: BLE001 - as for want of memory: without a pump the command would wait for ever
            self._lines = ChildLines(self._stream)
            return rest + chunk + (b"" if chunk.endswith(b"\n") else b"\n")

    def _write(self, lines: bytes) -> bool:
        """Write lines, in pieces that end with one of them; False if nobody is there to read."""
        begin = 0
        while begin < len(lines):
            end = lines.find(b"\n", begin + _PIECE_BYTES) + 1 or len(lines)
            with self._lock:
                if not write_all(self._to, lines[begin:end]):
                    return False
            self.written += 1
            begin = end
        return True
