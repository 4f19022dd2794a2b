from __future__ import annotations

import os
import resource
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Manifest, Start, needs_root
from tests.running import Running, begun_by, eventually, program

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
    running.out.wait_for("one")
    running.wait_for_event("config.applied")
    manifest(key="two")
    running.out.wait_for("two")
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
    running = run("--settle=2", command=["sh", "-c", f"test -e {broken} && exit 9; sleep 60"])
    running.wait_for_event("config.applied")
    broken.touch()
    manifest(key="two")

    assert running.wait() == 9
    assert (root / "key").read_text() == "one"


def test_one_that_does_not_stop_is_killed(run: Run, manifest: Manifest, root: Path) -> None:
    """After the kill timeout; then it is started again."""
    running = run("--kill-timeout=0.2", command=["sh", "-c", f"trap '' TERM; cat {root}/key; echo; while :; do sleep 0.02; done"])
    running.out.wait_for("^one$")
    running.wait_for_event("config.applied")
    manifest(key="two")
    running.out.wait_for("^two$")
    running.wait_for_event("config.applied", times=2)

    assert running.out.all() == ["one", "two"]


def test_a_stop_while_it_is_started_again_ends_all(run: Run, manifest: Manifest, tmp_path: Path) -> None:
    """It is not started again for that."""
    may_end = tmp_path / "may-end"
    script = f"trap 'echo asked; {until(may_end)}; exit 3' TERM; echo runs; while :; do sleep 0.02; done"
    running = run(command=["sh", "-c", script])
    running.out.wait_for("runs")
    running.wait_for_event("config.applied")
    manifest(key="two")
    running.out.wait_for("asked")
    running.send(signal.SIGTERM)
    may_end.touch()

    assert running.wait() == 3
    assert running.out.wait_for_end().count("runs") == 1


def test_the_mend_is_not_blamed_for_what_it_mends(run: Run, manifest: Manifest, root: Path, tmp_path: Path) -> None:
    """The command dies of the one before while the mend is checked: it is started on the good one, and the mend has its turn."""
    app = f"v=$(cat {root}/key); echo $v; [ $v = bad ] || exec sleep 1000; {until(tmp_path / 'may-die')}; exit 7"
    running = die_while_the_mend_is_checked(run, manifest, root, tmp_path, app)
    running.out.wait_for("one", times=2)
    (tmp_path / "may-pass").touch()
    running.out.wait_for("mend")

    assert running.wait_for_event("config.applied", times=3)["live"] == running.events("config.applied")[-1]["revision"]
    assert running.out.all() == ["one", "bad", "one", "mend"]
    assert (root / "key").read_text() == "mend"
    assert not running.events("config.rolled_back")


def test_it_is_not_started_on_the_good_one_for_ever(run: Run, manifest: Manifest, root: Path, tmp_path: Path) -> None:
    """If it dies of that too, while the mend is checked: we end with its code."""
    app = f"cat {root}/key; echo; {until(tmp_path / 'may-die')}; exit 7"
    running = die_while_the_mend_is_checked(run, manifest, root, tmp_path, app)

    assert running.wait() == 7
    assert running.out.wait_for_end() == ["one", "bad", "one"]


def die_while_the_mend_is_checked(run: Run, manifest: Manifest, root: Path, folder: Path, app: str) -> Running:
    """Three revisions: `one` is good, `bad` is not taken for a while, and `mend` is live and checked as `may-die` is made.

    It is checked until `may-pass` is there.
    """
    may_pass = folder / "may-pass"
    may_pass.touch()
    confirm = f'--confirm-command=sh -c "! grep -q bad {root}/key"'
    doubt = (f'--validate=sh -c "{until(may_pass)}"', confirm, "--confirm-within=60", "--settle=0")
    running = run(*doubt, command=["sh", "-c", app])
    running.out.wait_for("one")
    running.wait_for_event("config.applied")
    manifest(key="bad")
    running.out.wait_for("bad")
    may_pass.unlink()
    manifest(key="mend")
    eventually(lambda: (root / "key").read_text() == "mend", "it is published")
    (folder / "may-die").touch()
    return running


