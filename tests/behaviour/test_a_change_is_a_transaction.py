from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import Start
from tests.running import Running, eventually, program

Manifest = Callable[..., Path]

NO_BAD_WORDS = 'sh -c "if grep -n bad {}/key; then exit 3; fi"'


class Pod:
    """The program with an app that is picky, and the folder that outlives it, as an emptyDir does a container."""

    def __init__(self, start: Start, manifest: Manifest, root: Path, *options: str) -> None:
        self.root = root
        self.want = manifest
        self._start = start
        self._options = options

    def run(self, *options: str, **more: object) -> Running:
        """Start the container, or start it again."""
        path = self.root.parent / "manifest.yaml"
        common = [f"--manifest={path}", f"--configroot={self.root}", "--reload-interval=0", "--settle=0.2"]
        words = {word.partition("=")[0]: word for word in [*common, *self._options, *options]}
        return self._start(*words.values(), command=program("picky_app", f"{self.root}/key"), **more)

    @property
    def live(self) -> str:
        """What a reader finds."""
        return (self.root / "key").read_text()


@pytest.fixture
def pod(start: Start, manifest: Manifest, root: Path) -> Pod:
    """An app that is told by SIGHUP."""
    return Pod(start, manifest, root)


@pytest.fixture
def port() -> Iterator[int]:
    """One that is kept for the app of the test: nobody else is given it."""
    with socket.socket() as kept:
        kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        kept.bind(("127.0.0.1", 0))
        yield int(kept.getsockname()[1])


# --- the check


def test_a_revision_that_the_check_refuses_is_never_published(pod: Pod) -> None:
    """The app is not told, the log has the check's last words, and the next good one goes live."""
    pod.want(key="one")
    running = pod.run(f"--validate={NO_BAD_WORDS}")
    running.out.wait_for("took 'one'")
    pod.want(key="bad two")
    refused = running.wait_for_event("config.refused")
    assert pod.live == "one"
    pod.want(key="three")

    running.out.wait_for("took 'three'")
    assert "--validate: sh exits 3: 1:bad two" in refused["message"]
    assert refused["live"] != refused["revision"]
    assert "check" in refused["steps_ms"]
    assert not [line for line in running.out.all() if "two" in line]


def test_a_check_without_the_folder_looks_at_what_is_published_and_the_app_hears_nothing_of_a_refusal(pod: Pod) -> None:
    """The generation before is published again."""
    pod.want(key="one")
    running = pod.run(f"--validate=sh -c 'if grep -n bad {pod.root}/key; then exit 3; fi'")
    running.wait_for_event("config.applied")
    running.out.wait_for("took 'one'")
    pod.want(key="bad two")
    refused = running.wait_for_event("config.rolled_back")
    assert pod.live == "one"
    pod.want(key="three")

    running.out.wait_for("took 'three'")
    assert "exits 3: 1:bad two" in refused["message"]
    assert running.out.all()[1:] == ["took 'one'", "took 'three'"]


def test_a_check_sees_the_revision_and_what_changed(pod: Pod, tmp_path: Path) -> None:
    """In its environment; the folder is the staged one, which is whole and not live yet."""
    pod.want(key="one", other="x")
    seen = tmp_path / "seen"
    check = (
        f'sh -c "printenv CONFIG_SUPERVISOR_REVISION CONFIG_SUPERVISOR_CHANGED >> {seen}; cat {{}}/key >> {seen}; echo >> {seen}"'
    )
    running = pod.run(f"--validate={check}")
    first = running.wait_for_event("config.applied")["revision"]
    pod.want(key="two", other="x")
    second = running.wait_for_event("config.applied", times=2)["revision"]

    assert seen.read_text().split() == [first, "key", "other", "one", second, "key", "two"]


def test_the_command_does_not_start_with_a_refused_configuration_but_with_a_better_one(pod: Pod) -> None:
    """There is no good one to go back to: it waits."""
    pod.want(key="bad one")
    running = pod.run(f"--validate={NO_BAD_WORDS}")
    running.wait_for_event("config.refused")
    assert running.out.all() == []
    assert not (pod.root / "key").exists()
    pod.want(key="two")

    running.out.wait_for("took 'two'")


