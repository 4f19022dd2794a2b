"""The door to processes: start the command and hooks, signal them, collect whatever ends.

One lock is around every start and wait, and around every kill by another thread than the main one. A process ID cannot be given
to somebody else before its process was waited for, and only `reap` waits, on the main thread, with the lock: so no signal of ours
can hit a stranger. It hands each hook's code to the thread that runs the hook.
"""

from __future__ import annotations

import os
from _thread import allocate_lock

from supervisor.children import all_children, ended, stopped_by
from supervisor.spawn import World, become_command, start_command
from supervisor.status import CommandState
from supervisor.terminal import Terminal

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from _thread import LockType
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from collections.abc import Set as AbstractSet
    from types import TracebackType
    from typing import NoReturn

    from supervisor.running_hook import RunningHook
    from supervisor.settings import User
    from supervisor.spawn import MakeOutputs
else:
    import _signal as signal  # as in inbox

_STOP_OR_GO_ON = frozenset({signal.SIGSTOP, signal.SIGCONT})
_EVERYBODY = -1  # kill(2)
# Between TERM and KILL for a hook that is out of time.
_HOOK_GRACE_S = 2.0


class HookTimeout(Exception):
    """A hook was out of time and has been killed with its process group; `output` is the end of what it printed."""

    def __init__(self, output: bytes) -> None:
        super().__init__("out of time")
        self.output = output


