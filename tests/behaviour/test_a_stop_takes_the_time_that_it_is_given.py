from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from tests.conftest import Manifest, Start, needs_root
from tests.running import eventually, program

SHOW = " ".join(program("show_signals", "stay"))
pid1_or_not = pytest.mark.parametrize(
    "as_pid1", [pytest.param(True, marks=needs_root, id="pid1"), pytest.param(False, id="child")]
)


def exists(pid: int) -> bool:
    """Whether a process runs."""
    return Path(f"/proc/{pid}").exists()


@pid1_or_not
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_the_command_is_killed_when_its_time_is_up(start: Start, number: int, as_pid1: bool) -> None:
    """It gets the signal first. 137 tells that it was killed, and the log why."""
    running = start("--kill-timeout=1.5", command=program("show_signals", "stay"), as_pid1=as_pid1)
    running.out.wait_for("ready")
    began = time.monotonic()
    running.send(number)
    running.out.wait_for(f"^signal {int(number)}$")

    assert running.wait() == 137
    assert 1.5 <= time.monotonic() - began < 6
    assert "--kill-timeout" in running.wait_for_event("command.killed")["message"]


def test_its_whole_group_is_killed(start: Start) -> None:
    """Also what the command did not wait for."""
    running = start("--kill-timeout=0.2", command=["sh", "-c", f"{SHOW} & echo $!; exec {SHOW}"])
    running.out.wait_for("ready", times=2)
    beside = int(running.out.wait_for(r"^\d+$"))
    running.send(signal.SIGTERM)

    assert running.wait(5) == 137
    eventually(lambda: not exists(beside), "what was beside it is gone")


def test_a_second_stop_does_not_start_the_time_anew(start: Start) -> None:
    """However often somebody asks, whatever the signal."""
    running = start("--kill-timeout=3", command=program("show_signals", "stay"))
    running.out.wait_for("ready")
    began = time.monotonic()
    while time.monotonic() < began + 2:
        times = 1 + sum(line == "signal 15" for line in running.out.all())
        for number in (signal.SIGTERM, signal.SIGINT):
            running.send(number)
        running.out.wait_for("^signal 15$", times=times)

    assert running.wait() == 137
    assert 3 <= time.monotonic() - began < 4.5


def test_a_command_that_ends_in_time_is_not_killed(start: Start) -> None:
    """The code is its own."""
    running = start("--kill-timeout=60", command=program("show_signals", "7"))
    running.out.wait_for("ready")

    assert running.stop() == 7


def test_other_signals_start_no_clock(start: Start) -> None:
    """HUP is a reload, not a stop."""
    running = start("--kill-timeout=0.2", command=program("show_signals", "7"))
    running.out.wait_for("ready")
    running.send(signal.SIGHUP)
    running.out.wait_for("^signal 1$")
    with pytest.raises(AssertionError, match="no 1 ×"):
        running.err.wait_for("command.killed", deadline_s=0.6)

    os.kill(running.child_pids()[0], signal.SIGTERM)  # by us, who start no clock
    assert running.wait() == 7


@pytest.mark.parametrize(
    ("option", "sent", "got"),
    [
        ("--stop-signal=USR1", signal.SIGTERM, 10),
        ("--rewrite=INT:HUP", signal.SIGINT, 1),
        ("--stop-signal=WINCH", signal.SIGWINCH, 28),
    ],
)
def test_what_a_stop_signal_is_rewritten_to_is_one_too(start: Start, option: str, sent: int, got: int) -> None:
    """The time runs from then on. So it does when the image's own STOPSIGNAL arrives, which is the one of --stop-signal."""
    running = start("--kill-timeout=1", option, command=program("show_signals", "stay"))
    running.out.wait_for("ready")
    running.send(sent)

    assert running.wait(5) == 137
    assert running.out.wait_for_end() == ["ready", f"signal {got}"]


def test_a_stop_signal_that_is_dropped_stops_nothing(start: Start) -> None:
    """Neither at once nor later."""
    running = start("--kill-timeout=0.2", "--rewrite=INT:0", command=program("show_signals", "7"))
    running.out.wait_for("ready")
    running.send(signal.SIGINT)
    with pytest.raises(AssertionError, match="no 1 ×"):
        running.err.wait_for("command.killed", deadline_s=0.6)

    os.kill(running.child_pids()[0], signal.SIGTERM)  # by us, who start no clock
    assert running.wait() == 7
    assert running.out.wait_for_end() == ["ready", "signal 15"]


# --- the delay


@pid1_or_not
def test_a_stop_is_forwarded_after_the_delay(start: Start, as_pid1: bool) -> None:
    """So that load balancers let go before the command closes its doors. Other signals are not delayed."""
    running = start("--stop-delay=2", command=program("show_signals", "7"), as_pid1=as_pid1)
    running.out.wait_for("ready")
    began = time.monotonic()
    running.send(signal.SIGTERM)
    running.send(signal.SIGUSR1)
    running.out.wait_for("^signal 10$")
    assert time.monotonic() - began < 1.8

    assert running.wait() == 7
    assert 2 <= time.monotonic() - began < 5
    assert running.out.wait_for_end() == ["ready", "signal 10", "signal 15"]


