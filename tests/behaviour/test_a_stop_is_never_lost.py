from __future__ import annotations

import random
import shutil
import signal
import socket
import time
from pathlib import Path
from statistics import median

import pytest

from tests.conftest import Manifest, Start, needs_root
from tests.inits import Init, every_init
from tests.running import begun_by, eventually, program, soon_s

PID1_OR_NOT = [pytest.param(True, marks=needs_root, id="pid1"), pytest.param(False, id="child")]


@pytest.mark.parametrize("as_pid1", PID1_OR_NOT)
@pytest.mark.parametrize("with_source", [True, False], ids=["source", "plain"])
@pytest.mark.parametrize("times", [10, pytest.param(100, marks=pytest.mark.slow)])
def test_a_stop_at_a_random_instant_of_the_start_ends_it(
    start: Start, manifest: Manifest, tmp_path: Path, as_pid1: bool, with_source: bool, times: int
) -> None:
    """In the first 600 ms from our first line on, a TERM ends the program within two seconds, and leaves no process."""
    took_s = []
    options = [f"--manifest={manifest(key='value')}", f"--configroot={tmp_path}/config"] if with_source else []
    for _ in range(times):
        running = start(*options, command=["sleep", "1000"], as_pid1=as_pid1)
        pid = running.pid
        eventually(running.holds_signals, "the first line has run")
        time.sleep(random.uniform(0, 0.6))  # the instant itself
        children = running.child_pids()
        began = time.monotonic()
        running.send(signal.SIGTERM)

        assert running.wait() == 143
        took_s.append(time.monotonic() - began)
        assert not any(Path(f"/proc/{one}").exists() for one in [pid, *children])
    assert median(took_s) < soon_s()


@pytest.mark.parametrize("with_source", [True, False], ids=["source", "plain"])
@pytest.mark.parametrize("times", [10, pytest.param(100, marks=pytest.mark.slow)])
def test_not_even_before_our_first_line(start: Start, manifest: Manifest, tmp_path: Path, with_source: bool, times: int) -> None:
    """Where we are not PID 1, the kernel ends us then; nothing was started."""
    options = [f"--manifest={manifest(key='value')}", f"--configroot={tmp_path}/config"] if with_source else []
    for _ in range(times):
        running = start(*options, command=["sleep", "1000"])
        time.sleep(random.uniform(0, 0.1))  # the instant itself

        assert running.stop() == 143


@pytest.mark.parametrize("as_pid1", PID1_OR_NOT)
@every_init("own group")
def test_a_stop_between_fork_and_exec_is_not_lost(start: Start, init: Init, as_pid1: bool) -> None:
    """When the command exists but is not yet itself: here it has to look for its program in thousands of folders."""
    path = ":".join([*(f"/no/{number}" for number in range(12_000)), "/usr/bin", "/bin"])
    took_s = []
    for _ in range(5):
        prefix = ["/usr/bin/env", f"PATH={path}"]
        words = [shutil.which(init.words[0]) or "", *init.words[1:]]
        running = start(*init.told(), init=words, command=["sleep", "1000"], as_pid1=as_pid1, prefix=prefix)
        eventually(running.child_pids, "the command has been forked")
        began = time.monotonic()
        running.send(signal.SIGTERM)

        assert running.wait() == 143
        took_s.append(time.monotonic() - began)
    assert median(took_s) < soon_s()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_a_stop_while_we_wait_for_the_first_configuration_gives_128_and_its_number(
    start: Start, root: Path, tmp_path: Path, number: int
) -> None:
    """The command is never started."""
    running = start(f"--manifest={tmp_path}/later.yaml", f"--configroot={root}", command=["echo", "started"])
    running.wait_for_event("source.problem")

    running.send(number)

    assert running.wait() == 128 + number
    assert running.out.wait_for_end() == []


WITHOUT_TERMINAL = ["setsid", "--wait"]  # a terminal sends WINCH for its own reasons


@pytest.mark.parametrize(("number", "option"), [(signal.SIGUSR1, "--stop-signal=USR1"), (signal.SIGWINCH, "--v=0")])
def test_the_stop_signal_of_an_image_stops_it_before_its_first_configuration(
    start: Start, root: Path, tmp_path: Path, number: int, option: str
) -> None:
    """What the command would be stopped by, and WINCH, the STOPSIGNAL of Apache's images."""
    words = [f"--manifest={tmp_path}/later.yaml", f"--configroot={root}", option]
    running = start(*words, command=["echo", "started"], prefix=WITHOUT_TERMINAL)
    running.wait_for_event("source.problem")

    running.send(number)

    assert running.wait() == 128 + number
    assert running.out.wait_for_end() == []


def test_winch_counts_as_a_stop_where_there_is_no_terminal(start: Start) -> None:
    """It is passed on, and a command that does not end of it is out of time."""
    running = start("--kill-timeout=1", command=program("show_signals"), prefix=WITHOUT_TERMINAL)
    running.out.wait_for("ready")

    running.send(signal.SIGWINCH)

    assert running.wait() == 128 + signal.SIGKILL
    assert running.out.wait_for_end() == ["ready", f"signal {int(signal.SIGWINCH)}"]


def test_other_signals_wait_for_the_command(start: Start, manifest: Manifest, root: Path, tmp_path: Path) -> None:
    """A signal that comes before the first configuration is handed on when the command runs."""
    running = start(f"--manifest={tmp_path}/manifest.yaml", f"--configroot={root}", command=["sleep", "60"])
    running.wait_for_event("source.problem")

    running.send(signal.SIGRTMIN + 5)  # deadly for a command that has no handler
    manifest(key="value")

    assert running.wait() == 128 + signal.SIGRTMIN + 5


def test_the_commands_end_is_our_end(start: Start, manifest: Manifest, root: Path) -> None:
    """Whatever the other threads do: here one delivers a reload to a server that never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/"
        running = start(
            f"--manifest={manifest(key='one')}",
            f"--configroot={root}",
            f"--reload-http={url}",
            command=program("show_signals", "5"),
        )
        running.out.wait_for("ready")
        manifest(key="two")
        request, _ = server.accept()

        with request:
            assert running.stop() == 5


def test_a_sidecar_that_is_asked_to_stop_leaves_with_0(start: Start, manifest: Manifest, root: Path) -> None:
    """It has done what it was for."""
    running = start(f"--manifest={manifest(key='value')}", f"--configroot={root}")
    running.wait_for_event("config.applied")

    assert running.stop() == 0


@pytest.mark.plain
@pytest.mark.parametrize("command", [[], ["sleep", "60"]], ids=["sidecar", "command"])
def test_what_is_being_published_comes_to_its_end(
    start: Start, manifest: Manifest, root: Path, tmp_path: Path, command: list[str]
) -> None:
    """Nobody finds plain files of two revisions side by side after a stop."""
    (tmp_path / "slow").write_text("sync os.rename 'k")
    names = [f"k{number}" for number in range(6)]
    running = start(
        *(f"--manifest={manifest(**dict.fromkeys(names, 'old'))}", f"--configroot={root}", "--layout=files", "--settle=0"),
        *([] if command else ["--reload-interval=0"]),
        command=command,
        environment=begun_by("faulty", FAULTS=tmp_path),
    )
    running.wait_for_event("config.applied")
    manifest(**dict.fromkeys(names, "new"))
    eventually(lambda: (root / "k0").read_text() == "new", "the first of the new files is there")
    running.stop()

    assert {(root / name).read_text() for name in names} == {"new"}