class Processes:
    """The command, hooks, and the orphans that the kernel gives us.

    The command runs as `user`, or as we do, in our session or with `new_session` in one of its own. It is not forked while
    another thread holds `importing`.
    """

    def __init__(
        self,
        mask: AbstractSet[int],
        user: User | None = None,
        *,
        new_session: bool = False,
        outputs: MakeOutputs | None = None,
        importing: LockType | None = None,
    ) -> None:
        self._world = World(mask, user, new_session=new_session, outputs=outputs, importing=importing or allocate_lock())
        self._terminal = Terminal()
        self._lock = allocate_lock()
        self._command: list[str] = []
        self._pid: int | None = None
        self._is_told_to_stop = False
        self._hooks: dict[int, RunningHook] = {}
        self._may_run_hooks = True
        self.orphans_reaped = 0
        self.state = CommandState()
        self.forwarded: dict[int, int] = {}
        """How often each signal was sent to the command."""

    @property
    def has_terminal(self) -> bool:
        """Whether we have a controlling terminal."""
        return self._terminal.exists

    def start(self, command: list[str]) -> int:
        """Start the command in a process group of its own, the foreground one on a terminal, and return its process ID.

        Raises StartError with 127 if there is no such command and 126 if it cannot be executed.
        """
        self._command = command
        with self._lock:
            try:
                self._pid = start_command(command, self._world, self._terminal)
            except BaseException:
                self._terminal.take_back()
                raise
            self.state = self.state.started(self._pid)
            return self._pid

    def start_again(self) -> int:
        """Start the same command, after its end. Raises StartError as `start` does."""
        return self.start(self._command)

    def become(self, command: list[str], held: Iterable[int]) -> NoReturn:
        """Turn this process into the command; signals that were held back act on it. Raises StartError as `start` does."""
        for number in held:
            os.kill(os.getpid(), number)  # it is blocked until then
        become_command(command, self._world)

    def child(self) -> _Child:
        """A context: the command's process ID, or None if it does not run. Within it the ID cannot pass to another process."""
        return _Child(self._lock, lambda: self._pid)

    def send(self, number: int, *, to_group: bool = False) -> None:
        """Send a signal to the command, or its process group. Raises PermissionError if it runs as somebody else.

        CONT always wakes the whole group if the command is stopped, as Ctrl-Z has stopped it, and gives it the terminal.
        Called by the main thread, which is the one that reaps: it needs no lock. While a hook is started it waits all the same,
        until that has executed its program: posix_spawn lets no other thread of Python run.
        """
        pid = self._pid
        if pid is None:
            return
        if number in _STOP_OR_GO_ON:
            to_group = self._prepare(pid, number) or to_group
        if to_group:
            try:
                os.killpg(pid, number)
            except ProcessLookupError:  # the command has joined another group
                to_group = False
        if not to_group:
            os.kill(pid, number)
        self.forwarded[number] = self.forwarded.get(number, 0) + 1

    def _prepare(self, pid: int, number: int) -> bool:
        """Before CONT and STOP; whether the whole group is to have it."""
        self._is_told_to_stop = number == signal.SIGSTOP
        if self._is_told_to_stop:
            return False
        self._terminal.lend(pid)
        return stopped_by(pid) != 0

    def kill(self) -> None:
        """Kill the command and its process group. Raises PermissionError if it runs as somebody else."""
        with self._lock:
            if self._pid is not None:
                _kill_group(self._pid, signal.SIGKILL)
                os.kill(self._pid, signal.SIGKILL)  # it may have joined another group

    def stop_with_the_command(self) -> None:
        """If the command has been stopped, as by Ctrl-Z, stop too, so that the shell that started us gets its prompt back.

        We go on when it says so by CONT, which is then there to be passed on. PID 1 cannot be stopped. A SIGSTOP that did not
        come through us is left to whoever sent it, if there is no terminal: he would wake the command alone.
        """
        if os.getpid() == 1:
            return
        with self._lock:
            pid = self._pid
            number = stopped_by(pid) if pid is not None else 0
            if pid is None or number == 0:
                return
            if number in {signal.SIGTTIN, signal.SIGTTOU} and self._terminal.lend(pid):
                _kill_group(pid, signal.SIGCONT)  # we were brought to the foreground while the command ran
                return
            if number == signal.SIGSTOP and not self._is_told_to_stop and not self._terminal.exists:
                return
        if self._terminal.is_lent:
            self._terminal.take_back()
            os.kill(0, signal.SIGTSTP)  # the key would have stopped the rest of our group too
        self.stop_ourselves()

    def stop_ourselves(self) -> None:
        """Stop until somebody sends CONT."""
        os.kill(os.getpid(), signal.SIGSTOP)

    def run_hook(self, command: Sequence[str], timeout_s: float, environment: Mapping[str, str]) -> tuple[int, bytes]:
        """Run a hook to its end; return its exit code, 128+n for signal n, and the last 4 KiB of what it printed.

        Called by any thread but the main one, which must be reaping. `environment` is added to ours. A hook that is out of
        time is asked to stop, then killed, with its process group. Raises HookTimeout then, and OSError if it cannot start.
        """
        from supervisor.running_hook import RunningHook
        from supervisor.spawn import start_hook

        hook = RunningHook()
        try:
            try:
                with self._lock:
                    if not self._may_run_hooks:
                        raise OSError(0, "we are leaving")
                    pid = start_hook(command, self._world.mask, environment, hook.given)
                    self._hooks[pid] = hook
            except BaseException:
                hook.end(0)
                raise
            finally:
                os.close(hook.given)
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
        """Kill every hook that runs, with its process group, and start no other: none survives us."""
        with self._lock:
            self._may_run_hooks = False
            for pid in self._hooks:
                _kill_group(pid, signal.SIGKILL)

    def reap(self) -> int | None:
        """Collect every process that has ended; return the command's exit code if it is among them, 128+n for signal n."""
        code = None
        with self._lock:
            for pid, status in ended():
                if pid == self._pid:
                    code = _code(status)
                    self._pid = None
                    self.state = self.state.ended(code)
                    self._terminal.take_back()
                elif pid in self._hooks:
                    self._hooks.pop(pid).end(_code(status))
                else:
                    self.orphans_reaped += 1
        return code

    def signal_rest(self, number: int, told: set[int]) -> bool:
        """After the command's end: signal what is left, but for those in `told`, to whom it adds. Whether anything is left.

        That is every process of our PID namespace if we are its PID 1, and else our children: of what they leave behind when
        they end we are the parent next, if we are a subreaper.
        """
        with self._lock:
            left = {_EVERYBODY} if os.getpid() == 1 else all_children()
            is_left = False
            for pid in left:
                try:
                    os.kill(pid, 0 if pid in told else number)
                    is_left = True
                except ProcessLookupError:
                    continue
                except PermissionError:
                    is_left = True
            told |= left
            return is_left

    def _signal_hook(self, pid: int, number: int) -> None:
        with self._lock:
            if number and pid in self._hooks:
                _kill_group(pid, number)


class _Child:
    """The command's process ID, locked. A class, because contextlib's decorator takes long to import."""

    def __init__(self, lock: LockType, pid: Callable[[], int | None]) -> None:
        self._lock = lock
        self._pid = pid

    def __enter__(self) -> int | None:
        self._lock.acquire()
        return self._pid()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._lock.release()


def _code(status: int) -> int:
    """A wait status as shells write it: the exit code, or 128+n for signal n."""
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _kill_group(pid: int, number: int) -> None:
    try:
        os.killpg(pid, number)
    except (ProcessLookupError, PermissionError):
        pass  # it is gone, or has become somebody whom we must not signal
