from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.conftest import Start
from tests.running import SUPERVISOR, Lines, begun_by, eventually, kill_all, program

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}


@pytest.mark.parametrize("options", [[], ["--log-level=debug"]])
def test_signals_come_through_while_nobody_reads_the_log(full_pipe: tuple[int, int], options: list[str]) -> None:
    """A line is there to be written from the start on; with debug, one for each signal."""
    words = [*SUPERVISOR, *options, "--", *program("show_signals", "4")]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=full_pipe[1], env=ENVIRONMENT)
    try:
        assert process.stdout
        out = Lines(process.stdout)
        out.wait_for("ready")
        for times in range(1, 50):
            began = time.monotonic()
            process.send_signal(signal.SIGUSR1)
            out.wait_for("^signal 10$", times)

            assert time.monotonic() - began < 0.5
        process.terminate()

        assert process.wait(3) == 4
    finally:
        kill_all(process)


def test_the_oldest_lines_are_dropped_and_counted(full_pipe: tuple[int, int]) -> None:
    """Memory is bounded; the first line that gets through afterwards tells how many are missing."""
    reader, writer = full_pipe
    wanted = 3000
    words = [*SUPERVISOR, "--subreaper", "--log-level=debug", "--", *program("show_signals")]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=writer, env=ENVIRONMENT)
    try:
        assert process.stdout
        out = Lines(process.stdout)
        out.wait_for("ready")
        for _ in range(wanted):
            process.send_signal(signal.SIGRTMIN)
        out.wait_for(f"^signal {int(signal.SIGRTMIN)}$", wanted, deadline_s=60)
        lines = Lines(os.fdopen(os.dup(reader), "rb"))
        eventually(lambda: len(lines.all()) > 1900, "most are written: for the rest it waits no longer than a second")
        process.terminate()
        assert process.wait(5) == 0
        lines.wait_for("supervisor.ended")

        events = [json.loads(line[line.index("{") :]) for line in lines.all() if "{" in line]
        dropped = sum(event.get("lines_dropped", 0) for event in events)
        written = sum(event["event"] == "signal.forwarded" for event in events)
        assert written + dropped >= wanted > written
        assert sum("lines_dropped" in event for event in events) == 1
        assert 1900 < len(events) < 2100
    finally:
        kill_all(process)


def test_the_log_keeps_nobody_waiting_at_the_end(full_pipe: tuple[int, int]) -> None:
    """A second at the most."""
    process = subprocess.Popen([*SUPERVISOR, "--", "sh", "-c", "exit 5"], stderr=full_pipe[1], env=ENVIRONMENT)

    assert process.wait(5) == 5


def test_a_line_that_the_pipe_takes_wakes_no_thread(start: Start) -> None:
    """There is none but the main one, which forwards."""
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb"), os.fdopen(writer, "wb"):
        try:
            os.pwritev(writer, [b"-"], -1, os.RWF_NOWAIT)
        except OSError:
            pytest.skip("this kernel cannot write to a pipe without waiting")
    running = start("--log-format=text", "--log-level=debug", command=program("show_signals"))
    running.out.wait_for("ready")
    running.send(signal.SIGUSR1)
    running.err.wait_for("signal.forwarded")

    assert len(os.listdir(f"/proc/{running.pid}/task")) == 1


@pytest.mark.plain
def test_a_line_that_fails_is_dropped_and_counted(start: Start) -> None:
    """Of want of memory, as here: it is one line, and the next one tells."""
    environment = begun_by("short_of_memory")
    running = start("--log-level=debug", "--log-format=json", command=["true"], environment=environment)

    assert running.wait() == 0
    running.err.wait_for_end()
    first, *_, last = running.events()
    assert (first["event"], first["lines_dropped"]) == ("command.started", 1)
    assert last["event"] == "supervisor.ended"
