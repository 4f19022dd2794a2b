"""Job control, in a pseudo-terminal: what Ctrl-Z, fg and bg do to us and to the command. dumb-init does the same where it can."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import needs_root
from tests.inits import Init, every_init
from tests.running import AS_PID1, SUPERVISOR, descendants, eventually, program
from tests.terminal import Terminal, terminal

ECHO = 'echo re""ady; while read line; do echo "got <$line>"; done; exit 3'
LINE = " ".join([*SUPERVISOR, "--subreaper"])


@contextmanager
def shell() -> Iterator[Terminal]:
    """An interactive shell with job control."""
    with terminal("bash", "--norc", "--noprofile", "-i") as screen:
        screen.type("PS1='$((1+1))> '; bind 'set enable-bracketed-paste off'\n")
        screen.wait_for("2> $")
        yield screen


def answers(screen: Terminal, question: str) -> None:
    """The shell has the terminal, and does what is typed."""
    screen.type(f"echo {question}-$((40+2))\n")
    screen.wait_for(f"{question}-42")


def test_ctrl_z_gives_the_shell_its_prompt_and_fg_goes_on(tmp_path: Path) -> None:
    """The terminal is the shell's meanwhile, and the command's again afterwards. tini leaves the shell hanging."""
    (tmp_path / "script").write_text(ECHO)
    with shell() as screen:
        screen.type(f"{LINE} -- sh {tmp_path}/script\n")
        screen.wait_for("ready")
        for number in ("one", "two", "three"):
            screen.type(f"{number}\n")
            screen.wait_for(f"got <{number}>")
            screen.type("\x1a")
            screen.wait_for("Stopped")
            answers(screen, number)
            screen.type("fg\n")
            screen.wait_for(r"fg\r\n.*script")
            screen.seen = ""
        screen.type("\x04")
        screen.wait_for("2> $")
        screen.type("echo code $?\n")

        screen.wait_for("code 3")


def test_fg_gives_the_command_the_terminal_before_it_asks_for_it() -> None:
    """So that the first key reaches it."""
    with shell() as screen:
        screen.type(f"{LINE} -- sh -c 'echo re\"\"ady $$; exec sleep 60'\n")
        screen.wait_for("ready [0-9]+\r")
        pid = int(re.findall("ready ([0-9]+)", screen.seen)[0])
        assert screen.foreground() == pid
        screen.type("\x1a")
        screen.wait_for("Stopped")
        answers(screen, "prompt")
        assert screen.foreground() == screen.process.pid
        screen.type("fg\n")

        eventually(lambda: screen.foreground() == pid, "the command has the terminal")
        screen.type("\x03")
        screen.wait_for(r"\^C(.|\n)*2> $")


@every_init("session")
def test_a_job_with_a_session_of_its_own_stops_and_goes_on_too(init: Init) -> None:
    """The terminal is not the command's, and the keys come to us."""
    with shell() as screen:
        screen.type(f"{' '.join([*init.words, *init.told(session='')])} -- sh -c 'echo re\"\"ady; exec sleep 60'\n")
        screen.wait_for("ready")
        screen.type("\x1a")
        screen.wait_for("Stopped")
        answers(screen, "prompt")
        screen.type("fg\n")
        screen.wait_for(r"fg\r\n.*sleep 60")
        eventually(lambda: screen.foreground() != screen.process.pid, "the shell has let go of the terminal")
        screen.type("\x03")
        screen.wait_for(r"\^C(.|\n)*2> $")
        screen.type("echo code $?\n")

        screen.wait_for("code 130")


def test_bg_lets_the_command_run_without_the_terminal(tmp_path: Path) -> None:
    """It works in the background, stops when it wants to read, and fg gives it what is typed."""
    (tmp_path / "script").write_text(f'echo re""ady; read a; echo 1 > {tmp_path}/went-on; read b; echo "got <$a$b>"')
    with shell() as screen:
        screen.type(f"{LINE} -- sh {tmp_path}/script\n")
        screen.wait_for("ready")
        screen.type("\x1a")
        screen.wait_for("Stopped")
        screen.type("bg\n")
        answers(screen, "first")
        answers(screen, "second")
        screen.type("jobs\n")
        screen.wait_for("Stopped.*tty input|Stopped")
        screen.type("fg\n")
        screen.type("x\n")
        screen.type("y\n")

        screen.wait_for("got <xy>")


def test_a_job_that_was_started_in_the_background_can_be_brought_to_the_foreground(tmp_path: Path) -> None:
    """A shell sends no CONT to a job that runs: it is when the command wants to read that we hand the terminal on."""
    (tmp_path / "script").write_text(f'echo re""ady; until [ -e {tmp_path}/now ]; do :; done; read line; echo "got <$line>"')
    with shell() as screen:
        screen.type(f"{LINE} -- sh {tmp_path}/script &\n")
        screen.wait_for("ready")
        answers(screen, "prompt")
        screen.type("fg\n")
        screen.wait_for(r"fg\r\n.*script")
        (tmp_path / "now").touch()
        screen.type("hello\n")

        screen.wait_for("got <hello>")


