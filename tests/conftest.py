"""What all tests share."""

from __future__ import annotations

import itertools
import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.manifests import METADATA, put
from tests.running import CANARY, Lines, Running, program
from tests.stand_ins.real_api import RealApi
from tests.tried import Table

Start = Callable[..., Running]
Manifest = Callable[..., Path]
HttpApp = Callable[..., tuple[str, Lines]]

# A shell ignores these for what it runs in the background, nohup the third, and the programs under test would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
signal.signal(signal.SIGQUIT, signal.SIG_DFL)

_LOOKED_AT_BYTES = 2**22
_IS_OBJECT = re.compile(rb"(#.*\n|apiVersion: v1\n)*\W*kind\W")  # a manifest, which a test may have called by any name
_names = itertools.count(1)

# What `make fuzz` tries, and in how many forms.
_FUZZ = Table(
    "fuzz",
    ("what came in", "what happened", "cases"),
    lambda figures: ("" if cases is None else f"{cases:,}" for cases in figures),
)

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to make namespaces")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test of input has its row in the table of such tests, with the number of its cases, if that is told."""
    for item in items:
        for marker in item.iter_markers("fuzz"):
            what, happened, *cases = marker.args
            item.user_properties.append((_FUZZ.name, (what, happened, cases or [None])))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print that table after `make fuzz`."""
    if "FUZZ_CASES" in os.environ:
        _FUZZ.summarize(terminalreporter)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """That fails if the README does not tell of the same input."""
    if (session.config.args, session.config.getoption("markexpr")) == (["tests"], "fuzz"):
        _FUZZ.compare(session)


@pytest.fixture
def start() -> Iterator[Start]:
    """Start the real program; all that were started are gone after the test."""
    with ExitStack() as stack:

        def start(*options: str, **more: Any) -> Running:
            return stack.enter_context(Running(options, **more))

        yield start


@pytest.fixture(autouse=True)
def no_content_elsewhere(request: pytest.FixtureRequest) -> Iterator[None]:
    """After each test: no file that it has left holds what only the objects hold, but the objects' own."""
    yield
    folder = request.node.funcargs.get("tmp_path")
    for path in Path(folder).rglob("*") if folder else ():
        if path.is_file() and not path.is_symlink() and "manifest" not in path.name:
            with suppress(OSError), path.open("rb") as file:
                content = file.read(_LOOKED_AT_BYTES)
                assert _IS_OBJECT.match(content) or CANARY.encode() not in content, f"a content is in {path}"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A configroot that does not exist yet."""
    return tmp_path / "config"


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    """Write a manifest of one ConfigMap, in one step as an editor does, and return its path."""

    def write(**data: str) -> Path:
        lines = "".join(f"  {key}: {value!r}\n" for key, value in data.items())
        return put(tmp_path / "manifest.yaml", f"kind: ConfigMap\nmetadata: {METADATA}\ndata:\n{lines}")

    return write


@pytest.fixture
def full_pipe() -> Iterator[tuple[int, int]]:
    """Both ends of a pipe into which nothing goes any more."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    try:
        while True:
            os.write(writer, b"-" * 4096)
    except BlockingIOError:
        os.set_blocking(writer, True)
    yield reader, writer
    for descriptor in (reader, writer):
        os.close(descriptor)


@pytest.fixture
def http_app() -> Iterator[HttpApp]:
    """Start an app that is told by HTTP; returns its address and what it prints."""
    started: list[subprocess.Popen[bytes]] = []

    def start(file: Path, *statuses: int) -> tuple[str, Lines]:
        command = program("reload_server", str(file), *map(str, statuses or (200,)))
        process = subprocess.Popen(command, stdout=subprocess.PIPE)
        started.append(process)
        assert process.stdout
        lines = Lines(process.stdout)
        return f"http://127.0.0.1:{lines.wait_for('^port ').split()[1]}", lines

    yield start
    for process in started:
        process.kill()
        process.wait()


@pytest.fixture(scope="session")
def real_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealApi]:
    """One real API server for all tests of a run."""
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    if not assets:
        pytest.skip("no KUBEBUILDER_ASSETS")
    users = {"reader-token": "reader", "pod-token": "system:serviceaccount:production:app"}
    with RealApi(Path(assets), tmp_path_factory.mktemp("api"), users=users) as api:
        yield api


@pytest.fixture
def name() -> str:
    """The name of a ConfigMap that nobody has used."""
    return f"app-{next(_names)}"
