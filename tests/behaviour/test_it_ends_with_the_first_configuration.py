from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.conftest import Manifest, Start, needs_root
from tests.running import DEADLINE_S, SUPERVISOR, begun_by, eventually, kill_all, program
from tests.stand_ins.api import StandInApi


def test_as_an_init_container_it_writes_and_leaves(start: Start, manifest: Manifest, root: Path) -> None:
    """With 0, once the files are there; the log says where."""
    running = start(f"--manifest={manifest(key='1')}", f"--configroot={root}", "--once")

    assert running.wait() == 0
    assert (root / "key").read_text() == "1"
    assert str(root) in running.wait_for_event("once.done")["message"]


def test_the_container_that_follows_finds_it_and_goes_on(start: Start, manifest: Manifest, root: Path) -> None:
    """The same content is not written again."""
    path = manifest(key="1")
    start(f"--manifest={path}", f"--configroot={root}", "--once").wait()
    live = os.readlink(root / "..data")
    running = start(f"--manifest={path}", f"--configroot={root}", command=program("show_config", f"{root}/key"))
    running.out.wait_for("^started '1'$")

    assert os.readlink(root / "..data") == live


def test_it_waits_for_what_is_not_there_yet(start: Start, manifest: Manifest, root: Path, tmp_path: Path) -> None:
    """As any start does; and gives up like one."""
    running = start(f"--manifest={tmp_path}/manifest.yaml", f"--configroot={root}", "--once")
    running.wait_for_event("source.problem")
    manifest(key="1")
    assert running.wait() == 0
    running = start(f"--manifest={tmp_path}/no.yaml", f"--configroot={root}", "--once", "--startup-timeout=2")

    assert running.wait() == 125
    assert "there is no such file" in running.wait_for_event("start.failed")["message"]


@pytest.mark.parametrize("as_pid1", [False, pytest.param(True, marks=needs_root)])
def test_with_a_command_it_becomes_the_command(start: Start, manifest: Manifest, root: Path, as_pid1: bool) -> None:
    """The same process, with the mask, dispositions, environment and descriptors that we were given."""
    path = manifest(key="1")
    given = json.loads(start(command=program("show_world", "-x"), environment={"LC_ALL": "", "LANG": ""}).out.wait_for("^{"))
    running = start(
        *(f"--manifest={path}", f"--configroot={root}", "--once"),
        command=["sh", "-c", f'cat {root}/key; echo; echo "$$"; exec "$@"', "sh", *program("show_world", "-x")],
        environment={"LC_ALL": "", "LANG": ""},
        as_pid1=as_pid1,
    )
    world = json.loads(running.out.wait_for("^{"))

    assert running.out.all()[:2] == ["1", "1" if as_pid1 else str(running.pid)]
    assert {part: world[part] for part in world if part not in {"leads_group", "environment"}} == {
        part: given[part] for part in given if part not in {"leads_group", "environment"}
    }
    assert running.wait() == 0


@pytest.mark.parametrize(
    ("command", "code", "message"),
    [(["no-such-command"], 127, "no such command"), (["/etc/passwd"], 126, "Permission denied")],
)
def test_a_command_that_cannot_be_started_is_said(
    start: Start, manifest: Manifest, root: Path, command: list[str], code: int, message: str
) -> None:
    """With the code that shells have for it. The files are there all the same."""
    running = start(f"--manifest={manifest(key='1')}", f"--configroot={root}", "--once", command=command)

    assert running.wait() == code
    assert message in running.wait_for_event("start.failed")["message"]
    assert (root / "key").exists()


def test_a_signal_before_the_first_configuration_ends_it(start: Start, root: Path, tmp_path: Path) -> None:
    """Nothing is run then."""
    running = start(f"--manifest={tmp_path}/late.yaml", f"--configroot={root}", "--once", command=["echo", "run"])
    running.wait_for_event("source.problem")

    assert running.stop() == 128 + signal.SIGTERM
    assert running.out.wait_for_end() == []


@pytest.mark.plain
def test_what_comes_before_the_command_is_not_begun(
    manifest: Manifest, root: Path, tmp_path: Path, full_pipe: tuple[int, int]
) -> None:
    """Here a log that nobody reads keeps it for a moment, and what comes in that could not be finished."""
    path = manifest(a="1")
    (tmp_path / "hang").write_text("sync os.rename 'z'")
    faults = begun_by("faulty", FAULTS=tmp_path)
    options = [f"--manifest={path}", f"--configroot={root}", "--once", "--layout=files", "--reload-interval=0", "--settle=0"]
    process = subprocess.Popen([*SUPERVISOR, *options, "--", "true"], stderr=full_pipe[1], env={**os.environ, **faults})
    try:
        eventually((root / "a").exists, "the first one is there")
        manifest(a="2", z="2")

        assert process.wait(DEADLINE_S) == 0
        found = {path.name: path.read_text() for path in root.glob("[az]")}
        assert found in ({"a": "1"}, {"a": "2", "z": "2"})
        assert [name for name in os.listdir(root) if name.startswith(("..new-", "..file-", "..link-"))] == []
    finally:
        kill_all(process)


