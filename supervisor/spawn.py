"""From us to a new process: the command by fork and exec, a hook by posix_spawn. Used by processes.

Not by the subprocess module: its children would inherit our blocked signals, and it waits for them, which only one loop may
do. The command is forked, because only then its group can be the terminal's foreground group before it runs, and because
glibc's posix_spawn leaves two of its own signals ignored. Hooks are started from another thread than the main one, beside
which a fork must not run Python: posix_spawn is one call.
"""

from __future__ import annotations

import errno
import os

from supervisor.errors import StartError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from _thread import LockType
    from collections.abc import Callable, Mapping, Sequence
    from collections.abc import Set as AbstractSet
    from contextlib import AbstractContextManager
    from typing import NoReturn

    from supervisor.settings import User
    from supervisor.terminal import Terminal

    # Descriptors for the command to write to as its 1 and 2, made for each start.
    MakeOutputs = Callable[[], AbstractContextManager[tuple[int, int]]]
    Differences = Sequence[tuple[bytes, bytes | None]]
else:
    import _signal as signal  # as in inbox

# Python ignores these two at its start, and ignored signals stay ignored through exec.
_IGNORED_BY_PYTHON = (signal.SIGPIPE, signal.SIGXFSZ)
# What execvp(3) takes for "not in this folder of PATH".
_NOT_HERE = {errno.ENOENT, errno.ENOTDIR, errno.ESTALE, errno.ENODEV, errno.ETIMEDOUT}


class World:
    """What the command finds: the signal mask and dispositions that we were given, the user and session that were asked for."""

    def __init__(
        self, mask: AbstractSet[int], user: User | None, *, new_session: bool, outputs: MakeOutputs | None, importing: LockType
    ) -> None:
        self.mask = mask
        self.user = user
        self.new_session = new_session
        self.outputs = outputs
        # On its way to a fork, Python calls the first of each pair of hooks, then waits for imports in other threads. Of a pair
        # that such an import brings, as that of logging does, the second alone is called: it fails, and Python says so on
        # standard error, between our lines.
        self.importing = importing
        # A parent that ignores SIGCHLD never learns how a child ended (wait(2), notes): the command may, we must not.
        self.ignores_children = signal.getsignal(signal.SIGCHLD) == signal.SIG_IGN
        if self.ignores_children:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)


def start_command(command: list[str], world: World, terminal: Terminal) -> int:
    """Start the command as leader of a process group, the foreground one of the terminal; return its process ID.

    It gets our environment as we were given it, and no descriptor of ours. Raises StartError with 127 if there is no such
    command and 126 if it cannot be executed; the failed process is waited for.
    """
    if world.outputs is None:
        return _start(command, world, terminal, None)
    with world.outputs() as outputs:
        return _start(command, world, terminal, outputs)


def _start(command: list[str], world: World, terminal: Terminal, outputs: tuple[int, int] | None) -> int:
    programs = _candidates(os.fsencode(command[0]), os.environb.get(b"PATH"))
    differences = _differences(world.user)
    terminal.offer(to_new_session=world.new_session)
    try:
        failed, report_failure = os.pipe()
    except OSError as error:  # without a descriptor unstartable cannot be imported either
        reason = f"no pipe can be made: {error.strerror}; is there a limit of open files?"
        raise StartError(f"cannot start {command[0]!r}: {reason}", 126) from error
    try:
        with world.importing:
            pid = os.fork()
    except OSError as error:
        raise _why_not(command, programs[0], error.errno or errno.EAGAIN) from error
    if pid == 0:
        _become(programs, command, differences, world, terminal, outputs, report_failure)
    os.close(report_failure)
    # The pipe closes when exec succeeds: then the group exists, and the command is no longer our own code.
    failure = os.read(failed, 64)
    os.close(failed)
    if failure:
        os.waitpid(pid, 0)
        number, index = map(int, failure.split())
        raise _why_not(command, programs[index], number)
    return pid


def become_command(command: list[str], world: World) -> NoReturn:
    """Turn this process into the command, with our process ID, group and terminal. Called by the main thread.

    It finds the same as a command that is started. Raises StartError with 127 if there is no such command, 126 if it cannot be
    executed.
    """
    programs = _candidates(os.fsencode(command[0]), os.environb.get(b"PATH"))
    _enter(world, _differences(world.user))
    number, index = _execute(programs, command)
    raise _why_not(command, programs[index], number)


def _why_not(command: list[str], program: bytes, number: int) -> StartError:
    from supervisor.unstartable import why_not

    return why_not(command[0], program, number)


