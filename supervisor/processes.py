"""The door to processes: start the command, signal it, collect whatever ends.

One lock is around every fork, kill and wait. A process ID cannot be given to somebody else before its process was waited
for, and waiting needs the lock: so no signal of ours can hit a stranger.

The command is started by fork and exec rather than by the subprocess module, whose children would inherit our blocked
signals, and which cannot make its child the terminal's foreground group.
"""

from __future__ import annotations

import errno
import os
import signal
from contextlib import contextmanager, suppress
from threading import Lock

from supervisor.errors import StartError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet

# Python ignores these two at its start, and ignored signals stay ignored through exec.
_IGNORED_BY_PYTHON = (signal.SIGPIPE, signal.SIGXFSZ)


class Processes:
    """The command, and the orphans that the kernel gives us."""

    def __init__(self, given_mask: AbstractSet[int]) -> None:
        self._given_mask = given_mask
        self._lock = Lock()
        self._pid: int | None = None
        self._terminal: int | None = None
        self.orphans_reaped = 0

    def start(self, command: list[str]) -> int:
        """Start the command in a process group of its own, the foreground one on a terminal, and return its process ID.

        It gets our environment as we were given it, the signal mask that we were given, and no descriptor of ours.
        Raises StartError with 127 if there is no such command and 126 if it cannot be executed.
        """
        environment = given_environment()
        programs = _candidates(os.fsencode(command[0]), environment)
        terminal = _terminal_if_ours()
        failed, report_failure = os.pipe()
        with self._lock:
            pid = os.fork()
            if pid == 0:
                self._become(programs, command, environment, terminal, report_failure)
            os.close(report_failure)
            # The pipe closes when exec succeeds: then the group exists, and the command is no longer our own code.
            error = os.read(failed, 16)
            os.close(failed)
            if error:
                os.waitpid(pid, 0)
                _take_back(terminal)
                raise _cannot_start(command[0], int(error))
            self._pid, self._terminal = pid, terminal
        return pid

    def _become(
        self,
        programs: Sequence[bytes],
        command: list[str],
        environment: Mapping[bytes, bytes],
        terminal: int | None,
        report_failure: int,
    ) -> None:
        """Turn this process, fresh from fork, into the command. Nothing is imported and no lock is taken here.

        Signals stay blocked until the dispositions are right: one that arrives meanwhile acts as it would on the command.
        """
        try:
            os.setpgid(0, 0)
            if terminal is not None:
                os.tcsetpgrp(terminal, os.getpid())
            for number in _IGNORED_BY_PYTHON:
                signal.signal(number, signal.SIG_DFL)
            if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
                signal.signal(signal.SIGINT, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_SETMASK, self._given_mask)
            _execute(programs, command, environment)
        except OSError as error:
            os.write(report_failure, b"%d" % (error.errno or 0))
        finally:
            os._exit(127)

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

    def reap(self) -> int | None:
        """Collect every process that has ended; return the command's exit code if it is among them, 128+n for signal n."""
        code = None
        with self._lock:
            for pid, status in _ended():
                if pid == self._pid:
                    code = os.waitstatus_to_exitcode(status)
                    self._pid = None
                    _take_back(self._terminal)
                else:
                    self.orphans_reaped += 1
        return code if code is None or code >= 0 else 128 - code


def given_environment() -> dict[bytes, bytes]:
    """Our environment as it was at our start, from /proc/self/environ.

    os.environ will not do: Python adds LC_CTYPE to it where the locale is C (PEP 538).
    """
    try:
        with open("/proc/self/environ", "rb") as file:
            entries = file.read().split(b"\0")
    except OSError:
        return dict(os.environb)
    return {name: value for name, equals, value in (entry.partition(b"=") for entry in entries) if equals}


def _candidates(name: bytes, environment: Mapping[bytes, bytes]) -> list[bytes]:
    """The files that execvp(3) would try: the name itself if it holds a slash, else one in each folder of PATH."""
    if b"/" in name or not name:
        return [name]
    folders = environment.get(b"PATH", os.fsencode(os.defpath)).split(b":")
    return [(folder or b".") + b"/" + name for folder in folders]


def _execute(programs: Sequence[bytes], command: list[str], environment: Mapping[bytes, bytes]) -> None:
    """Become the first program that can be executed, as execvp(3) does it: a file of no known format is a shell script.

    Raises the OSError that tells most: a file that may not be executed counts more than one that is not there.
    """
    failure: OSError = FileNotFoundError(errno.ENOENT, "")
    for program in programs:
        try:
            os.execve(program, command, environment)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except PermissionError as error:
            failure = error
        except OSError as error:
            if error.errno != errno.ENOEXEC:
                raise
            os.execve(b"/bin/sh", [b"/bin/sh", program, *map(os.fsencode, command[1:])], environment)
    raise failure


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


def _terminal_if_ours() -> int | None:
    """The controlling terminal, if we are its foreground group and so may give it to the command."""
    try:
        terminal = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)
    except OSError:
        return None
    if os.tcgetpgrp(terminal) == os.getpgrp():
        return terminal
    os.close(terminal)
    return None


def _take_back(terminal: int | None) -> None:
    """Make our group the foreground one again, so that whoever started us can read from the terminal."""
    if terminal is not None:
        with suppress(OSError):  # it is gone: nobody can read from it anyway
            os.tcsetpgrp(terminal, os.getpgrp())


def _cannot_start(name: str, number: int) -> StartError:
    if number == errno.ENOENT:
        return StartError(f"cannot start {name!r}: no such command, or its interpreter is missing", 127)
    return StartError(f"cannot start {name!r}: {os.strerror(number)}", 126)
