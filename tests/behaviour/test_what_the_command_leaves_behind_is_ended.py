"""With --group-kill, by PID 1 and by a subreaper; otherwise it is the kernel's business."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.conftest import Start, needs_root
from tests.running import program

HOW = [pytest.param([], True, marks=needs_root, id="pid1"), pytest.param(["--subreaper"], False, id="subreaper")]
reapers = pytest.mark.parametrize(("options", "as_pid1"), HOW)


@reapers
def test_what_is_left_gets_term(start: Start, options: list[str], as_pid1: bool) -> None:
    """Also what is in another session; and we do not wait longer than it takes. The code is the command's."""
    running = start(*options, "--group-kill", command=program("leave"), as_pid1=as_pid1)

    running.out.wait_for("^signal 15$")
    began = time.monotonic()
    assert running.wait() == 3
    assert time.monotonic() - began < 1.5
    assert running.out.wait_for_end()[-1] == "signal 15"


@reapers
def test_what_ignores_term_is_killed_after_a_moment(start: Start, options: list[str], as_pid1: bool) -> None:
    """Nobody is left."""
    running = start(*options, "--group-kill", command=program("leave", "stay"), as_pid1=as_pid1)
    pid = int(running.out.wait_for("^left").split()[1])

    assert running.wait(10) == 3
    assert running.out.wait_for_end()[-1] == "signal 15"
    assert as_pid1 or not Path(f"/proc/{pid}").exists()


@reapers
def test_a_stop_ends_the_moment(start: Start, options: list[str], as_pid1: bool) -> None:
    """Whoever asks again does not want to wait."""
    running = start(*options, "--group-kill", command=program("leave", "stay"), as_pid1=as_pid1)
    running.out.wait_for("^signal 15$")
    began = time.monotonic()
    running.send(signal.SIGTERM)

    assert running.wait(10) == 3
    assert time.monotonic() - began < 1.5


@needs_root
def test_what_was_brought_into_our_namespace_is_ended_too(start: Start) -> None:
    """As by docker exec: it is nobody's child here, and would be killed by the kernel without a word."""
    running = start("--group-kill", command=["sh", "-c", "echo ready; exec sleep 60"], as_pid1=True)
    running.out.wait_for("ready")
    inside = ["nsenter", "-t", str(running.pid), "-p", *program("show_signals", "stay")]
    with subprocess.Popen(inside, stdout=subprocess.PIPE, text=True) as entered:
        assert entered.stdout
        assert entered.stdout.readline() == "ready\n"
        running.send(signal.SIGTERM)

        assert running.wait(10) == 143
        assert entered.stdout.read() == "signal 15\n"


@pytest.mark.parametrize("options", [["--subreaper"], ["--group-kill"], []])
def test_otherwise_it_is_left_alone(start: Start, options: list[str]) -> None:
    """It may have been meant to go on, as a daemon's child."""
    running = start(*options, command=program("leave", "stay"))
    pid = int(running.out.wait_for("^left").split()[1])

    assert running.wait() == 3
    running.out.wait_for("^ready$")
    os.kill(pid, signal.SIGKILL)
    assert "signal 15" not in running.out.wait_for_end()


@needs_root
def test_without_being_asked_pid1_leaves_at_once(start: Start) -> None:
    """The kernel kills what is left in the namespace; the command's end is the container's."""
    running = start(command=program("leave", "stay"), as_pid1=True)

    assert running.wait() == 3
    assert "signal 15" not in running.out.wait_for_end()


@reapers
def test_orphans_of_orphans_are_ended_too(start: Start, options: list[str], as_pid1: bool) -> None:
    """Each becomes ours when its parent has ended."""
    script = "read pid < <(setsid sh -c 'sleep 77 & echo $!; exec sleep 78'); echo $pid; exit 3"
    running = start(*options, "--group-kill", command=["bash", "-c", script], as_pid1=as_pid1)
    pid = int(running.out.wait_for(r"^\d+$"))

    assert running.wait() == 3
    assert as_pid1 or not Path(f"/proc/{pid}").exists()
