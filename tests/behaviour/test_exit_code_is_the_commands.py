from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.conftest import Start, needs_root


@pytest.mark.parametrize("code", [0, 1, 2, 42, 125, 126, 127, 128, 143, 255])
def test_the_commands_code_is_ours(start: Start, code: int) -> None:
    """Whatever the command leaves with, we leave with."""
    assert start(command=["sh", "-c", f"exit {code}"]).wait() == code


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV, signal.SIGHUP, signal.SIGRTMIN + 1])
@pytest.mark.parametrize("as_pid1", [pytest.param(True, marks=needs_root), False])
def test_a_command_that_a_signal_killed_gives_128_and_its_number(start: Start, number: int, as_pid1: bool) -> None:
    """As a shell tells it."""
    assert start(command=["sh", "-c", f"kill -{int(number)} $$"], as_pid1=as_pid1).wait() == 128 + number


def test_a_command_that_does_not_exist_gives_127(start: Start) -> None:
    """With its name in the message."""
    running = start(command=["no-such-command-anywhere"])

    assert running.wait() == 127
    assert "'no-such-command-anywhere'" in running.wait_for_event("start.failed")["message"]


@pytest.mark.parametrize("what", ["a file without the right to execute", "a folder"])
def test_a_command_that_cannot_be_executed_gives_126(start: Start, tmp_path: Path, what: str) -> None:
    """With its name and the reason in the message."""
    command = tmp_path / "command"
    if what == "a folder":
        command.mkdir()
    else:
        command.write_text("#!/bin/sh\n")
    running = start(command=[str(command)])

    assert running.wait() == 126
    assert f"'{command}': Permission denied" in running.wait_for_event("start.failed")["message"]


def test_a_script_without_a_first_line_is_run_by_the_shell(start: Start, tmp_path: Path) -> None:
    """As execvp(3) does it, and so tini and dumb-init."""
    script = tmp_path / "script"
    script.write_text("exit $1\n")
    script.chmod(0o755)

    assert start(command=[str(script), "9"]).wait() == 9


def test_wrong_usage_gives_2_and_names_every_problem(start: Start) -> None:
    """Nothing is started."""
    running = start("--frobnicate", "--reload-interval=soon", "--reload-interval=1", command=["echo", "started"])

    assert running.wait() == 2
    assert running.out.wait_for_end() == []
    assert running.err.wait_for_end() == [
        "config-supervisor: unknown option --frobnicate: see --help",
        "config-supervisor: --reload-interval is given more than once",
    ]


def test_a_configroot_that_is_taken_gives_125(start: Start, root: Path, tmp_path: Path) -> None:
    """Two supervisors on one folder would tear it: the second one refuses to start."""
    missing = f"--manifest={tmp_path}/later.yaml"
    first = start(missing, f"--configroot={root}")
    first.wait_for_event("source.problem")
    second = start(missing, f"--configroot={root}")

    assert second.wait() == 125
    assert f"already writes to {root}" in second.wait_for_event("start.failed")["message"]


def test_no_configuration_in_time_gives_125_and_the_reason(start: Start, root: Path, tmp_path: Path) -> None:
    """The command is not started without its configuration."""
    running = start(
        f"--manifest={tmp_path}/missing.yaml", f"--configroot={root}", "--startup-timeout=0.2", command=["echo", "started"]
    )

    assert running.wait() == 125
    assert running.out.wait_for_end() == []
    message = running.wait_for_event("start.failed")["message"]
    assert "no configuration after 0.2 s (--startup-timeout)" in message
    assert f"cannot read {tmp_path}/missing.yaml: No such file or directory" in message
