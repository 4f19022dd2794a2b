from __future__ import annotations

import signal

import pytest

from tests.conftest import Start, needs_root
from tests.running import program

FORWARDED = sorted(signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD, signal.SIGTERM})


@pytest.mark.parametrize("as_pid1", [pytest.param(True, marks=needs_root), False])
def test_every_signal_that_can_be_caught_is_forwarded(start: Start, as_pid1: bool) -> None:
    """All signals from 1 to 64 reach the command, real-time ones and those of faults too, and TERM ends it."""
    running = start(command=program("show_signals", "7"), as_pid1=as_pid1)
    running.out.wait_for("ready")

    for number in FORWARDED:
        running.send(number)
        running.out.wait_for(rf"^signal {int(number)}$")
    running.send(signal.SIGTERM)

    assert running.wait() == 7
    assert running.out.wait_for_end() == ["ready", *(f"signal {int(number)}" for number in [*FORWARDED, signal.SIGTERM])]


def test_real_time_signals_are_counted(start: Start) -> None:
    """A real-time signal that is sent 200 times arrives 200 times, as signal(7) promises."""
    running = start(command=program("show_signals"))
    running.out.wait_for("ready")

    for _ in range(200):
        running.send(signal.SIGRTMIN + 3)

    running.out.wait_for(rf"^signal {signal.SIGRTMIN + 3}$", times=200)
    assert running.stop() == 0
    assert len(running.out.wait_for_end()) == 1 + 200 + 1


def test_the_end_of_a_child_is_not_forwarded(start: Start) -> None:
    """SIGCHLD is ours: the command hears only of its own children."""
    running = start(command=program("show_signals"))
    running.out.wait_for("ready")

    running.send(signal.SIGCHLD)
    running.send(signal.SIGUSR1)
    running.out.wait_for(f"^signal {int(signal.SIGUSR1)}$")

    assert running.stop() == 0
    assert f"signal {int(signal.SIGCHLD)}" not in running.out.wait_for_end()
