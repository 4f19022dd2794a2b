"""Tell the app by a signal: the command, or processes that share our namespace and are found by name or by a file."""

from __future__ import annotations

import os
import signal
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psutil

from supervisor.errors import NotTold, NotYet, Unreachable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from supervisor.model import Update
    from supervisor.processes import Processes
    from supervisor.settings import ReloadSettings

# An app that lacks a handler is looked at again for so long: until it is so old, and in any case for a moment, because a
# program that executes itself again (haproxy -W) is without its handlers meanwhile.
_YOUNG_S = 10.0
_MOMENT_S = 3.0
# Between a process's start and the time that the kernel tells for it lies a rounding of at most a second.
_CLOCK_S = 2.0


class BySignal:
    """Sends the signal, unless it would end the app for lack of a handler."""

    def __init__(self, settings: ReloadSettings, processes: Processes) -> None:
        assert settings.signal
        self._number: int = settings.signal
        self._name = signal.Signals(self._number).name if self._number in set(signal.Signals) else f"signal {self._number}"
        self._wanted = settings.process
        self._is_forced = settings.signal_force
        self._processes = processes
        self._looked_since: float | None = None

    def deliver(self, update: Update) -> None:
        """Send the signal, to all processes that are meant or to none.

        Raises Unreachable if there is none or we may not, NotYet if one has no handler yet, and NotTold if it will not get one.
        """
        with self._targets() as targets:
            for process in targets:
                self._look_at(process)
            self._looked_since = None
            for process in targets:
                self._send_to(process)

    @contextmanager
    def _targets(self) -> Iterator[list[psutil.Process]]:
        """The processes that are meant. psutil knows when each was started: none is taken for a later one of the same ID."""
        if self._wanted is None:
            with self._processes.child() as pid:  # it cannot be reaped meanwhile
                yield [_process(pid, "the command")]
        elif self._wanted.startswith("pid:"):
            yield [_from_file(self._wanted.removeprefix("pid:"))]
        else:
            yield _topmost(self._wanted)

    def _look_at(self, process: psutil.Process) -> None:
        """See that the process will live: it handles or ignores the signal."""
        if self._is_forced or _survives(process.pid, self._number):
            return
        now = time.monotonic()
        self._looked_since = self._looked_since or now
        what = "the command" if self._wanted is None else f"process {process.pid}"
        if now - self._looked_since < _MOMENT_S or time.time() - process.create_time() < _YOUNG_S:
            raise NotYet(f"{what} has no handler for {self._name} yet")
        self._looked_since = None
        raise NotTold(
            f"{self._name} would end {what}, which has no handler for it: choose another --reload-signal, or tell the app in"
            " another way (--reload-http, --reload-command, --reload-exit; --reload-signal-force sends it all the same)"
        )

    def _send_to(self, process: psutil.Process) -> None:
        try:
            process.send_signal(self._number)
        except psutil.NoSuchProcess:
            raise Unreachable(f"process {process.pid} has ended") from None
        except psutil.AccessDenied:
            raise Unreachable(
                f"may not send {self._name} to process {process.pid}: it runs as user {process.uids().real}, we as"
                f" {os.geteuid()}; run both as the same user, or add the capability KILL"
            ) from None


def _process(pid: int | None, what: str) -> psutil.Process:
    try:
        process = psutil.Process(pid) if pid else None
        if process and process.status() != psutil.STATUS_ZOMBIE:
            return process
    except psutil.NoSuchProcess:
        pass
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
    found = {process.pid: process for process in psutil.process_iter(["name", "ppid", "status"]) if _is_called(process, name)}
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


def _survives(pid: int, number: int) -> bool:
    """Whether the process handles or ignores the signal (proc(5): SigCgt and SigIgn are masks, bit 0 is signal 1)."""
    try:
        with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as file:
            masks = [int(line.split()[1], 16) for line in file if line.startswith(("SigCgt:", "SigIgn:"))]
    except OSError:
        return True  # no /proc here: as far as we know
    return any(mask >> (number - 1) & 1 for mask in masks) or not masks
