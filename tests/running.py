"""The real program, started by a test: its lines, its log events, its end. Everything is waited for with a deadline."""

from __future__ import annotations

import json
import os
import re
import select
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Condition, Thread
from typing import IO, Any, Self

PROGRAMS = Path(__file__).parent / "programs"
# The program under test: this checkout's, or the one that the variable names, such as the bundle's.
SUPERVISOR = shlex.split(os.environ.get("SUPERVISOR", "")) or [sys.executable, "-m", "supervisor"]
# A process namespace of its own, in which the program is PID 1; it dies with the process that made it.
AS_PID1 = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]
DEADLINE_S = 20.0
# It stands in every ConfigMap and Secret of the tests, beside the contents, as kubectl keeps them there; and in many contents.
CANARY = "canary-5f1d0c"
LAST_APPLIED = {"kubectl.kubernetes.io/last-applied-configuration": f'{{"data": {{"password": "{CANARY}"}}}}'}


def program(name: str, *arguments: str) -> list[str]:
    """The command line of one of tests/programs."""
    return [sys.executable, str(PROGRAMS / f"{name}.py"), *arguments]


def begun_by(name: str, **variables: object) -> dict[str, str]:
    """An environment in which Python begins with the sitecustomize of one of tests/programs, which may read these variables."""
    texts = {variable: str(value) for variable, value in variables.items()}
    return {"PYTHONPATH": f"{PROGRAMS / name}:{PROGRAMS.parent.parent}", **texts}


def eventually(condition: Callable[[], Any], what: str, deadline_s: float = DEADLINE_S) -> Any:
    """The first true value of a condition, looked at again and again. Fails after the deadline."""
    end = time.monotonic() + deadline_s
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"not within {deadline_s:g} s: {what}"
        time.sleep(0.002)  # between two looks, not instead of one


def pids_with(text: str) -> list[int]:
    """The processes that have a text in their command line or environment, whose parts end with a NUL each."""
    found = []
    for pid in map(int, filter(str.isdigit, os.listdir("/proc"))):
        with suppress(OSError):  # it has ended, or is none of ours
            if any(text.encode() in Path(f"/proc/{pid}/{name}").read_bytes() for name in ("cmdline", "environ")):
                found.append(pid)
    return found


def soon_s() -> float:
    """Two seconds, or more on a machine that is busy with something else."""
    return 2.0 * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


class Lines:
    """The lines of a stream as they come, read by a thread."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._lines: list[str] = []
        self._more = Condition()
        self._is_open = True
        Thread(target=self._read, args=(stream,), daemon=True).start()

    def _read(self, stream: IO[bytes]) -> None:
        with stream:
            for line in stream:
                with self._more:
                    self._lines.append(line.decode(errors="replace").rstrip("\n"))
                    self._more.notify_all()
        with self._more:
            self._is_open = False
            self._more.notify_all()

    def all(self) -> list[str]:
        """Every line so far."""
        with self._more:
            return list(self._lines)

    def wait_for(self, pattern: str, times: int = 1, deadline_s: float = DEADLINE_S) -> str:
        """The line with the n-th match of a pattern. Fails after the deadline, or when the stream ends without it."""
        end = time.monotonic() + deadline_s
        with self._more:
            while True:
                found = [line for line in self._lines if re.search(pattern, line)]
                if len(found) >= times:
                    return found[times - 1]
                assert self._is_open, f"ended without {times} × {pattern!r}: {self._lines}"
                assert self._more.wait(end - time.monotonic()), f"no {times} × {pattern!r} in {self._lines}"

    def wait_for_end(self) -> list[str]:
        """All lines, when the stream has ended."""
        with self._more:
            assert self._more.wait_for(lambda: not self._is_open, DEADLINE_S), "the stream does not end"
            return list(self._lines)


def kill_all(process: subprocess.Popen[bytes]) -> None:
    """End a process that still runs, and what it has started."""
    if process.poll() is None:
        left = descendants(process.pid)
        process.kill()
        process.wait()
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        eventually(lambda: all(has_ended(pid) for pid in left), "none of them writes any more")


def has_ended(pid: int) -> bool:
    """Whether all threads of a process have: it can be a zombie, as its first thread, while another one still writes."""
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([process], [], [], 0)[0])  # pidfd_open(2)
    finally:
        os.close(process)


def state(pid: int) -> str:
    """Of a process, as the kernel names it; X: it is not there any more."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return "X"


