"""What the main thread does with a word from another one: stop the command, and start it again."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import needs_root
from tests.running import AS_PID1, Lines, descendants, eventually, kill_all, program, state

Restarting = tuple["subprocess.Popen[bytes]", Lines]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}


@pytest.fixture
def start() -> Iterator[Callable[..., Restarting]]:
    """Start the test program around a command; a line that is written to it starts the command again."""
    started: list[subprocess.Popen[bytes]] = []

    def start(*command: str, kill_timeout_s: str = "inf", prefix: tuple[str, ...] = ()) -> Restarting:
        words = [*prefix, *program("restart", kill_timeout_s, *command)]
        process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=ENVIRONMENT, bufsize=0)
        started.append(process)
        assert process.stdout
        return process, Lines(process.stdout)

    yield start
    for process in started:
        kill_all(process)
        assert process.stdin
        process.stdin.close()


def ask(process: subprocess.Popen[bytes]) -> None:
    """Ask for another start."""
    assert process.stdin
    process.stdin.write(b"\n")


OBEDIENT = 'trap "echo bye; exit 4" QUIT; trap "echo hello" USR1; echo "up $$"; while :; do sleep 0.01; done'
STUBBORN = 'trap "echo no" QUIT; echo "up $$"; while :; do sleep 0.01; done'


def test_it_gets_the_stop_signal_and_starts_again(start: Callable[..., Restarting]) -> None:
    """As a new process of the same words, which gets the signals that come from then on."""
    process, out = start("sh", "-c", OBEDIENT)
    pids = []
    for times in range(1, 6):
        pids.append(out.wait_for("^up", times).split()[1])
        ask(process)
        out.wait_for("^restarted$", times)
    out.wait_for("^up", 6)
    process.send_signal(signal.SIGUSR1)
    out.wait_for("^hello$")
    process.send_signal(signal.SIGTERM)

    assert process.wait(10) == 4
    assert len(set(pids)) == 5
    assert out.wait_for_end().count("bye") == 6
    assert "ended with 4" not in out.all(), "nobody is asked about an end that was asked for"


def test_it_is_killed_if_it_does_not_end_in_time(start: Callable[..., Restarting]) -> None:
    """And the one that was started in its place has all the time in the world."""
    process, out = start("sh", "-c", STUBBORN, kill_timeout_s="1")
    for times in (1, 2, 3):
        out.wait_for("^up", times)
        ask(process)
        out.wait_for("^no$", times)
        out.wait_for("^restarted$", times)
    out.wait_for("^up", 4)
    with pytest.raises(AssertionError, match="no 1 ×"):
        out.wait_for("^ended", deadline_s=2)

    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 137


def test_a_stop_wins(start: Callable[..., Restarting]) -> None:
    """Whoever asks us to stop while the command is being stopped does not get it back."""
    process, out = start("sh", "-c", STUBBORN, kill_timeout_s="2")
    out.wait_for("^up")
    ask(process)
    out.wait_for("^no$")
    process.send_signal(signal.SIGTERM)
    ask(process)

    assert process.wait(10) == 137
    assert [line for line in out.wait_for_end() if line[:2] != "no"] == [out.all()[0], "stop begins", "orphans 0"]


def test_an_end_that_nobody_asked_for_can_be_a_new_start_too(start: Callable[..., Restarting], tmp_path: Path) -> None:
    """Whoever watches over it says whether it is."""
    count = tmp_path / "count"
    process, out = start("sh", "-c", f"echo x >> {count}; [ $(wc -l < {count}) = 4 ] && exit 5; exit 9")

    assert process.wait(10) == 5
    assert out.wait_for_end() == ["ended with 9"] * 3 + ["ended with 5", "orphans 0"]


def test_a_command_that_is_gone_is_an_error(start: Callable[..., Restarting], tmp_path: Path) -> None:
    """With the code that it would have had at the start."""
    command = tmp_path / "command"
    command.write_text(f"#!/bin/sh\nrm {command}\n{OBEDIENT}")
    command.chmod(0o755)
    process, out = start(str(command))
    out.wait_for("^up")
    ask(process)

    assert process.wait(10) == 127
    assert f"cannot start '{command}': no such command" in out.wait_for_end()


@needs_root
def test_orphans_are_reaped_throughout(start: Callable[..., Restarting]) -> None:
    """Each command leaves some, as PID 1 has them."""
    process, out = start("sh", "-c", f"for i in 1 2 3; do (sleep 0.0$i &); done; {OBEDIENT}", prefix=tuple(AS_PID1))
    for times in range(1, 6):
        out.wait_for("^up", times)
        ask(process)
        out.wait_for("^restarted$", times)
    out.wait_for("^up", 6)
    (pid,) = descendants(process.pid)[:1]
    eventually(lambda: not zombies(pid), "no zombie is left")
    os.kill(pid, signal.SIGTERM)

    assert process.wait(10) == 4
    assert int(out.wait_for("^orphans").split()[1]) >= 9


def zombies(pid: int) -> list[int]:
    """The descendants of a process that nobody has waited for."""
    return [child for child in descendants(pid) if state(child) == "Z"]
