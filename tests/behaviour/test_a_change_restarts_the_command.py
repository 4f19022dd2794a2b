from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Manifest, Start, needs_root
from tests.running import Running, program

Run = Callable[..., Running]


@pytest.fixture
def run(start: Start, manifest: Manifest, root: Path) -> Run:
    """Start an app that is started again for each change."""

    def run(*options: str, command: list[str] | None = None, **more: object) -> Running:
        path = root.parent / "manifest.yaml"
        if not path.exists():
            manifest(key="one")
        words = [
            f"--manifest={path}",
            f"--configroot={root}",
            "--reload-restart",
            "--settle=0.3",
            "--reload-interval=0",
            *options,
        ]
        words = list({word.partition("=")[0]: word for word in words}.values())
        return start(*words, command=command or program("picky_app", f"{root}/key"), **more)

    return run


def test_it_is_stopped_and_started_with_the_new_files(run: Run, manifest: Manifest, root: Path) -> None:
    """By the stop signal; we stay, and a signal goes to the new one."""
    script = f"trap 'echo ends; exit' USR1; trap 'echo hup' HUP; cat {root}/key; echo; while :; do sleep 0.02; done"
    running = run("--stop-signal=USR1", command=["sh", "-c", script])
    running.wait_for_event("config.applied")
    manifest(key="two")
    running.wait_for_event("config.applied", times=2)
    running.send(signal.SIGHUP)
    running.out.wait_for("hup")

    assert running.out.all() == ["one", "ends", "two", "hup"]


@pytest.mark.parametrize("as_pid1", [pytest.param(True, marks=needs_root), False])
def test_one_that_dies_of_the_new_files_is_started_again_on_the_old_ones(
    run: Run, manifest: Manifest, root: Path, as_pid1: bool
) -> None:
    """The refusal is remembered, and the next change is tried as ever."""
    running = run("--settle=2", as_pid1=as_pid1)  # the app takes its time to start on a busy machine
    running.wait_for_event("config.applied")
    manifest(key="die two")
    refused = running.wait_for_event("config.rolled_back")
    manifest(key="three")
    running.wait_for_event("config.applied", times=2)

    assert "the command ended with exit code 7" in refused["message"]
    took = [line for line in running.out.all() if not line.startswith("port")]
    assert took == ["took 'one'", "dies of 'die two'", "took 'one'", "took 'three'"]
    assert (root / "key").read_text() == "three"


def test_one_that_dies_of_the_old_files_too_ends_us(run: Run, manifest: Manifest, root: Path, tmp_path: Path) -> None:
    """Fail fast, with its code."""
    broken = tmp_path / "broken"
    running = run(command=["sh", "-c", f"test -e {broken} && exit 9; sleep 60"])
    running.wait_for_event("config.applied")
    broken.touch()
    manifest(key="two")

    assert running.wait() == 9
    assert (root / "key").read_text() == "one"


def test_one_that_does_not_stop_is_killed(run: Run, manifest: Manifest, root: Path) -> None:
    """After the kill timeout; then it is started again."""
    running = run("--kill-timeout=0.2", command=["sh", "-c", f"trap '' TERM; cat {root}/key; echo; while :; do sleep 0.02; done"])
    running.wait_for_event("config.applied")
    manifest(key="two")
    running.wait_for_event("config.applied", times=2)

    assert running.out.all() == ["one", "two"]


def test_a_stop_while_it_is_started_again_ends_all(run: Run, manifest: Manifest) -> None:
    """It is not started again for that."""
    running = run(command=["sh", "-c", "trap 'echo asked; sleep 0.5; exit 3' TERM; echo runs; while :; do sleep 0.02; done"])
    running.wait_for_event("config.applied")
    manifest(key="two")
    running.out.wait_for("asked")
    running.send(signal.SIGTERM)

    assert running.wait() == 3
    assert running.out.wait_for_end().count("runs") == 1
