"""The door to processes: start the command and hooks, signal them, collect whatever ends.

One lock is around every start, kill and wait. A process ID cannot be given to somebody else before its process was waited
for, and waiting needs the lock: so no signal of ours can hit a stranger. Only `reap` waits, on the main thread; it hands each
hook's code to the thread that runs the hook.
"""

from __future__ import annotations

import os
import select
import signal
import time
from contextlib import contextmanager, suppress
from threading import Lock

from supervisor import terminal
from supervisor.spawn import start_command, start_hook

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet

# Of what a hook prints so much is kept, from the end: its last words tell why.
_OUTPUT_BYTES_MAX = 4096
_PIPE_BYTES = 2**16  # pipe(7): the capacity, so that one read empties it
# Between TERM and KILL for a hook that is out of time.
_HOOK_GRACE_S = 2.0


class HookTimeout(Exception):
    """A hook was out of time and has been killed with its process group; `output` is the end of what it printed."""

    def __init__(self, output: bytes) -> None:
        super().__init__("out of time")
        self.output = output


class Processes:
    """The command, hooks, and the orphans that the kernel gives us."""

    def __init__(self, given_mask: AbstractSet[int]) -> None:
        self._given_mask = given_mask
        self._lock = Lock()
        self._pid: int | None = None
        self._terminal: int | None = None
        self._hooks: dict[int, _Hook] = {}
        self.orphans_reaped = 0
        self.forwarded: dict[int, int] = {}
        """How often each signal was sent to the command."""

    def start(self, command: list[str], outputs: tuple[int, int] | None = None) -> int:
        """Start the command in a process group of its own, the foreground one on a terminal, and return its process ID.

        It writes to the descriptors `outputs`, if given, and else to our standard output and error. Raises StartError with
        127 if there is no such command and 126 if it cannot be executed.
        """
        our_terminal = terminal.ours()
        try:
            with self._lock:
                self._pid = start_command(command, self._given_mask, our_terminal, outputs)
        except BaseException:
            terminal.take_back(our_terminal)
            raise
        self._terminal = our_terminal
        return self._pid

    @contextmanager
    def child(self) -> Iterator[int | None]:
        """The command's process ID, or None if it does not run. While the block lasts the ID cannot pass to another process."""
        with self._lock:
            yield self._pid

    def send(self, number: int) -> None:
        """Send a signal to the command, if there is one. Raises PermissionError if it runs as somebody else."""
        with self.child() as pid:
            if pid is not None:
                os.kill(pid, number)
                self.forwarded[number] = self.forwarded.get(number, 0) + 1

    def run_hook(self, command: Sequence[str], timeout_s: float, environment: Mapping[str, str]) -> tuple[int, bytes]:
        """Run a hook to its end; return its exit code, 128+n for signal n, and the last 4 KiB of what it printed.

        Called by any thread but the main one, which must be reaping. `environment` is added to ours. A hook that is out of
        time is asked to stop, then killed, with its process group. Raises HookTimeout then, and OSError if it cannot start.
        """
        output, write_output = os.pipe()
        hook = _Hook(output)
        try:
            try:
                with self._lock:
                    pid = start_hook(command, self._given_mask, environment, write_output)
                    self._hooks[pid] = hook
            finally:
                os.close(write_output)
            for number, wait_s in ((0, timeout_s), (signal.SIGTERM, _HOOK_GRACE_S), (signal.SIGKILL, None)):
                self._signal_hook(pid, number)
                if hook.wait(wait_s):
                    break
            if number:
                raise HookTimeout(hook.last_words)
            return hook.code, hook.last_words
        finally:
            hook.close()

    def kill_hooks(self) -> None:
        """Kill every hook that runs, with its process group: none survives us."""
        with self._lock:
            for pid in self._hooks:
                _kill_group(pid, signal.SIGKILL)

    def reap(self) -> int | None:
        """Collect every process that has ended; return the command's exit code if it is among them, 128+n for signal n."""
        code = None
        with self._lock:
            for pid, status in _ended():
                ended_with = os.waitstatus_to_exitcode(status)
                if pid == self._pid:
                    code = ended_with
                    self._pid = None
                    terminal.take_back(self._terminal)
                elif pid in self._hooks:
                    self._hooks.pop(pid).end(_code(ended_with))
                else:
                    self.orphans_reaped += 1
        return code if code is None else _code(code)

    def _signal_hook(self, pid: int, number: int) -> None:
        with self._lock:
            if number and pid in self._hooks:
                _kill_group(pid, number)


class _Hook:
    """A hook that runs: its output is read away while somebody waits for its end, of which the reaper tells by a pipe.

    Its end is not the end of its output: what it has started may hold that open for ever.
    """

    def __init__(self, output: int) -> None:
        self.last_words = b""
        self.code = 0
        self._output = output
        self._ended, self._end = os.pipe()

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


def _code(code: int) -> int:
    """An exit code as shells write it: 128+n for signal n."""
    return code if code >= 0 else 128 - code


def _kill_group(pid: int, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):  # it is gone, or has become somebody whom we must not signal
        os.killpg(pid, number)


def _ended() -> Iterator[tuple[int, int]]:
    """Each child that has ended, with its wait status. All of them at each wake-up: SIGCHLDs merge."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        yield pid, status