def start_hook(command: Sequence[str], mask: AbstractSet[int], more: Mapping[str, str], output: int) -> int:
    """Start a hook as leader of a process group; return its process ID. Raises OSError if it cannot be started.

    It gets the environment that we were given with `more`, nothing to read, and the descriptor `output` to write to.
    """
    environment = given_environment() | {os.fsencode(name): os.fsencode(value) for name, value in more.items()}
    failure = errno.ENOENT
    for program in _candidates(os.fsencode(command[0]), environment.get(b"PATH")):
        try:
            return os.posix_spawn(
                program,
                list(command),
                environment,
                file_actions=[
                    (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                    (os.POSIX_SPAWN_DUP2, output, 1),
                    (os.POSIX_SPAWN_DUP2, output, 2),
                ],
                setpgroup=0,
                setsigmask=mask,
                setsigdef=_set_by_python(),
            )
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            failure = error.errno or 0
    raise OSError(failure, os.strerror(failure), command[0])


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


def try_to_become(user: User) -> int:
    """Try in a process of its own to become a user: 0 if it can be done, else the number of the error."""
    told, tell = os.pipe()
    pid = os.fork()
    if pid == 0:
        number = errno.EINVAL
        try:
            _become_user(user)
            number = 0
        except OSError as error:
            number = error.errno or number
        finally:
            os.write(tell, b"%d" % number)
            os._exit(0)
    os.close(tell)
    number = int(os.read(told, 64))
    os.close(told)
    try:
        os.waitpid(pid, 0)
    except ChildProcessError:
        pass  # SIGCHLD is ignored as long as there is no World
    return number


def _become_user(user: User) -> None:
    """Where we are that user already, and nobody who could change anything, there is nothing to do."""
    if (os.geteuid(), os.getegid()) == (user.uid, user.gid) != (0, user.gid):
        return
    os.setgroups(user.groups)
    os.setgid(user.gid)
    os.setuid(user.uid)


def _differences(user: User | None) -> Differences:
    """What the command shall see otherwise than it stands in our environment: names, with values or None.

    All else it inherits byte for byte, also what is no NAME=VALUE, or stands there twice.
    """
    differences = [(b"LC_CTYPE", given_environment().get(b"LC_CTYPE"))] if b"LC_CTYPE" in os.environb else []
    return differences if user is None else [*differences, (b"HOME", os.fsencode(user.home))]


def _set_by_python() -> list[int]:
    """The signals whose disposition Python changed at our start: the default is what we were given."""
    numbers: list[int] = list(_IGNORED_BY_PYTHON)
    if callable(signal.getsignal(signal.SIGINT)):  # Python's own handler
        numbers.append(signal.SIGINT)
    return numbers


def _become(
    programs: Sequence[bytes],
    command: list[str],
    differences: Differences,
    world: World,
    terminal: Terminal,
    outputs: tuple[int, int] | None,
    report_failure: int,
) -> NoReturn:
    """Turn this process, fresh from fork, into the command. Nothing is imported and no lock is taken here."""
    number, index = errno.EINVAL, 0
    try:
        if world.new_session:
            os.setsid()
        else:
            os.setpgid(0, 0)
        terminal.accept()
        if outputs:
            os.dup2(outputs[0], 1)
            os.dup2(outputs[1], 2)
        _enter(world, differences)
        number, index = _execute(programs, command)
    except OSError as error:
        number = error.errno or number
    finally:
        os.write(report_failure, b"%d %d" % (number, index))
        os._exit(127)


def _enter(world: World, differences: Differences) -> None:
    """Give this process what the command shall find.

    Signals stay blocked until the dispositions are right: one that arrives meanwhile acts as it would on the command.
    """
    for name, value in differences:
        if value is None:
            os.unsetenv(name)
        else:
            os.putenv(name, value)
    for number in _set_by_python():
        signal.signal(number, signal.SIG_DFL)
    if world.ignores_children:
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    if world.user:
        _become_user(world.user)
    signal.pthread_sigmask(signal.SIG_SETMASK, world.mask)


def _candidates(name: bytes, path: bytes | None) -> list[bytes]:
    """The files that execvp(3) would try: the name itself if it holds a slash, else one in each folder of PATH."""
    if b"/" in name or not name:
        return [name]
    folders = os.fsencode(os.defpath) if path is None else path
    return [(folder or b".") + b"/" + name for folder in folders.split(b":")]


def _execute(programs: Sequence[bytes], command: list[str]) -> tuple[int, int]:
    """Become the first program that can be executed, as execvp(3) does it: a file of no known format is a shell script.

    Returns only if none can: the number of the error that tells most, and whose it is. A file that may not be executed counts
    more than one that is not there.
    """
    failure = errno.ENOENT, 0
    for index, program in enumerate(programs):
        number = _try_to_execute(program, command)
        if number == errno.ENOEXEC and not _is_binary(program):
            _try_to_execute(b"/bin/sh", ["/bin/sh", os.fsdecode(program), *command[1:]])
        if number not in {*_NOT_HERE, errno.EACCES}:
            return number, index
        if number == errno.EACCES or len(programs) == 1:
            failure = number, index
    return failure


def _is_binary(program: bytes) -> bool:
    """Whether a file is a program, then one for another machine: execvp(3) would let the shell read it as a script."""
    try:
        with open(program, "rb") as file:
            return file.read(4) == b"\x7fELF"
    except OSError:
        return False


def _try_to_execute(program: bytes, words: list[str]) -> int:
    """Return the number of the error; if there is none, this process is the program."""
    try:
        os.execv(program, words)
    except OSError as error:
        return error.errno or errno.EINVAL
    except ValueError:  # the first word is empty
        return errno.ENOENT
