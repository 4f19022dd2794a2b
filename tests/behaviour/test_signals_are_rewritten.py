from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.conftest import Manifest, Start, needs_root
from tests.running import program

RT = int(signal.SIGRTMIN)


@pytest.mark.parametrize("as_pid1", [pytest.param(True, marks=needs_root, id="pid1"), pytest.param(False, id="child")])
def test_by_name_or_number_as_many_as_one_likes(start: Start, as_pid1: bool) -> None:
    """With SIG or without, real-time ones too, and 0 drops; what is not named stays, and nothing is rewritten twice."""
    rewrites = ["TERM:QUIT", "sighup:SIGUSR1", "10:12", "RTMIN+1:RTMAX-2", f"WINCH:{RT}", "QUIT:0"]
    running = start(*(f"--rewrite={one}" for one in rewrites), command=program("show_signals"), as_pid1=as_pid1)
    running.out.wait_for("ready")
    expected = {15: 3, 1: 10, 10: 12, RT + 1: signal.SIGRTMAX - 2, 28: RT, 23: 23}
    for sent, got in expected.items():
        running.send(signal.SIGQUIT)  # dropped
        running.send(sent)
        running.out.wait_for(f"^signal {int(got)}$")

    assert running.out.all() == ["ready", *(f"signal {int(got)}" for got in expected.values())]
    os.kill(running.child_pids()[0], signal.SIGTERM)
    assert running.wait() == 0


def test_the_lines_of_a_variable_are_rewrites_too(start: Start) -> None:
    """An image can bring them."""
    running = start(command=program("show_signals"), environment={"CONFIG_SUPERVISOR_REWRITE": "HUP:USR1\nUSR1:USR2\n"})
    running.out.wait_for("ready")
    running.send(signal.SIGHUP)
    running.out.wait_for("^signal 10$")
    running.send(signal.SIGUSR1)
    running.out.wait_for("^signal 12$")

    assert running.stop() == 0


def test_what_we_send_ourselves_is_not_rewritten(start: Start, manifest: Manifest, root: Path) -> None:
    """The reload is a HUP, and the command of somebody who rewrites HUP may still want it."""
    running = start(
        f"--manifest={manifest(key='one')}",
        f"--configroot={root}",
        *("--rewrite=HUP:USR1", "--rewrite=USR2:KILL", "--reload-interval=0"),
        command=program("show_signals"),
    )
    running.out.wait_for("ready")
    running.send(signal.SIGHUP)
    running.out.wait_for("^signal 10$")
    manifest(key="two")
    running.out.wait_for("^signal 1$")
    running.send(signal.SIGUSR2)

    assert running.wait() == 137
