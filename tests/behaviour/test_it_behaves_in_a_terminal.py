from __future__ import annotations

import shlex
import signal
import subprocess
from pathlib import Path

from tests.conftest import Manifest
from tests.running import SUPERVISOR, Lines, program
from tests.terminal import ENVIRONMENT, terminal


def test_ctrl_c_reaches_the_command_once() -> None:
    """The terminal sends it to the command's group, which is the foreground one; we do not send it again."""
    with terminal(*SUPERVISOR, "--", *program("show_signals", "3")) as screen:
        screen.wait_for("ready")
        screen.type("\x03")
        screen.wait_for("signal 2")
        screen.type("\x1c")
        screen.wait_for("signal 3")

        assert screen.seen.count("signal 2") == 1


def test_ctrl_c_ends_a_command_that_does_not_handle_it() -> None:
    """With 130, as in a shell."""
    with terminal(*SUPERVISOR, "--", "sh", "-c", "echo ready; exec sleep 60") as screen:
        screen.wait_for("ready")
        screen.type("\x03")

        assert screen.process.wait(10) == 130


def test_the_command_can_read_from_the_terminal() -> None:
    """A background group would be stopped at its first read."""
    with terminal(*SUPERVISOR, "--", "sh", "-c", "read line; echo got $line") as screen:
        screen.type("hello\n")

        screen.wait_for("got hello")


def test_the_terminal_is_given_back() -> None:
    """A script that started us without job control can read from the terminal after we have left."""
    with terminal("sh", "-c", f"{shlex.join(SUPERVISOR)} -- true; read line; echo got $line") as screen:
        screen.type("hello\n")

        screen.wait_for("got hello")


def test_a_background_job_does_not_take_the_terminal() -> None:
    """Started with & by a shell with job control, the foreground stays the shell's."""
    script = f"set -m; {shlex.join(SUPERVISOR)} -- sleep 60 & sleep 0.5; read line; echo got $line; kill %1"
    with terminal("bash", "-c", script) as screen:
        screen.type("hello\n")

        screen.wait_for("got hello")


def test_logs_are_readable_on_a_terminal(manifest: Manifest, tmp_path: Path) -> None:
    """Text, not JSON."""
    words = [*SUPERVISOR, f"--manifest={manifest(key='value')}", f"--configroot={tmp_path}/root", "--", "sleep", "60"]
    with terminal(*words) as screen:
        screen.wait_for(r"\d\d:\d\d:\d\d\.\d{3} info +config\.applied: the configuration is live revision=\w{12} ")
        screen.wait_for("command.started")
        screen.process.send_signal(signal.SIGTERM)

        assert "{" not in screen.seen


def test_lines_are_complete() -> None:
    """Standard output and standard error of the command are its own: nothing is added to them."""
    done = subprocess.Popen(
        [*SUPERVISOR, "--subreaper", "--", "sh", "-c", "echo out; echo err >&2"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=ENVIRONMENT,
    )
    assert done.stdout
    assert done.stderr
    out, err = Lines(done.stdout), Lines(done.stderr)
    done.wait()

    assert (out.wait_for_end(), err.wait_for_end()) == (["out"], ["err"])