def test_nothing_refused_stays_live_before_the_command_starts(pod: Pod) -> None:
    """Also with a check that looks at the published files."""
    pod.want(key="bad one")
    running = pod.run(f"--validate=sh -c 'if grep -q bad {pod.root}/key; then exit 3; fi'")
    running.wait_for_event("config.rolled_back")
    assert not (pod.root / "key").exists()
    pod.want(key="two")

    running.out.wait_for("took 'two'")


def test_a_refused_configuration_does_not_outlast_the_startup_timeout(pod: Pod) -> None:
    """Exit 125, with the check's reason."""
    pod.want(key="bad one")
    running = pod.run(f"--validate={NO_BAD_WORDS}", "--startup-timeout=3")

    assert running.wait() == 125
    assert "exits 3: 1:bad one" in running.wait_for_event("start.failed")["message"]
    assert running.out.all() == []


def test_a_check_that_cannot_be_run_publishes_nothing(pod: Pod) -> None:
    """It has said nothing: neither yes nor no. After the last try the log says so."""
    pod.want(key="one")
    running = pod.run("--validate=/no/such/check {}", "--reload-retries=0", "--startup-timeout=3")

    assert "/no/such/check cannot be started: No such file" in running.wait_for_event("config.failed")["message"]
    assert running.wait() == 125
    assert running.out.all() == []


def test_a_check_that_hangs_is_killed_and_asked_again(pod: Pod, tmp_path: Path) -> None:
    """Out of time is no answer; here it answers at the second try."""
    pod.want(key="one")
    asked = tmp_path / "asked"
    check = f"sh -c 'if [ -e {asked} ]; then exit 0; fi; trap \"\" TERM; sleep 600 & echo $! > {asked}; wait' {{}}"
    running = pod.run(f"--validate={check}", "--hook-timeout=0.2")

    running.out.wait_for("took 'one'")
    eventually(lambda: not Path(f"/proc/{asked.read_text().strip()}").exists(), "what it has started is gone too")


# --- the app's no


def test_an_app_that_refuses_by_http_gets_the_last_good_one_back(pod: Pod, port: int) -> None:
    """The folder is rolled back, and the app told once more; the log has the reason."""
    pod.want(key="one")
    running = pod.run(f"--reload-http=http://127.0.0.1:{port}/reload", environment={"PORT": str(port)})
    running.wait_for_event("config.applied")
    running.out.wait_for("took 'one'")
    pod.want(key="refuse two")
    refused = running.wait_for_event("config.rolled_back")
    assert pod.live == "one"
    assert (pod.root / "..good").readlink() == (pod.root / "..data").readlink()
    pod.want(key="three")
    running.out.wait_for("took 'three'")
    running.wait_for_event("config.applied", times=2)

    assert "answers 500" in refused["message"]
    assert "back" in refused["steps_ms"]
    assert running.out.all()[1:] == ["took 'one'", "refuses 'refuse two'", "took 'one'", "took 'three'"]


def test_what_was_refused_is_not_tried_again_until_something_else_was_wanted(pod: Pod, port: int) -> None:
    """An edit that changes nothing is none; going back and forth is one."""
    pod.want(key="one")
    running = pod.run(f"--reload-http=http://127.0.0.1:{port}/reload", environment={"PORT": str(port)})
    running.wait_for_event("config.applied")
    running.out.wait_for("took 'one'")
    pod.want(key="refuse two")
    running.wait_for_event("config.rolled_back")
    for _ in range(3):
        pod.want(key="refuse two")
    pod.want(key="one")
    running.wait_for_event("config.unchanged")
    assert len([line for line in running.out.all() if "refuse two" in line]) == 1
    pod.want(key="refuse two")

    running.wait_for_event("config.rolled_back", times=2)


def test_with_no_rollback_the_new_files_stay(pod: Pod, port: int) -> None:
    """The refusal is told, and nothing else is done."""
    pod.want(key="one")
    running = pod.run("--no-rollback", f"--reload-http=http://127.0.0.1:{port}/reload", environment={"PORT": str(port)})
    running.wait_for_event("config.applied")
    running.out.wait_for("took 'one'")
    pod.want(key="refuse two")
    running.wait_for_event("config.refused")
    running.out.wait_for("^refuses")

    assert pod.live == "refuse two"
    assert running.out.all()[1:] == ["took 'one'", "refuses 'refuse two'"]


