"""The door to processes that run beside us: find them by name or file, look at them, signal them.

psutil knows when each process was started, so that none is taken for a later one of the same ID.
"""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import psutil

from supervisor.errors import Unreachable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from supervisor.processes import Processes

# Between a process's start and the time that the kernel tells for it lies a rounding of at most a second.
_CLOCK_S = 2.0
_STATUS_BYTES_MAX = 2**16


class Peers:
    """The processes that are meant: the command, those of a name, or the one of a file (`pid:/path`)."""

    def __init__(self, wanted: str | None, processes: Processes) -> None:
        self._wanted = wanted
        self._processes = processes
        self._command: psutil.Process | None = None

    @contextmanager
    def found(self) -> Iterator[list[psutil.Process]]:
        """At least one process, that runs. Within the block the command cannot be reaped. Raises Unreachable."""
        if self._wanted is None:
            with self._processes.child() as pid:
                if self._command is None or self._command.pid != pid or not _runs(self._command):
                    self._command = _process(pid, "the command")
                yield [self._command]
        elif self._wanted.startswith("pid:"):
            yield [_from_file(self._wanted.removeprefix("pid:"))]
        else:
            yield _topmost(self._wanted)

    def name(self, process: psutil.Process) -> str:
        """What a message calls it."""
        return "the command" if self._wanted is None else f"process {process.pid}"


def survives(process: psutil.Process, number: int) -> bool:
    """Whether it handles or ignores the signal (proc(5): SigCgt and SigIgn are masks, bit 0 is signal 1)."""
    try:
        descriptor = os.open(f"/proc/{process.pid}/status", os.O_RDONLY)
        try:
            text = os.read(descriptor, _STATUS_BYTES_MAX)
        finally:
            os.close(descriptor)
    except OSError:
        return True  # no /proc here: as far as we know
    masks = [int(text.partition(name)[2].split(None, 1)[0], 16) for name in (b"SigIgn:", b"SigCgt:") if name in text]
    return any(mask >> (number - 1) & 1 for mask in masks) or not masks


def send(process: psutil.Process, number: int, name: str) -> None:
    """Send a signal. Raises Unreachable if the process is gone, or is not ours to signal."""
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        raise Unreachable(f"process {process.pid} has ended") from None
    except psutil.AccessDenied:
        raise Unreachable(
            f"may not send {name} to process {process.pid}: it runs as user {process.uids().real}, we as {os.geteuid()};"
            " run both as the same user, or add the capability KILL"
        ) from None


def workers(masters: list[psutil.Process]) -> set[psutil.Process]:
    """The children of some processes that run."""
    found = set()
    for master in masters:
        try:
            found |= {child for child in master.children() if child.status() != psutil.STATUS_ZOMBIE}
        except psutil.NoSuchProcess:
            continue
    return found


def _process(pid: int | None, what: str) -> psutil.Process:
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid) if pid else None
        if process and _runs(process):
            return process
    raise Unreachable(f"{what} does not run")


def _runs(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


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
    found = {process.pid: process for process in psutil.process_iter(["name", "status"]) if _is_called(process, name)}
    top = [process for process in found.values() if not any(parent.pid in found for parent in _ancestors(process))]
    if not top:
        raise Unreachable(
            f"--reload-process: no process is called {name!r}; in a pod the containers need shareProcessNamespace: true"
        )
    return top


def _is_called(process: psutil.Process, name: str) -> bool:
    return process.info["name"] == name and process.info["status"] != psutil.STATUS_ZOMBIE and process.pid != os.getpid()


def _ancestors(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.parents()
    except psutil.Error:  # it is gone, which the signal will find out
        return []