@pytest.mark.plain
def test_one_that_dies_when_it_has_been_taken_is_not_refused(run: Run, manifest: Manifest, root: Path, tmp_path: Path) -> None:
    """The death that comes while it is written down that all is well is one of the new configuration, which is good."""
    may_die = tmp_path / "may-die"
    running = run(
        command=["sh", "-c", f"cat {root}/key; echo; {until(may_die)}; exit 7"], environment=begun_by("faulty", FAULTS=tmp_path)
    )
    running.out.wait_for("one")
    running.wait_for_event("config.applied")
    (tmp_path / "hang").write_text("sync os.rename ..good")
    manifest(key="two")
    running.out.wait_for("two")
    eventually(lambda: list(root.glob("..link-*")), "it is about to be good")
    may_die.touch()
    eventually(lambda: not running.child_pids(), "we know of its end")
    (tmp_path / "hang").unlink()

    assert running.wait() == 7
    assert running.out.wait_for_end() == ["one", "two"]
    assert (root / "key").read_text() == (root / "..good/key").read_text() == "two"
    assert not (root / "..refused").exists()


def until(path: Path) -> str:
    """A line of shell that waits for a file."""
    return f"until test -e {path}; do sleep 0.01; done"


def descriptors(running: Running) -> list[int]:
    """Those that it has open."""
    return sorted(map(int, os.listdir(f"/proc/{running.pid}/fd")))


def test_no_restart_costs_a_descriptor(run: Run, manifest: Manifest) -> None:
    """Not even of the pipes through which the lines of the one that has ended came."""
    running = run("--child-logs=json", "--settle=0", command=["sleep", "60"])
    running.wait_for_event("config.applied")
    before = descriptors(running)
    for times in range(2, 6):
        manifest(key=str(times))
        running.wait_for_event("config.applied", times)

    eventually(lambda: len(descriptors(running)) <= len(before), "the pipes of those that have ended are closed")


@pytest.mark.parametrize("how", ["raw", "json"])
@pytest.mark.parametrize("free", [0, 1])
def test_a_restart_for_which_there_is_no_descriptor_is_said(
    run: Run, manifest: Manifest, tmp_path: Path, how: str, free: int
) -> None:
    """In one sentence: the command cannot be started again, and we leave."""
    gate = tmp_path / "gate"
    script = f"trap 'echo asked; while ! test -e {gate}; do sleep 0.02; done; exit' TERM; echo up; while :; do sleep 0.02; done"
    running = run(f"--child-logs={how}", "--settle=0", command=["sh", "-c", script])
    running.out.wait_for("up")
    running.wait_for_event("config.applied")
    manifest(key="two")
    running.out.wait_for("asked")
    taken = descriptors(running)
    limit = [number for number in range(len(taken) + 2) if number not in taken][free]
    resource.prlimit(running.pid, resource.RLIMIT_NOFILE, (limit, limit))
    gate.touch()
    code = running.wait()
    lines = running.err.wait_for_end()

    (failed,) = running.events("start.failed")
    assert "Too many open files" in failed["message"]
    assert code == failed["exit_code"] == {"raw": 126, "json": 125}[how]
    assert "Traceback" not in "".join(lines)


def test_the_last_words_before_a_restart_that_fails_are_not_lost(run: Run, manifest: Manifest, tmp_path: Path) -> None:
    """They are those of the command before, and nothing comes after them."""
    app = tmp_path / "app"
    app.write_text(f"#!/bin/sh\ntrap 'rm {app}; seq 20000; exit' TERM\necho up\nwhile :; do sleep 0.02; done\n")
    app.chmod(0o755)
    running = run("--child-logs=json", "--settle=0", command=[str(app)])
    running.out.wait_for("up")
    running.wait_for_event("config.applied")
    manifest(key="two")

    assert running.wait() == 127
    assert '"20000"' in running.out.wait_for_end()[-1]
