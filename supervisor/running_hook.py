"""A hook that runs: its output is read away while somebody waits for its end. Used by processes alone."""

from __future__ import annotations

import os
import select
import time

# Of what a hook prints so much is kept, from the end: its last words tell why.
_OUTPUT_BYTES_MAX = 4096
_PIPE_BYTES = 2**16  # pipe(7): the capacity, so that one read empties it


class RunningHook:
    """A hook, of whose end the reaper tells by a pipe.

    Its end is not the end of its output: what it has started may hold that open for ever.
    """

    def __init__(self) -> None:
        """Raises OSError if there are no descriptors for it; then it has none."""
        self.last_words = b""
        self.code = 0
        self._output, self.given = os.pipe()
        """`given` is for the hook to write to, and for who starts it to close."""
        try:
            self._ended, self._end = os.pipe()
        except OSError:
            os.close(self._output)
            os.close(self.given)
            raise

    def end(self, code: int) -> None:
        """Tell the thread that waits. Called by the reaper, once."""
        self.code = code
        os.close(self._end)

    def wait(self, timeout_s: float | None) -> bool:
        """Read its output until it ends, or for so many seconds; None: as long as it takes. Returns whether it has ended."""
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        poll = select.poll()
        poll.register(self._output, select.POLLIN)
        poll.register(self._ended, select.POLLIN)
        while True:
            left_ms = None if deadline is None else (deadline - time.monotonic()) * 1000
            if left_ms is not None and left_ms <= 0:
                return False
            ready = {descriptor for descriptor, _ in poll.poll(left_ms)}
            if self._output in ready and not self._read():
                poll.unregister(self._output)
            if self._ended in ready:
                return True

    def _read(self) -> bool:
        """Read all that the pipe holds now; False at its end."""
        chunk = os.read(self._output, _PIPE_BYTES)
        self.last_words = (self.last_words + chunk)[-_OUTPUT_BYTES_MAX:]
        return bool(chunk)

    def close(self) -> None:
        """Forget it. The reaper's end of the pipe is the reaper's to close."""
        os.close(self._output)
        os.close(self._ended)