@pytest.mark.parametrize(("second", "got"), [(signal.SIGTERM, ["signal 15"]), (signal.SIGINT, ["signal 15", "signal 2"])])
def test_a_second_stop_ends_the_delay(start: Start, second: int, got: list[str]) -> None:
    """The first one is forwarded at once; the second too, if it is another one."""
    running = start("--stop-delay=60", "--kill-timeout=1", command=program("show_signals", "stay"))
    running.out.wait_for("ready")
    running.send(signal.SIGTERM)
    eventually(lambda: "ShdPnd:\t0000000000000000" in Path(f"/proc/{running.pid}/status").read_text(), "it has been taken")
    running.send(signal.SIGUSR1)
    running.out.wait_for("^signal 10$")
    running.send(second)

    assert running.wait(10) == 137
    assert sorted(running.out.wait_for_end()) == sorted(["ready", "signal 10", *got])


def test_the_time_until_kill_runs_from_the_end_of_the_delay(start: Start) -> None:
    """The command does not know of the stop before."""
    running = start("--stop-delay=1.5", "--kill-timeout=1.5", command=program("show_signals", "stay"))
    running.out.wait_for("ready")
    began = time.monotonic()
    running.send(signal.SIGTERM)

    assert running.wait() == 137
    assert 3 <= time.monotonic() - began < 6


def test_the_command_may_end_during_the_delay(start: Start) -> None:
    """Its end is ours, at once."""
    running = start("--stop-delay=60", command=["sh", "-c", "trap 'exit 9' USR1; echo ready; while :; do sleep 0.01; done"])
    running.out.wait_for("ready")
    running.send(signal.SIGTERM)
    running.send(signal.SIGUSR1)

    assert running.wait(5) == 9


# --- reloads


@pytest.mark.parametrize("delay", ["0", "60"])
def test_no_reload_is_sent_once_a_stop_is_under_way(start: Start, manifest: Manifest, root: Path, delay: str) -> None:
    """Not to an app that is shutting down, nor to one that is about to."""
    running = start(
        f"--manifest={manifest(key='one')}",
        f"--configroot={root}",
        f"--stop-delay={delay}",
        "--reload-interval=0",
        command=program("show_signals", "stay"),
    )
    running.out.wait_for("ready")
    manifest(key="two")
    running.out.wait_for("^signal 1$")
    running.send(signal.SIGTERM)
    running.send(signal.SIGUSR1)
    running.out.wait_for("^signal 10$")
    manifest(key="three")
    with pytest.raises(AssertionError, match="no 2 ×"):
        running.out.wait_for("^signal 1$", times=2, deadline_s=0.7)

    os.kill(running.child_pids()[0], signal.SIGKILL)
    assert running.wait() == 137


def test_no_further_way_is_used_once_a_stop_is_under_way(start: Start, manifest: Manifest, root: Path, tmp_path: Path) -> None:
    """It begins while the first of two has not answered yet."""
    asked, go_on, last = tmp_path / "asked", tmp_path / "go-on", int(signal.SIGRTMIN)
    running = start(
        *(f"--manifest={manifest(key='one')}", f"--configroot={root}", "--stop-delay=60", "--reload-interval=0", "--settle=0"),
        f"--reload-command=sh -c 'touch {asked}; until test -e {go_on}; do sleep 0.01; done'",
        "--reload-signal=HUP",
        command=program("show_signals", "stay"),
    )
    running.out.wait_for("ready")
    running.wait_for_event("config.applied")
    manifest(key="two")
    eventually(asked.exists, "the first is asked")
    threads = Path(f"/proc/{running.pid}/task")
    before = len(list(threads.iterdir()))
    running.send(signal.SIGTERM)
    running.send(last)
    running.out.wait_for(f"^signal {last}$")  # the kernel hands the lower one out first
    go_on.touch()
    eventually(lambda: len(list(threads.iterdir())) < before, "the sync thread has ended")
    running.send(last)
    running.out.wait_for(f"^signal {last}$", times=2)

    assert running.out.all() == ["ready", *[f"signal {last}"] * 2]
    assert len(running.events("config.applied")) == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_a_stop_while_we_wait_for_the_first_configuration_is_immediate(
    start: Start, root: Path, tmp_path: Path, number: int
) -> None:
    """128 and its number within 100 ms, whatever it would become for a command, and however long the command might have."""
    options = ["--stop-delay=60", "--rewrite=TERM:USR1", "--kill-timeout=60"]
    took_s = []
    for one in range(3):  # the machine may be busy with something else
        running = start(f"--manifest={tmp_path}/later.yaml", f"--configroot={root}{one}", *options, command=["echo", "started"])
        running.wait_for_event("source.problem")
        began = time.monotonic()
        running.send(number)

        assert running.wait() == 128 + number
        took_s.append(time.monotonic() - began)
        assert running.out.wait_for_end() == []
    assert min(took_s) < 0.1
