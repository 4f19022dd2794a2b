"""What the tests of real apps share: the app under the program, a visitor who never stops asking, and the folder's owner."""

from __future__ import annotations

import ctypes
import fcntl
import http.client
import os
import shutil
import socket
import struct
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from tests.conftest import Start
from tests.manifests import configmap, put
from tests.running import Running

# Where Debian keeps what a user's PATH may lack.
os.environ["PATH"] += ":/usr/sbin:/usr/lib/postgresql/15/bin"


def free_port() -> int:
    """A port that nobody listens on, for streams or datagrams."""
    while True:
        with socket.socket() as probe, socket.socket(type=socket.SOCK_DGRAM) as other:
            probe.bind(("127.0.0.1", 0))
            try:
                other.bind(probe.getsockname())
            except OSError:
                continue
            return int(probe.getsockname()[1])


def get(port: int, path: str = "/", timeout_s: float = 5.0, *, whole: bool = False) -> str:
    """The body of an answer. Raises OSError or HTTPException, and ValueError if the status is not 200."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read().decode()
        if answer.status != 200:
            raise ValueError(f"{answer.status}: {body if whole else body[:200]}")
        return body
    finally:
        connection.close()


def ask_dns(port: int, name: str) -> str:
    """The text of a TXT record (RFC 1035)."""
    question = b"".join(bytes([len(part)]) + part.encode() for part in name.split(".")) + b"\0\0\x10\0\1"
    with socket.socket(type=socket.SOCK_DGRAM) as client:
        client.settimeout(2)
        client.connect(("127.0.0.1", port))
        client.send(b"\x12\x34\1\0\0\1\0\0\0\0\0\0" + question)
        answer = client.recv(4096)[12 + len(question) :]
    if len(answer) < 13:
        raise ConnectionError("no record")
    return answer[13 : 13 + answer[12]].decode()


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
    """Its ports are not the usual ones."""
    environment: dict[str, str] = field(default_factory=dict)
    prefix: list[str] = field(default_factory=list)
    has_check: bool = True
    costs: str = ""
    """Why a plain reload of it turns visitors away; empty: it turns nobody away."""
    sysctl: str = ""
    """The setting of the network without which it does; as NAME=VALUE."""


class Site:
    """An app that runs under the program, as PID 1."""

    def __init__(self, app: App, start: Start, folder: Path) -> None:
        self.app = app
        self._start = start
        self._manifest = folder / "manifest.json"
        self.root = folder / "config"

    def want(self, files: dict[str, str]) -> None:
        """Put what is wanted into the manifest."""
        put(self._manifest, configmap("app", files))

    def is_confirmed(self) -> bool:
        """Whether the app has taken what is live."""
        good = self.root / "..good"
        return good.is_symlink() and good.readlink() == (self.root / "..data").readlink()

    def run(self, *options: str, recipe: Sequence[str] = ()) -> Running:
        """Start it, by its profile, or by the options of a recipe; in either, what the app's own ports need takes its place."""
        app = self.app
        how = [word.replace("/config/", f"{self.root}/") for word in recipe] or [f"--profile={app.profile}"]
        words = [f"--manifest={self._manifest}", f"--configroot={self.root}", *how, *app.options, *options]
        words = list({word.partition("=")[0]: word for word in words}.values())
        return self._start(*words, command=app.command, as_pid1=True, environment=app.environment, prefix=app.prefix)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A place that apps may enter which run as somebody else: pytest's own are for us alone."""
    with tempfile.TemporaryDirectory(prefix="app-") as name:
        Path(name).chmod(0o777)
        yield Path(name)


@contextmanager
def network_with(sysctl: str) -> Iterator[None]:
    """A network of its own for this thread and all that it starts; see unshare(2), sysctl(8), netdevice(7)."""
    libc, new_network = ctypes.CDLL(None, use_errno=True), 0x40000000
    with Path("/proc/thread-self/ns/net").open("rb") as before:
        assert libc.unshare(new_network) == 0, os.strerror(ctypes.get_errno())
        try:
            with socket.socket() as any_socket:
                up = struct.pack("16sH14x", b"lo", 1)
                fcntl.ioctl(any_socket, 0x8914, up)
            name, _, value = sysctl.partition("=")
            Path("/proc/sys", *name.split(".")).write_text(value)
            yield
        finally:
            assert libc.setns(before.fileno(), new_network) == 0, os.strerror(ctypes.get_errno())


@pytest.fixture
def site(start: Start, folder: Path) -> Iterator[Callable[[App], Site]]:
    """Make a place for an app. The test is skipped if the app is not installed."""
    with ExitStack() as stack:

        def make(app: App) -> Site:
            program = next(word for word in app.command if not word.startswith("-"))
            if not shutil.which(program):
                pytest.skip(f"no {app.profile}")
            if app.sysctl:
                stack.enter_context(network_with(app.sysctl))
            return Site(app, start, folder)

        yield make


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