def test_keys_reach_a_job_that_was_brought_to_the_foreground() -> None:
    """Our own group is the foreground one then: Ctrl-C comes to us, and is forwarded."""
    with shell() as screen:
        screen.type(f"{LINE} -- sh -c 'echo re\"\"ady; exec sleep 60' &\n")
        screen.wait_for("ready")
        screen.type("fg\n")
        screen.wait_for(r"fg\r\n.*sleep 60")
        eventually(lambda: screen.foreground() != screen.process.pid, "the shell has let go of the terminal")
        screen.type("\x03")
        screen.wait_for(r"\^C(.|\n)*2> $")
        screen.type("echo code $?\n")

        screen.wait_for("code 130")


def test_the_rest_of_the_job_stops_too(tmp_path: Path) -> None:
    """A script around us has no job control: without us the key would have stopped it, and its shell waits for that."""
    (tmp_path / "outer").write_text(f"{LINE} -- sh {tmp_path}/inner; echo outer ends\n")
    (tmp_path / "inner").write_text(ECHO)
    with shell() as screen:
        screen.type(f"sh {tmp_path}/outer\n")
        screen.wait_for("ready")
        screen.type("\x1a")
        screen.wait_for("Stopped")
        answers(screen, "prompt")
        screen.type("fg\n")
        screen.wait_for(r"fg\r\n.*outer")
        screen.type("hello\n")
        screen.wait_for("got <hello>")
        screen.type("\x04")

        screen.wait_for("outer ends")


def test_a_job_that_ended_in_the_background_leaves_the_terminal_alone(tmp_path: Path) -> None:
    """It had it once, before Ctrl-Z and bg; now the shell has it."""
    # It starts nothing: a shell that has called vfork() cannot be stopped before its child has executed, which is stopped too.
    (tmp_path / "script").write_text(f'echo re""ady; until [ -e {tmp_path}/now ]; do :; done')
    with shell() as screen:
        screen.type(f"{LINE} -- sh {tmp_path}/script\n")
        screen.wait_for("ready")
        screen.type("\x1a")
        screen.wait_for("Stopped")
        screen.type("bg\n")
        answers(screen, "prompt")
        (tmp_path / "now").touch()
        eventually(lambda: not descendants(screen.process.pid), "the job has ended")

        assert screen.foreground() == screen.process.pid
        answers(screen, "still")


def test_ctrl_z_stops_us_while_there_is_no_command_yet(tmp_path: Path) -> None:
    """Nobody else could stop: we wait for the first configuration."""
    with shell() as screen:
        screen.type(f"{LINE} --manifest={tmp_path}/missing --configroot={tmp_path}/root -- true\n")
        screen.wait_for("source.problem")
        screen.type("\x1a")
        screen.wait_for("Stopped")
        answers(screen, "prompt")
        screen.type("fg\n")
        screen.wait_for(r"fg\r\n.*true")
        eventually(lambda: screen.foreground() != screen.process.pid, "the shell has let go of the terminal")
        screen.type("\x03")
        screen.wait_for(r"\^C(.|\n)*2> $")
        screen.type("echo code $?\n")

        screen.wait_for("code 130")


# --- keys and windows


@every_init("own group")
@pytest.mark.parametrize("as_pid1", [pytest.param(True, marks=needs_root, id="pid1"), pytest.param(False, id="child")])
def test_keys_and_resizing_reach_the_command_once(init: Init, as_pid1: bool) -> None:
    """Its group is the foreground one, which the terminal sends them to: we do not send them again."""
    words = [*(AS_PID1 if as_pid1 else []), *init.words, "--", *program("show_signals", "4")]
    with terminal(*words) as screen:
        screen.wait_for("ready")
        screen.type("\x03")
        screen.wait_for("signal 2\r")
        screen.resize(50, 100)
        screen.wait_for("signal 28\r")
        screen.type("\x1c")
        screen.wait_for("signal 3\r")

        assert [screen.seen.count(f"signal {number}\r") for number in (2, 28, 3)] == [1, 1, 1]


@every_init("session")
@pytest.mark.parametrize("as_pid1", [pytest.param(True, marks=needs_root, id="pid1"), pytest.param(False, id="child")])
def test_a_session_of_its_own_takes_the_terminal_over(init: Init, as_pid1: bool) -> None:
    """If we lead ours, as the first process of `docker run -it` does. The HUP and CONT of that are not forwarded."""
    lead = [*AS_PID1, "setsid", "--ctty"] if as_pid1 else []
    with terminal(*lead, *init.words, *init.told(session=""), "--", *program("show_signals", "4")) as screen:
        screen.wait_for("ready")
        screen.type("\x03")
        screen.wait_for("signal 2\r")
        screen.resize(50, 100)
        screen.wait_for("signal 28")

        assert re.findall("signal ([0-9]+)", screen.seen) == ["2", "28"]


def test_a_real_hup_is_not_mistaken_for_the_hand_over() -> None:
    """One that comes later is forwarded."""
    with terminal(*SUPERVISOR, "--new-session", "--", *program("show_signals", "4")) as screen:
        screen.wait_for("ready")
        screen.process.send_signal(1)

        screen.wait_for("signal 1\r")
