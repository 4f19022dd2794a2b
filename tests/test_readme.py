"""What the README says to type is typed here, in a new clone of the repository whose path has a space."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from supervisor import __version__
from tests.checkout import README, REPOSITORY, clone
from tests.conftest import Manifest, Start
from tests.manifests import marked
from tests.running import eventually, pids_with, program
from tests.side import side
from tests.terminal import Terminal, terminal

INSTALL_S = 600.0  # what pip may take on a busy machine


def blocks(language: str) -> list[str]:
    """The code blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new clone."""
    return clone(tmp_path_factory.mktemp("home") / "a new clone")


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """That of a user: none of what tests and make add to ours, and a folder for passing files that a test can look into."""
    ours = {"PYTHONPATH", "PYTEST_ADDOPTS", "MAKEFLAGS", "MFLAGS", "MAKELEVEL", "VIRTUAL_ENV", "KUBEBUILDER_ASSETS"}
    passing = tmp_path / "passing"
    passing.mkdir()
    return {
        **{name: value for name, value in os.environ.items() if name not in ours},
        "TMPDIR": str(passing),
        "PIP_RETRIES": "10",
    }


def test_every_command_is_run_by_a_test() -> None:
    """Those below; the image is built by the tests of containers, so here it only must name a file that is there."""
    commands = {command for block in blocks("sh") for command in block.splitlines()}

    image = "docker build -t config-supervisor -f docker/Dockerfile ."
    side_commands = {command for command in commands if command.startswith("config-supervisor ")}
    assert commands - side_commands == {"make run", "make test", "python3 -m pip install .", image}
    assert {command.split()[1] for command in side_commands} == {"doctor", "check", "rbac", "status"}
    assert (REPOSITORY / "docker" / "Dockerfile").is_file()


def test_make_knows_what_the_readme_names() -> None:
    """Every `make …` of the text."""
    makefile = (REPOSITORY / "Makefile").read_text()

    named = set(re.findall(r"`(?:[A-Z_]+=\S+ )?make ([a-z-]+)`", README))
    assert {"test", "test-slow", "lint"} <= named
    assert named <= set(re.findall(r"^([a-z-]+):.*##", makefile, re.MULTILINE))


@pytest.mark.slow
@pytest.mark.timeout(INSTALL_S)
@pytest.mark.parametrize("edit", ["first", "second"])
def test_make_run_shows_a_reload_within_a_second_of_an_edit(fresh: Path, environment: dict[str, str], edit: str) -> None:
    """And Ctrl-C ends it, with no process and no file left. Then once more."""
    manifest = fresh / "examples" / "greeter.yaml"
    manifest.write_text(marked(manifest.read_text()))
    with terminal("make", "run", environment=environment, cwd=fresh) as screen:
        screen.wait_for("Edit examples/greeter.yaml, save it", INSTALL_S)
        greeting = greeted(screen, "started")
        took_s = []
        for new in (f"{edit} edit", f"{edit} edit, seen again"):  # the machine may be busy with something else
            screen.wait_for("config.applied")  # from then on a reload is due at once
            screen.seen = ""
            edited = time.monotonic()
            manifest.write_text(manifest.read_text().replace(f"greeting = {greeting}", f"greeting = {new}"))
            greeting = greeted(screen, "reloaded")
            took_s.append(time.monotonic() - edited)
            assert greeting == new
        screen.type("\x03")
        screen.wait_for("bye")

        assert screen.process.wait(10) == 0
    assert min(took_s) < 1
    assert os.listdir(environment["TMPDIR"]) == []
    eventually(lambda: not pids_with(environment["TMPDIR"]), "no process is left")


def test_side_commands_are_no_wrong_usage() -> None:
    """Each runs; here there is no cluster, and nobody listens, which is to be mended."""
    commands = [command.split()[1:] for block in blocks("sh") for command in block.splitlines() if command.startswith("config-s")]

    assert {words[0]: side(*words).code for words in commands} == {"doctor": 1, "check": 0, "rbac": 0, "status": 1}


@pytest.mark.slow
@pytest.mark.timeout(INSTALL_S)
def test_make_test_runs_the_tests(fresh: Path, environment: dict[str, str]) -> None:
    """Here only those of one file, as the README tells; the second time nothing is installed any more."""
    few = {**environment, "PYTEST_ADDOPTS": "tests/rooms/test_backoff.py"}
    ended = [subprocess.run(["make", "test"], cwd=fresh, env=few, capture_output=True, text=True, check=False) for _ in "12"]

    assert [done.returncode for done in ended] == [0, 0]
    assert all(re.search(r"=+ \d+ passed in ", done.stdout) for done in ended)
    assert "pip install" not in ended[1].stdout


def greeted(screen: Terminal, when: str) -> str:
    """How the example greets, when it has done so last."""
    pattern = rf"\[greeter \d+\] {when}: (.+), world!"
    screen.wait_for(pattern)
    return str(re.findall(pattern, screen.seen)[-1])


@pytest.mark.slow
@pytest.mark.timeout(INSTALL_S)
def test_it_can_be_installed_by_pip(fresh: Path, environment: dict[str, str], tmp_path: Path) -> None:
    """Into an environment of its own; the program has both names."""
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "own")], check=True)
    path = {**environment, "PATH": f"{tmp_path}/own/bin:{environment['PATH']}"}
    subprocess.run(["sh", "-c", "python3 -m pip install ."], cwd=fresh, env=path, stdout=subprocess.DEVNULL, check=True)

    for name in ("config-supervisor", "config-controller"):
        said = subprocess.run([name, "--version"], cwd=tmp_path, env=path, stdout=subprocess.PIPE, check=True).stdout
        assert said.decode() == f"config-supervisor {__version__}\n"


def test_the_log_line_has_the_fields_that_are_shown(start: Start, manifest: Manifest, root: Path) -> None:
    """In the same order; and those of an origin and of a change."""
    (shown,) = (json.loads(block) for block in blocks("json"))
    running = start(f"--manifest={manifest(key='one')}", f"--configroot={root}", command=program("show_signals"))
    line = running.wait_for_event("config.applied")

    def fields(event: dict[str, list[dict[str, str]]]) -> list[list[str]]:
        return [list(event), list(event["origins"][0]), list(event["changed"][0])]

    assert fields(line) == fields(shown)