def test_a_signal_that_came_meanwhile_acts_on_the_command(start: Start, manifest: Manifest, root: Path, tmp_path: Path) -> None:
    """As on one that has no handler for it yet."""
    running = start(f"--manifest={tmp_path}/manifest.yaml", f"--configroot={root}", "--once", command=["sleep", "60"])
    running.wait_for_event("source.problem")
    running.send(signal.SIGUSR1)
    manifest(key="1")

    assert running.wait() == 128 + signal.SIGUSR1


# --- with what an earlier run left


@pytest.fixture
def left(start: Start, manifest: Manifest, root: Path) -> Path:
    """A folder that an earlier run has filled."""
    start(f"--manifest={manifest(key='left')}", f"--configroot={root}", "--once").wait()
    return root


@pytest.fixture
def kubeconfig(tmp_path: Path) -> Path:
    """Of an API server that does not run."""
    return StandInApi().write_kubeconfig(tmp_path / "kubeconfig")


def test_the_cluster_is_away_and_the_command_starts_with_what_was_left(start: Start, left: Path, tmp_path: Path) -> None:
    """Soon, and the log says why; when the cluster is back, the app is told of what is wanted now."""
    api = StandInApi()
    running = start(
        *(f"--kubeconfig={api.write_kubeconfig(tmp_path / 'kubeconfig')}", "--configmap=app"),
        *(f"--configroot={left}", "--start-with-last", "--reload-interval=0"),
        command=program("show_config", f"{left}/key"),
    )
    running.out.wait_for("^started 'left'$")
    message = running.wait_for_event("start.with_last")["message"]
    with api:
        api.client().create("ConfigMap", "default", "app", {"key": "wanted"})
        running.out.wait_for("^reloaded .* 'wanted'$", deadline_s=40)

    assert "cannot list ConfigMap default/app" in message


def test_the_cluster_is_back_with_the_same(start: Start, manifest: Manifest, root: Path, tmp_path: Path) -> None:
    """What the app has taken before, it is not told of again."""
    first = start(f"--manifest={manifest(key='left')}", f"--configroot={root}", command=program("show_config", f"{root}/key"))
    first.wait_for_event("config.applied")
    first.stop()
    api = StandInApi()
    running = start(
        *(f"--kubeconfig={api.write_kubeconfig(tmp_path / 'kubeconfig')}", "--configmap=app"),
        *(f"--configroot={root}", "--start-with-last", "--reload-interval=0"),
        command=program("show_config", f"{root}/key"),
    )
    running.out.wait_for("^started 'left'$")
    with api:
        client = api.client()
        client.create("ConfigMap", "default", "app", {"key": "left"})
        running.wait_for_event("source.found", deadline_s=40)
        client.replace("ConfigMap", "default", "app", {"key": "new"})
        running.out.wait_for("^reloaded .* 'new'$")

    assert len([line for line in running.out.all() if line.startswith("reloaded")]) == 1


def test_a_silent_cluster_is_not_waited_for_longer_than_the_start_may_take(start: Start, left: Path, tmp_path: Path) -> None:
    """It accepts, and says nothing."""
    with StandInApi() as api:
        api.freeze()
        running = start(
            *(f"--kubeconfig={api.write_kubeconfig(tmp_path / 'kubeconfig')}", "--configmap=app"),
            *(f"--configroot={left}", "--start-with-last", "--startup-timeout=0.5"),
            command=program("show_config", f"{left}/key"),
        )
        running.out.wait_for("^started 'left'$")

        assert "no answer yet" in running.wait_for_event("start.with_last")["message"]


def test_without_anything_left_the_start_waits(start: Start, root: Path, kubeconfig: Path) -> None:
    """There is nothing to start with."""
    running = start(
        *(f"--kubeconfig={kubeconfig}", "--configmap=app", f"--configroot={root}", "--start-with-last", "--startup-timeout=1"),
        command=["echo", "run"],
    )

    assert running.wait() == 125
    assert running.out.wait_for_end() == []


def test_without_being_asked_to_the_start_waits(start: Start, left: Path, kubeconfig: Path) -> None:
    """What is left may be old."""
    running = start(
        f"--kubeconfig={kubeconfig}", "--configmap=app", f"--configroot={left}", "--startup-timeout=5", command=["echo", "run"]
    )

    assert running.wait() == 125
    assert "cannot list ConfigMap default/app" in running.wait_for_event("start.failed")["message"]
    assert running.out.wait_for_end() == []
