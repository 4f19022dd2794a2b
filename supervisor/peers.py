"""The door to processes that are told by a signal: find them by name or file, look at them, signal them.

psutil knows when each process was started, so that none is taken for a later one of the same ID. For that it reads more of
/proc than all else that an update takes, so for the command, our own child, it is asked only what we do not know ourselves.
"""

from __future__ import annotations

import os
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from supervisor.errors import Unreachable

if TYPE_CHECKING:
    from collections.abc import Iterator

    import psutil

    from supervisor.processes import Processes

# Between a process's start and the time that the kernel tells for it lies a rounding of at most a second.
_CLOCK_S = 2.0
_STATUS_BYTES_MAX = 2**16


class Command:
    """The command, as long as nobody can reap it: its ID cannot pass to another process. Raises Unreachable if it has ended."""

    def __init__(self, pid: int | None) -> None:
        if not pid:
            raise Unreachable("the command does not run")
        self.pid: int = pid
        self.status = _status(pid)
        if b"\nState:\tZ" in self.status:
            raise Unreachable("the command does not run")


if TYPE_CHECKING:
    Peer = psutil.Process | Command


class Peers:
    """The processes that are meant: the command, those of a name, or the one of a file (`pid:/path`)."""

    def __init__(self, wanted: str | None, processes: Processes) -> None:
        self._wanted = wanted
        self._processes = processes

    @contextmanager
    def found(self) -> Iterator[list[Peer]]:
        """At least one process, that runs. Within the block the command cannot be reaped. Raises Unreachable."""
        if self._wanted is None:
            with self._processes.child() as pid:
                yield [Command(pid)]
        elif self._wanted.startswith("pid:"):
            yield [_from_file(self._wanted.removeprefix("pid:"))]
        else:
            yield [*_topmost(self._wanted)]


def name_of(peer: Peer) -> str:
    """What a message calls it."""
    return "the command" if isinstance(peer, Command) else f"process {peer.pid}"


def age_s(peer: Peer) -> float:
    """How long ago it was started, in seconds. Raises Unreachable if it has ended."""
    return time.time() - _process_of(peer).create_time()


def survives(peer: Peer, number: int) -> bool:
    """Whether it handles or ignores the signal (proc(5): SigCgt and SigIgn are masks, bit 0 is signal 1)."""
    text = peer.status if isinstance(peer, Command) else _status(peer.pid)
    masks = [int(text.partition(name)[2].split(None, 1)[0], 16) for name in (b"SigIgn:", b"SigCgt:") if name in text]
    return any(mask >> (number - 1) & 1 for mask in masks) or not masks


def send(peer: Peer, number: int, name: str) -> None:
    """Send a signal. Raises Unreachable if the process is gone, or is not ours to signal."""
    try:
        if isinstance(peer, Command):
            os.kill(peer.pid, number)
        else:
            _send(peer, number)
    except ProcessLookupError:
        raise Unreachable(f"{name_of(peer)} has ended") from None
    except PermissionError:
        user = _process_of(peer).uids().real
        raise Unreachable(
            f"may not send {name} to process {peer.pid}: it runs as user {user}, we as {os.geteuid()};"
            " run both as the same user, or add the capability KILL"
        ) from None


def _send(process: psutil.Process, number: int) -> None:
    import psutil

    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        raise ProcessLookupError from None
    except psutil.AccessDenied:
        raise PermissionError from None


def workers(masters: list[Peer]) -> set[psutil.Process]:
    """The children of some processes that run."""
    import psutil

    found = set()
    for master in masters:
        try:
            found |= {child for child in _process_of(master).children() if child.status() != psutil.STATUS_ZOMBIE}
        except psutil.NoSuchProcess:
            continue
    return found


def _status(pid: int) -> bytes:
    """What the kernel says of a process; nothing where there is no /proc."""
    try:
        descriptor = os.open(f"/proc/{pid}/status", os.O_RDONLY)
    except OSError:
        return b""
    try:
        return os.read(descriptor, _STATUS_BYTES_MAX)
    except ProcessLookupError:  # it has ended since
        return b""
    finally:
        os.close(descriptor)


def _process_of(peer: Peer) -> psutil.Process:
    return _process(peer.pid, "the command") if isinstance(peer, Command) else peer


def _process(pid: int, what: str) -> psutil.Process:
    import psutil

    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        if process.status() != psutil.STATUS_ZOMBIE:
            return process
    raise Unreachable(f"{what} does not run")


def _from_file(path: str) -> psutil.Process:
    """The process whose ID stands in a file, if it is not younger than the file: then the ID has passed to somebody else."""
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            text = file.read(64).split()
            written = os.fstat(file.fileno()).st_mtime
    except OSError as error:
        raise Unreachable(f"--reload-process: cannot read {path}: {error.strerror}") from error
    if not text or not text[0].isdecimal() or int(text[0]) == os.getpid():
        raise Unreachable(f"--reload-process: {path} does not hold the ID of a process")
    process = _process(int(text[0]), f"--reload-process: the process of {path}")
    if process.create_time() > written + _CLOCK_S:
        raise Unreachable(f"--reload-process: the process of {path} does not run: its ID belongs to a later one")
    return process


def _topmost(name: str) -> list[psutil.Process]:
    """The processes of a name, without those that have an ancestor of that name: workers hear of it from their master."""
    import psutil

    found = {process.pid: process for process in psutil.process_iter(["name", "status"]) if _is_called(process, name)}
    top = [process for process in found.values() if not any(parent.pid in found for parent in _ancestors(process))]
    if not top:
        raise Unreachable(
            f"--reload-process: no process is called {name!r}; in a pod the containers need shareProcessNamespace: true"
        )
    return top


def _is_called(process: psutil.Process, name: str) -> bool:
    import psutil

    return process.info["name"] == name and process.info["status"] != psutil.STATUS_ZOMBIE and process.pid != os.getpid()


def _ancestors(process: psutil.Process) -> list[psutil.Process]:
    import psutil

    try:
        return process.parents()
    except psutil.Error:  # it is gone, which the signal will find out
        return []