def test_when_the_way_back_fails_too_the_state_is_failed_until_something_succeeds(pod: Pod, tmp_path: Path) -> None:
    """Here the app says no to everything for a while."""
    pod.want(key="one")
    closed = tmp_path / "closed"
    running = pod.run(f"--reload-command=sh -c 'echo it is closed; test ! -e {closed}'")
    running.wait_for_event("config.applied")
    closed.touch()
    pod.want(key="two")
    failed = running.wait_for_event("config.failed")
    closed.unlink()
    pod.want(key="three")
    running.wait_for_event("config.applied", times=2)

    assert "the app did not take the way back: --reload-command: sh exits 1: it is closed" in failed["message"]


# --- death


def test_a_command_that_dies_of_a_change_is_gone_at_once_and_the_next_run_starts_with_the_good_one(pod: Pod) -> None:
    """Fail fast with its code; the folder is rolled back and the refusal remembered first. No crash loop."""
    pod.want(key="one")
    running = pod.run()
    running.wait_for_event("config.applied")
    running.out.wait_for("took 'one'")
    pod.want(key="die two")
    running.out.wait_for("dies of 'die two'")
    began = time.monotonic()
    assert running.wait() == 7
    assert time.monotonic() - began < 5
    assert pod.live == "one"
    event = running.wait_for_event("config.rolled_back")
    assert "the command ended with exit code 7" in event["message"]

    for _ in range(2):
        again = pod.run()
        again.out.wait_for("took 'one'")
        refused = again.wait_for_event("config.refused")
        assert "it was refused before: the command ended with exit code 7" in refused["message"]
        again.stop()
    pod.want(key="three")
    pod.run().out.wait_for("took 'three'")


def test_a_command_that_dies_of_what_it_starts_with_starts_with_the_good_one_next_time(pod: Pod) -> None:
    """The change came while it did not run."""
    pod.want(key="one")
    running = pod.run()
    running.wait_for_event("config.applied")
    running.stop()
    pod.want(key="die two")
    assert pod.run("--settle=60").wait() == 7  # it takes its time to start on a busy machine

    again = pod.run()
    again.out.wait_for("took 'one'")
    pod.want(key="three")
    again.out.wait_for("took 'three'")


def test_a_first_configuration_that_kills_the_command_is_not_refused(pod: Pod) -> None:
    """There is nothing to go back to: a database that was away must not lock the app out."""
    pod.want(key="die one")
    assert pod.run().wait() == 7

    assert pod.live == "die one"
    again = pod.run()
    again.out.wait_for("dies of 'die one'")
    assert again.wait() == 7


def test_a_command_that_has_done_its_work_blames_nothing(pod: Pod) -> None:
    """It leaves with 0, as a job does."""
    pod.want(key="one")
    running = pod.run()
    running.wait_for_event("config.applied")
    running.stop()
    pod.want(key="two")
    job = pod._start(f"--manifest={pod.root.parent}/manifest.yaml", f"--configroot={pod.root}", command=["true"])

    assert job.wait() == 0
    assert pod.live == "two"
    assert not (pod.root / "..refused").exists()


def test_a_death_after_the_settling_blames_nothing(pod: Pod) -> None:
    """It was confirmed."""
    pod.want(key="one")
    running = pod.run()
    running.wait_for_event("config.applied")
    os.kill(running.child_pids()[0], signal.SIGKILL)

    assert running.wait() == 137
    assert not (pod.root / "..refused").exists()
    assert pod.live == "one"


