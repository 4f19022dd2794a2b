"""From us to a new process: the command by fork and exec, a hook by posix_spawn. Used by processes alone.

Not by the subprocess module: its children would inherit our blocked signals, and it waits for them, which only one loop may
do. The command is forked, because only then its group can be the terminal's foreground group before it runs, and because
glibc's posix_spawn leaves two of its own signals ignored. Hooks are started from another thread than the main one, beside
which a fork must not run Python: posix_spawn is one call.
"""

from __future__ import annotations

import errno
import os
import signal

from supervisor.errors import StartError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from collections.abc import Set as AbstractSet

# Python ignores these two at its start, and ignored signals stay ignored through exec.
_IGNORED_BY_PYTHON = (signal.SIGPIPE, signal.SIGXFSZ)


def start_command(
    command: list[str], mask: AbstractSet[int], terminal: int | None, outputs: tuple[int, int] | None = None
) -> int:
    """Start the command as leader of a process group, the foreground one of `terminal`; return its process ID.

    It gets our environment as we were given it, the signal mask `mask`, and no descriptor of ours but `outputs`, if given, as
    its standard output and error. Raises StartError with 127 if there is no such command and 126 if it cannot be executed; the
    failed process is waited for.
    """
    environment = given_environment()
    programs = _candidates(os.fsencode(command[0]), environment)
    failed, report_failure = os.pipe()
    pid = os.fork()
    if pid == 0:
        _become(programs, command, environment, mask, terminal, outputs, report_failure)
    os.close(report_failure)
    # The pipe closes when exec succeeds: then the group exists, and the command is no longer our own code.
    error = os.read(failed, 16)
    os.close(failed)
    if error:
        os.waitpid(pid, 0)
        raise StartError(*_why_not(command[0], int(error)))
    return pid


def start_hook(command: Sequence[str], mask: AbstractSet[int], more: Mapping[str, str], output: int) -> int:
    """Start a hook as leader of a process group; return its process ID. Raises OSError if it cannot be started.

    It gets the environment that we were given with `more`, nothing to read, and the descriptor `output` to write to.
    """
    environment = given_environment() | {os.fsencode(name): os.fsencode(value) for name, value in more.items()}
    failure = errno.ENOENT
    for program in _candidates(os.fsencode(command[0]), environment):
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


def _set_by_python() -> list[int]:
    """The signals whose disposition Python changed at our start: the default is what we were given."""
    numbers: list[int] = list(_IGNORED_BY_PYTHON)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        numbers.append(signal.SIGINT)
    return numbers


def _become(
    programs: Sequence[bytes],
    command: list[str],
    environment: Mapping[bytes, bytes],
    mask: AbstractSet[int],
    terminal: int | None,
    outputs: tuple[int, int] | None,
    report_failure: int,
) -> None:
    """Turn this process, fresh from fork, into the command. Nothing is imported and no lock is taken here.

    Signals stay blocked until the dispositions are right: one that arrives meanwhile acts as it would on the command.
    """
    try:
        os.setpgid(0, 0)
        if terminal is not None:
            os.tcsetpgrp(terminal, os.getpid())
        if outputs:
            os.dup2(outputs[0], 1)
            os.dup2(outputs[1], 2)
        for number in _set_by_python():
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        _execute(programs, command, environment)
    except OSError as error:
        os.write(report_failure, b"%d" % (error.errno or 0))
    finally:
        os._exit(127)


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


def _why_not(name: str, number: int) -> tuple[str, int]:
    if number == errno.ENOENT:
        return f"cannot start {name!r}: no such command, or its interpreter is missing", 127
    return f"cannot start {name!r}: {os.strerror(number)}", 126