def descendants(pid: int) -> list[int]:
    """The children of a process, and theirs."""
    children: list[int] = []
    with suppress(FileNotFoundError, ProcessLookupError):  # it may end meanwhile, or one of its threads
        for thread in os.listdir(f"/proc/{pid}/task"):
            with suppress(FileNotFoundError, ProcessLookupError):
                children += map(int, Path(f"/proc/{pid}/task/{thread}/children").read_text().split())
    return children + [below for child in children for below in descendants(child)]


class Running:
    """A supervisor that runs, or another `init`; with `as_pid1`, as PID 1 of a process namespace."""

    def __init__(
        self,
        options: Sequence[str],
        command: Sequence[str] = (),
        *,
        as_pid1: bool = False,
        environment: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        prefix: Sequence[str] = (),
        init: Sequence[str] = SUPERVISOR,
    ) -> None:
        words = [*(AS_PID1 if as_pid1 else []), *prefix, *init, *options, *(["--", *command] if command else [])]
        self._process = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent), **(environment or {})},
            cwd=cwd,
        )
        assert self._process.stdout
        assert self._process.stderr
        self.out = Lines(self._process.stdout)
        self.err = Lines(self._process.stderr)
        self._as_pid1 = as_pid1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        kill_all(self._process)
        assert not [line for line in (*self.out.all(), *self.err.all()) if CANARY in line], "a content was printed"

    @property
    def pid(self) -> int:
        """The supervisor's process ID, as seen from here."""
        if not self._as_pid1:
            return self._process.pid
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        return int(eventually(lambda: children.read_text().split(), "unshare has a child")[0])

    def child_pids(self) -> list[int]:
        """The processes whose parent the supervisor is."""
        return [int(pid) for pid in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()]

    def holds_signals(self) -> bool:
        """Whether no signal can be lost any more: a thread blocks them, or the command runs.

        A thread that waits for signals blocks none of them just then. Looked for is one that unshare(1) never blocks.
        """
        statuses = [path.read_text() for path in Path(f"/proc/{self.pid}/task").glob("*/status")]
        blocked = [int(line.split()[1], 16) for text in statuses for line in text.splitlines() if line.startswith("SigBlk:")]
        return any(mask >> (signal.SIGWINCH - 1) & 1 for mask in blocked) or bool(self.child_pids())

    def send(self, number: int) -> None:
        """Send a signal to the supervisor."""
        os.kill(self.pid, number)

    def wait(self, deadline_s: float = DEADLINE_S) -> int:
        """The exit code, 128+n for signal n."""
        code = self._process.wait(deadline_s)
        return code if code >= 0 else 128 - code

    def stop(self) -> int:
        """Ask it to stop, and wait for its end."""
        self.send(signal.SIGTERM)
        return self.wait()

    def events(self, name: str = "") -> list[dict[str, Any]]:
        """The JSON log events so far, or those of one name."""
        events = [json.loads(line) for line in self.err.all() if line.startswith("{")]
        return [event for event in events if not name or event["event"] == name]

    def wait_for_event(self, name: str, times: int = 1, deadline_s: float = DEADLINE_S) -> dict[str, Any]:
        """The n-th event of a name."""
        event: dict[str, Any] = json.loads(self.err.wait_for(f'"event": "{re.escape(name)}"', times, deadline_s))
        return event


def group(leader: int) -> list[int]:
    """The processes of a process group that have not ended. Who takes the ended ones away may take its time."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            state, _, pgid = (place / "stat").read_text().rpartition(")")[2].split()[:3]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(pgid) == leader and state not in {"Z", "X"}:
            found.append(int(place.name))
    return found
