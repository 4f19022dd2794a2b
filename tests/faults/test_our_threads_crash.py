from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tests.asking import ask, wait_for_status
from tests.conftest import Manifest, Start
from tests.faults.conftest import Tried
from tests.running import Running, begun_by, eventually, program


@pytest.fixture
def faulty(start: Start, manifest: Manifest, root: Path, tmp_path: Path) -> Callable[..., Running]:
    """Start the program in such a way that a file `crash` or `clock` gives it faults."""

    def run(*options: str) -> Running:
        manifest(key="1")
        running = start(
            *(f"--manifest={tmp_path}/manifest.yaml", f"--configroot={root}", "--reload-interval=0", "--settle=0"),
            *(f"--listen=unix:{tmp_path}/socket", *options),
            command=program("show_config", f"{root}/key"),
            environment=begun_by("faulty", FAULTS=tmp_path),
        )
        running.out.wait_for("^started '1'$")
        running.wait_for_event("config.applied")
        return running

    return run


def watches_of(running: Running) -> int:
    """How many instances of inotify it holds."""
    found = 0
    for link in Path(f"/proc/{running.pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            found += "inotify" in os.readlink(link)
    return found


@pytest.mark.parametrize(
    ("thread", "crash"),
    [
        ("sync", "sync os.mkdir ..new-"),
        ("sync", "sync os.rename ..data"),
        ("sync", "sync os.rename ..good"),
        ("sync", "sync os.rmdir .."),  # of the generation that is not kept any more
        ("manifest", "manifest open manifest.yaml"),
    ],
)
def test_a_thread_that_crashes_is_started_again_and_nothing_is_lost(
    faulty: Callable[..., Running], manifest: Manifest, tmp_path: Path, tried: Tried, thread: str, crash: str
) -> None:
    """The command is not touched, metrics count it, and the change at which it crashed arrives without another one."""
    running = faulty()
    children = running.child_pids()
    manifest(key="2")
    running.wait_for_event("config.applied", 2)
    (tmp_path / "crash").write_text(crash)
    manifest(key="3")
    running.wait_for_event("thread.crashed", 2)
    (tmp_path / "crash").unlink()
    running.out.wait_for("^reloaded .* '3'$")
    manifest(key="4")
    running.out.wait_for("^reloaded .* '4'$")

    assert running.child_pids() == children
    eventually(lambda: watches_of(running) == 1, "a watch that crashed has let go of its instance of inotify")
    crashes = [
        line for line in ask(f"unix:{tmp_path}/socket", "/metrics").body.decode().splitlines() if "_thread_crashes_total{" in line
    ]
    assert [float(line.split()[-1]) >= 2 for line in crashes if f'"{thread}' in line] == [True]
    assert "injected" not in "".join(running.err.all())
    tried(f"our {thread} thread crashes again and again", "started again with backoff; the command untouched", lost=0)


def test_a_thread_that_crashes_during_a_stop_takes_its_time(
    faulty: Callable[..., Running], manifest: Manifest, tmp_path: Path
) -> None:
    """It is started again as seldom as before: the command needs the processor now."""
    running = faulty("--stop-delay=1")
    (tmp_path / "crash").write_text("manifest open manifest.yaml")
    manifest(key="2")
    running.wait_for_event("thread.crashed")

    assert running.stop() == 143
    running.err.wait_for_end()
    assert len(running.events("thread.crashed")) < 10


def test_a_sync_thread_that_hangs_is_seen(
    faulty: Callable[..., Running], manifest: Manifest, tmp_path: Path, tried: Tried
) -> None:
    """As on a disk that does not answer: the liveness probe says so when all time-outs are over, and no longer than it lasts."""
    running = faulty("--unhealthy-after=1", "--hook-timeout=0.5", "--confirm-within=0.5")
    (tmp_path / "hang").write_text("sync os.rename ..data")
    manifest(key="2")
    answer = wait_for_status(f"unix:{tmp_path}/socket", "/livez", 503)
    (tmp_path / "hang").unlink()
    running.out.wait_for("^reloaded .* '2'$")
    wait_for_status(f"unix:{tmp_path}/socket", "/livez", 200)

    assert b"the sync thread has been stuck for" in answer.body
    assert running.child_pids()
    tried("our sync thread hangs in a write", "`/livez` fails after all time-outs; the command untouched", lost=0)


@pytest.mark.parametrize("jump_s", [3600, -3600, 10**9])
def test_a_clock_that_jumps_ends_and_delays_nothing(
    faulty: Callable[..., Running], manifest: Manifest, tmp_path: Path, tried: Tried, jump_s: int
) -> None:
    """Not even the patience with an app that does not take its configuration, which is counted in seconds that have passed."""
    app = f"unix:{tmp_path}/socket"
    running = faulty("--reload-http=http://127.0.0.1:1/", "--reload-retries=0", "--no-rollback", "--unhealthy-after=60")
    manifest(key="2")
    running.wait_for_event("config.failed", 1)
    (tmp_path / "clock").write_text(str(jump_s))
    manifest(key="3")
    running.wait_for_event("config.failed", 2)

    assert ask(app, "/livez").status == 200
    assert running.events()[-1]["time"] != running.events()[0]["time"]
    tried("the clock is set by hours and years", "nothing is delayed, `/livez` keeps its patience", lost=0)
