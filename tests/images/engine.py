"""Containers, started by a test with whatever engine the variable CONTAINERS names; all are gone after it."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from tests.running import CANARY, Lines, eventually

BUNDLE = "/opt/config-supervisor"
ENTRY = f"{BUNDLE}/bin/config-supervisor"
# Podman alone mounts a tmpfs on some folders of a read-only container.
READ_ONLY = ["--read-only", *(["--read-only-tmpfs=false"] if "podman" in os.environ.get("CONTAINERS", "") else [])]
# An arbitrary user with no rights at all, and nothing that it may write but the tmpfs that a test gives it.
LEAST_RIGHTS = ["--user=12345:12345", "--cap-drop=all", "--security-opt=no-new-privileges", *READ_ONLY]

_names = itertools.count(1)


def engine(*words: str | Path, check: bool = True) -> str:
    """Run a command of podman or docker to its end, and return what it prints."""
    done = subprocess.run([os.environ["CONTAINERS"], *words], capture_output=True, text=True, check=False)
    assert not check or done.returncode == 0, f"{' '.join(map(str, words))}: {done.stderr}"
    return done.stdout


class Container:
    """A container that runs. Its network is the host's: an API server on 127.0.0.1 is reached."""

    def __init__(
        self,
        image: str,
        words: Sequence[str] = (),
        options: Sequence[str] = (),
        *,
        environment: Mapping[str, str] | None = None,
        volumes: Mapping[Path, str] | None = None,
    ) -> None:
        self.name = f"config-supervisor-test-{os.getpid()}-{next(_names)}"
        given = [
            *(f"--env={name}={value}" for name, value in (environment or {}).items()),
            *(f"--volume={path}:{place}" for path, place in (volumes or {}).items()),
        ]
        engine("create", f"--name={self.name}", "--network=host", *given, *options, image, *words)
        self._process = subprocess.Popen(
            [os.environ["CONTAINERS"], "start", "--attach", "--sig-proxy=false", self.name],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert self._process.stdout
        assert self._process.stderr
        self.out = Lines(self._process.stdout)
        self.err = Lines(self._process.stderr)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        engine("rm", "--force", "--volumes", self.name, check=False)
        self._process.kill()
        self._process.wait()
        assert not [line for line in (*self.out.all(), *self.err.all()) if CANARY in line], "a content was printed"

    def _state(self) -> Any:
        return json.loads(engine("inspect", "--format={{json .State}}", self.name))

    @property
    def pid(self) -> int:
        """The process ID of the container's PID 1, as seen from here."""
        return int(eventually(lambda: self._state()["Pid"], "the container runs"))

    def children(self) -> list[int]:
        """The processes whose parent PID 1 is, as seen from here; zombies too."""
        pid = self.pid
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def send(self, number: int) -> None:
        """Send a signal to PID 1, as a container runtime does."""
        os.kill(self.pid, number)

    def wait(self) -> int:
        """The exit code, when it has ended."""
        eventually(lambda: self._state()["Status"] in {"exited", "stopped"}, "the container has ended")
        return int(self._state()["ExitCode"])

    def execute(self, *words: str) -> str:
        """Run a program in it, as `kubectl exec` does, and return what it prints."""
        return engine("exec", self.name, *words)

    def stop(self) -> float:
        """Stop it as `podman stop` does, with 10 s before KILL; return the seconds that it took."""
        began = time.monotonic()
        engine("stop", "--time=10", self.name)
        return time.monotonic() - began

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send a stop signal and return the exit code."""
        self.send(number)
        return self.wait()

    def events(self, name: str = "") -> list[dict[str, Any]]:
        """The JSON log events so far, or those of one name."""
        events = [json.loads(line) for line in self.err.all() if line.startswith("{")]
        return [event for event in events if not name or event["event"] == name]
