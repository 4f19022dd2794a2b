"""The images under test. They are looked at only where the variable CONTAINERS names podman or docker: `make test-images`."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.images.bases import DEBIAN, DISTROLESS, MUSL
from tests.images.engine import Container, engine
from tests.running import SUPERVISOR
from tests.stand_ins.real_api import RealApi

if "CONTAINERS" not in os.environ:
    collect_ignore_glob = ["test_*.py"]

StartContainer = Callable[..., Container]

KINDS = {"debian": DEBIAN, "musl": MUSL, "distroless": DISTROLESS, "scratch": "scratch"}
# Users of the API server, by token: the service accounts of the examples.
TOKENS = {f"{app}-token": f"system:serviceaccount:default:{app}" for app in ("nginx", "prometheus", "postgresql", "haproxy")}


def said_by_the_program(*words: str) -> str:
    """What the program prints."""
    return subprocess.run([*SUPERVISOR, *words], stdout=subprocess.PIPE, text=True, check=True).stdout


def needs(*words: str) -> pytest.MarkDecorator:
    """Skip a test as long as the program has not all of these options, or commands, in its --help."""
    known = said_by_the_program("--help")
    missing = [word for word in words if not re.search(rf"^  (config-supervisor )?{re.escape(word)}\b", known, re.MULTILINE)]
    return pytest.mark.skipif(bool(missing), reason=f"needs {' '.join(missing)}")


@pytest.fixture(scope="session", params=KINDS)
def image(request: pytest.FixtureRequest) -> str:
    """An image of each kind with the bundle in it, and the app `probe`."""
    name = f"config-supervisor-test-{request.param}"
    engine("build", "--tag", name, f"--build-arg=BASE={KINDS[request.param]}", Path(__file__).parent / "bundled")
    return name


@pytest.fixture
def run() -> Iterator[StartContainer]:
    """Run a container; all that were started are gone after the test."""
    with ExitStack() as stack:

        def run(*words: Any, **more: Any) -> Container:
            return stack.enter_context(Container(*words, **more))

        yield run


@pytest.fixture(scope="session")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealApi]:
    """A real API server."""
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    if not assets:
        pytest.skip("no KUBEBUILDER_ASSETS")
    with RealApi(Path(assets), tmp_path_factory.mktemp("api"), users={"reader-token": "reader", **TOKENS}) as api:
        yield api
