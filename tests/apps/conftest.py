"""What the tests of real apps share: the app under the program, a visitor who never stops asking, and the folder's owner."""

from __future__ import annotations

import http.client
import os
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from tests.conftest import Start
from tests.running import Running

# Where Debian keeps what a user's PATH may lack.
os.environ["PATH"] += ":/usr/sbin:/usr/lib/postgresql/15/bin"


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def get(port: int, path: str = "/", timeout_s: float = 5.0) -> str:
    """The body of an answer. Raises OSError or HTTPException, and ValueError if the status is not 200."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read().decode()
        if answer.status != 200:
            raise ValueError(f"{answer.status}: {body[:200]}")
        return body
    finally:
        connection.close()


class Visitor:
    """Asks again and again, and remembers each answer and each failure, with its moment."""

    def __init__(self, ask: Callable[[], str]) -> None:
        self._ask = ask
        self._stop = Event()
        self.answers: list[tuple[float, str]] = []
        self.failures: list[str] = []
        self._thread = Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.wait(0.005):
            began = time.monotonic()
            try:
                self.answers.append((began, self._ask()))
            except (OSError, http.client.HTTPException, ValueError) as error:
                self.failures.append(f"{began:.3f} {type(error).__name__}: {error}")

    def stop(self) -> None:
        """Ask no more."""
        self._stop.set()
        self._thread.join()

    def wait_for(self, text: str, deadline_s: float) -> float:
        """The moment from which an answer was this one."""
        end = time.monotonic() + deadline_s
        while time.monotonic() < end:
            found = [began for began, answer in self.answers[-50:] if answer == text]
            if found:
                return found[0]
            self._stop.wait(0.005)
        raise AssertionError(f"no {text!r} within {deadline_s} s, but {self.answers[-1:]} {self.failures[-3:]}")


@dataclass
class App:
    """A real app: its profile and options, how it is started, and what its files are for one word that it shall serve."""

    profile: str
    command: list[str]
    files: Callable[[str], dict[str, str]]
    """The files for a word; `bad` gives some that the app cannot take."""
    ask: Callable[[], str]
    """What it serves now: the word. Raises OSError if it does not."""
    options: list[str] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
    prefix: list[str] = field(default_factory=list)


class Site:
    """An app that runs under the program, as PID 1."""

    def __init__(self, app: App, start: Start, folder: Path) -> None:
        self.app = app
        self._start = start
        self._manifest = folder / "manifest.json"
        self.root = folder / "config"

    def want(self, files: dict[str, str]) -> None:
        """Put what is wanted into the manifest."""
        import json

        passing = self._manifest.with_suffix(".new")
        passing.write_text(json.dumps({"kind": "ConfigMap", "metadata": {"name": "app"}, "data": files}))
        passing.chmod(0o644)
        passing.rename(self._manifest)

    def run(self, *options: str) -> Running:
        """Start it."""
        app = self.app
        words = [f"--manifest={self._manifest}", f"--configroot={self.root}", f"--profile={app.profile}", *app.options, *options]
        return self._start(*words, command=app.command, as_pid1=True, environment=app.environment, prefix=app.prefix)


@pytest.fixture
def site(start: Start, tmp_path: Path) -> Callable[[App], Site]:
    """Make a place for an app. The test is skipped if the app is not installed."""

    def make(app: App) -> Site:
        program = next(word for word in app.command if not word.startswith("-"))
        if not shutil.which(program):
            pytest.skip(f"no {app.profile}")
        return Site(app, start, tmp_path)

    return make


@pytest.fixture
def visit() -> Iterator[Callable[[Callable[[], str]], Visitor]]:
    """Send a visitor, who goes home at the end of the test."""
    visitors: list[Visitor] = []

    def send(ask: Callable[[], str]) -> Visitor:
        visitors.append(Visitor(ask))
        return visitors[-1]

    yield send
    for visitor in visitors:
        visitor.stop()


def applied(running: Running, times: int) -> dict[str, Any]:
    """The n-th revision that the app has taken."""
    return running.wait_for_event("config.applied", times, deadline_s=60)
