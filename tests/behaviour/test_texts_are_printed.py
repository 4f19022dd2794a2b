from __future__ import annotations

import subprocess

import pytest

from tests.conftest import Start
from tests.running import SUPERVISOR


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_a_text_that_was_asked_for_is_printed(start: Start, option: str) -> None:
    """On standard output, and nothing else."""
    running = start(option)

    assert running.wait() == 0
    assert "config-supervisor" in "\n".join(running.out.wait_for_end())
    assert running.err.wait_for_end() == []


@pytest.mark.plain
def test_the_help_is_printed_on_a_terminal_that_lacks_its_signs(start: Start) -> None:
    """With something else in their place."""
    running = start("--help", environment={"PYTHONIOENCODING": "ascii"})

    assert running.wait() == 0
    assert "--configroot" in "\n".join(running.out.wait_for_end())
    assert running.err.wait_for_end() == []


def test_a_text_that_cannot_be_printed_is_a_failure_in_one_line() -> None:
    """As for other programs whose output goes to a disk that is full."""
    with open("/dev/full", "w") as full:
        done = subprocess.run([*SUPERVISOR, "--help"], stdout=full, stderr=subprocess.PIPE, text=True, check=False)

    assert done.returncode == 1
    assert done.stderr == "config-supervisor: cannot print: No space left on device\n"


def test_a_mistake_is_said_on_a_terminal_that_lacks_its_signs(start: Start) -> None:
    """In the command line itself, which is repeated in the message."""
    running = start("--reload-interval=\N{SNOWMAN}", command=["true"], environment={"PYTHONIOENCODING": "ascii"})

    assert running.wait() == 2
    assert "--reload-interval=" in running.err.wait_for_end()[0]