def test_a_stop_while_a_revision_is_on_trial_leaves_it_neither_good_nor_refused(pod: Pod) -> None:
    """The next start tries it again, and confirms it."""
    pod.want(key="one")
    running = pod.run()
    running.wait_for_event("config.applied")
    running.stop()
    running = pod.run("--settle=60")
    running.out.wait_for("took 'one'")
    pod.want(key="two")
    running.out.wait_for("took 'two'")
    running.stop()
    assert (pod.root / "..good").readlink() != (pod.root / "..data").readlink()
    assert not (pod.root / "..refused").exists()

    again = pod.run()
    again.wait_for_event("config.unchanged")
    again.out.wait_for("took 'two'")
    assert again.out.all()[1:] == ["took 'two'"]
    assert (pod.root / "..good").readlink() == (pod.root / "..data").readlink()


# --- confirmation


def test_a_reload_is_confirmed_by_http_and_the_app_is_asked_until_it_says_so(pod: Pod, port: int) -> None:
    """The answer must match: here it tells what the app has taken."""
    pod.want(key="one")
    options = [f"--confirm-http=http://127.0.0.1:{port}/", "--confirm-match=^(one|two)$", "--confirm-within=3"]
    running = pod.run(*options, environment={"PORT": str(port)})
    running.wait_for_event("config.applied")
    pod.want(key="three")
    refused = running.wait_for_event("config.rolled_back")
    pod.want(key="two")
    running.wait_for_event("config.applied", times=2)

    assert "does not match --confirm-match" in refused["message"]
    assert "three" not in refused["message"]


def test_a_command_confirms_a_reload(pod: Pod, tmp_path: Path) -> None:
    """It is run again until it exits 0, or the time is over; then its last words are the reason."""
    pod.want(key="one")
    asked, yes = tmp_path / "asked", tmp_path / "yes"
    running = pod.run(f"--confirm-command=sh -c 'touch {asked}; echo not there; test -e {yes}'", "--confirm-within=2")
    eventually(asked.exists, "it is asked")
    yes.touch()
    assert running.wait_for_event("config.applied")["steps_ms"]["confirm"] >= 200
    yes.unlink()
    pod.want(key="two")

    assert "--confirm-command: sh exits 1: not there" in running.wait_for_event("config.failed")["message"]
    assert pod.live == "one"


def test_something_newer_takes_the_place_of_what_is_not_confirmed_yet(pod: Pod) -> None:
    """It does not wait for the confirmation of what nobody wants any more."""
    pod.want(key="one")
    running = pod.run("--settle=60")
    running.out.wait_for("took 'one'")
    began = time.monotonic()
    pod.want(key="two")
    running.out.wait_for("took 'two'")
    pod.want(key="three")
    running.out.wait_for("took 'three'")

    assert time.monotonic() - began < 20
    assert "before it was confirmed" in running.wait_for_event("config.applied", times=2)["message"]


def test_a_newer_revision_that_is_refused_does_not_end_the_trial_of_the_one_before(pod: Pod) -> None:
    """That one is still live, and is confirmed in the end."""
    pod.want(key="one")
    running = pod.run(f"--validate={NO_BAD_WORDS}", "--settle=1")
    running.wait_for_event("config.applied")
    pod.want(key="two")
    running.out.wait_for("took 'two'")
    pod.want(key="bad three")
    running.wait_for_event("config.refused")

    running.wait_for_event("config.applied", times=2)
    assert pod.live == "two"
    assert (pod.root / "..good").readlink() == (pod.root / "..data").readlink()


def test_an_app_that_cannot_be_reached_keeps_the_files_and_something_newer_takes_their_place_at_once(
    pod: Pod, port: int, start: Start
) -> None:
    """Refused connections are no refusal: nothing is rolled back. The newest is delivered as soon as somebody listens."""
    pod.want(key="one")
    running = start(
        f"--manifest={pod.root.parent}/manifest.yaml",
        f"--configroot={pod.root}",
        f"--reload-http=http://127.0.0.1:{port}/",
        "--reload-retries=1",
    )
    failed = running.wait_for_event("config.failed")
    assert "Connection refused" in failed["message"]
    assert pod.live == "one"
    assert not (pod.root / "..refused").exists()
    app = start(command=program("picky_app", f"{pod.root}/key"), environment={"PORT": str(port)})
    app.out.wait_for("port")
    pod.want(key="two")

    running.wait_for_event("config.applied")
    assert app.out.wait_for("took 'two'")
    eventually((pod.root / "..good").exists, "it is good now")
