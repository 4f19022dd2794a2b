from __future__ import annotations

import os
import re
import resource
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import pytest

from tests.conftest import Manifest, Start, needs_root
from tests.faults.conftest import Tried
from tests.running import SUPERVISOR, Running, eventually, program

pytestmark = needs_root

GOES_ON = "changes and signals get through; the command untouched"


def options(manifest: Manifest, root: Path, *more: str) -> list[str]:
    """A manifest of one key, and no waiting."""
    return [f"--manifest={manifest(key='1')}", f"--configroot={root}", "--reload-interval=0", "--settle=0", *more]


def reaches(running: Running, manifest: Manifest, value: str) -> float:
    """Want a value, and see the app told; returns the seconds."""
    began = time.monotonic()
    manifest(key=value)
    running.out.wait_for(f"^reloaded .* '{value}'$")
    return time.monotonic() - began


def state_of(pid: int) -> str:
    """As in proc_pid_stat(5)."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def is_without_zombies(running: Running) -> bool:
    """Whether all that has ended was taken away."""
    states = []
    for pid in running.child_pids():
        with suppress(OSError):
            states.append(state_of(pid))
    return "Z" not in states


@pytest.mark.slow
def test_a_fork_bomb_of_orphans_is_reaped(start: Start, manifest: Manifest, root: Path, tried: Tried) -> None:
    """Thousands of processes end at once with PID 1 as their parent, while changes go on: none stays, and a stop is obeyed."""
    running = start(*options(manifest, root), command=program("fork_bomb", "6", "3"), as_pid1=True)
    running.out.wait_for("^done$")
    for number in range(2, 6):
        manifest(key=str(number))
        running.out.wait_for("^done$", number, 60)
    running.wait_for_event("config.applied", 5)
    eventually(lambda: is_without_zombies(running), "no zombie is left")
    began = time.monotonic()

    assert running.stop() == 143
    assert time.monotonic() - began < 5
    tried("fork bombs of 1,500 orphans each, at every reload", "all reaped, the newest revision told", lost=0)


def test_a_command_that_stops_itself_can_go_on(start: Start, manifest: Manifest, root: Path, tried: Tried) -> None:
    """It is left alone as long as it likes, and takes what it was told meanwhile when it goes on."""
    running = start(*options(manifest, root, "--kill-timeout=0.5"), command=program("show_config", f"{root}/key"), as_pid1=True)
    running.out.wait_for("^started '1'$")
    running.wait_for_event("config.applied")
    command = running.child_pids()[0]
    os.kill(command, signal.SIGSTOP)
    eventually(lambda: state_of(command) == "T", "it has stopped")
    manifest(key="2")
    running.wait_for_event("config.applied", 2)
    os.kill(command, signal.SIGCONT)
    running.out.wait_for("^reloaded .* '2'$")
    os.kill(command, signal.SIGSTOP)
    eventually(lambda: state_of(command) == "T", "it has stopped")

    assert running.stop() == 137
    tried("the command stops itself (SIGSTOP)", "left alone; told when it goes on; --kill-timeout ends it", lost=0)


def test_hooks_that_become_daemons_hold_nobody_up(start: Start, manifest: Manifest, root: Path, tried: Tried) -> None:
    """What a hook leaves behind in a session of its own, with our pipe open, is an orphan: reaped, and gone with PID 1."""
    daemon = "sh -c 'setsid sleep 60 & exit 0'"
    running = start(
        *options(manifest, root, f"--validate={daemon}", f"--confirm-command={daemon}"),
        command=program("show_config", f"{root}/key"),
        as_pid1=True,
    )
    running.out.wait_for("^started '1'$")
    took_s = max(reaches(running, manifest, str(number)) for number in range(2, 12))
    running.wait_for_event("config.applied", 11)
    daemons = [pid for pid in running.child_pids() if b"sleep" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    for pid in daemons:
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: is_without_zombies(running), "they are reaped")
    descriptors = len(os.listdir(f"/proc/{running.pid}/fd"))

    assert len(daemons) == 22
    assert took_s < 5
    assert descriptors < 25
    tried("hooks that leave daemons behind", "nobody waits for them; reaped when they end", lost=0)


@pytest.mark.slow
def test_signals_at_full_speed_hold_no_change_up(start: Start, manifest: Manifest, root: Path, tried: Tried) -> None:
    """Three storms at once, for as long as twenty changes take: all changes arrive, and so does the stop."""
    running = start(*options(manifest, root), command=program("show_config", f"{root}/key"), as_pid1=True)
    running.out.wait_for("^started '1'$")
    pid = running.pid
    storm = "import os, sys\nwhile True: os.kill(int(sys.argv[1]), int(sys.argv[2]))"
    numbers = (signal.SIGHUP, signal.SIGURG, signal.SIGCONT)
    storms = [subprocess.Popen([SUPERVISOR[0], "-c", storm, str(pid), str(int(number))]) for number in numbers]
    try:
        for number in range(2, 22):
            manifest(key=str(number))
            running.wait_for_event("config.applied", number)
        began = time.monotonic()
        assert running.stop() == 143
        took_s = time.monotonic() - began
    finally:
        for one in storms:
            one.kill()
            one.wait()
    assert took_s < 5
    tried("HUP, URG and CONT at full speed, all at once", "every change and the stop get through", lost=0)


def test_with_32_descriptors_all_goes_on(start: Start, manifest: Manifest, root: Path, tmp_path: Path, tried: Tried) -> None:
    """Sources, hooks, probes and --child-logs share them; forty clients at once take none from the rest for long."""
    import socket

    place = f"{tmp_path}/socket"
    running = start(
        *options(manifest, root, "--validate=true", f"--listen=unix:{place}", "--child-logs=json"),
        f"--watch-dir={tmp_path}/watched",
        "--optional",
        command=program("show_config", f"{root}/key"),
        as_pid1=True,
        prefix=["prlimit", "--nofile=32:32"],
    )
    running.wait_for_event("config.applied")
    clients = []
    for _ in range(40):
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(0.2)
        with suppress(OSError):
            client.connect(place)
        clients.append(client)
    manifest(key="2")
    for client in clients:
        client.close()
    running.out.wait_for("reloaded .* '2'")
    manifest(key="3")
    running.out.wait_for("reloaded .* '3'")

    assert running.events("thread.crashed") == []
    assert running.stop() == 143
    tried("a limit of 32 descriptors, and 40 clients who hold connections", GOES_ON, lost=0)


@pytest.mark.parametrize("room", range(8))
def test_a_thread_that_cannot_be_started_is_said(start: Start, manifest: Manifest, root: Path, tried: Tried, room: int) -> None:
    """There is address space for so many threads of 200 MB each. At the start that is said in one sentence; or all is well."""
    running = start(
        *options(manifest, root, f"--listen=unix:{root}.socket", "--child-logs=json"),
        command=["sleep", "60"],
        prefix=["prlimit", f"--stack={200 * 2**20}", f"--as={(100 + 200 * room) * 2**20}"],
    )
    eventually(lambda: running._process.poll() is not None or running.events("config.applied"), "it has ended, or begun")
    if running._process.poll() is None:
        assert running.stop() == 143
    else:
        assert running.wait() == 125
        text = "\n".join(running.err.wait_for_end())
        assert "Traceback" not in text
        assert "cannot start" in text or not room  # without any thread there is no log
    tried("threads cannot be started, at each place of the start", "said in one sentence, exit code 125; or all goes on")


def test_little_memory_ends_nothing(start: Start, manifest: Manifest, root: Path, tried: Tried) -> None:
    """A configuration that does not fit into what is left crashes a thread of ours at most, and what fits afterwards arrives."""
    running = start(*options(manifest, root), command=program("show_config", f"{root}/key"), as_pid1=True)
    running.out.wait_for("^started '1'$")
    running.wait_for_event("config.applied")
    used = int(re.search(r"VmSize:\s+(\d+)", Path(f"/proc/{running.pid}/status").read_text())[1]) * 1024  # type: ignore[index]
    children = running.child_pids()
    resource.prlimit(running.pid, resource.RLIMIT_AS, (used + 70 * 2**20, used + 70 * 2**20))
    manifest(**{f"key{number}": "x" * 900_000 for number in range(60)}, key="2")
    running.err.wait_for("thread.crashed|source.problem|config.failed")
    assert running.child_pids() == children
    manifest(key="3")
    running.out.wait_for("^reloaded .* '3'$")

    assert running.child_pids() == children
    assert running.stop() == 143
    tried(
        "memory runs out (RLIMIT_AS) in the middle of a change of 54 MB",
        "our thread is started again; the command untouched",
        lost=0,
    )


@pytest.mark.slow
@pytest.mark.parametrize("how", ["closed", "full"])
def test_a_log_that_nobody_reads_holds_nobody_up(
    start: Start, manifest: Manifest, root: Path, tmp_path: Path, tried: Tried, how: str
) -> None:
    """Its reader has gone (EPIPE), or reads nothing any more: changes go on, and the stop is at once."""
    out = tmp_path / "out"
    close = "exec 2> >(exec true); sleep 0.2" if how == "closed" else "exec 2> >(exec sleep 60)"
    running = start(
        *options(manifest, root, "--v=2"),
        command=["sh", "-c", f"exec {' '.join(program('show_config', f'{root}/key'))} > {out} 2>/dev/null"],
        prefix=["bash", "-c", f'{close}; exec "$@"', "bash"],
    )
    eventually(lambda: out.exists() and "started" in out.read_text(), "it has started")
    for number in range(2, 60):
        manifest(key=str(number))
        eventually(lambda value=number: f"'{value}'" in out.read_text(), "it arrives")  # type: ignore[misc]
    began = time.monotonic()

    assert running.stop() == 143
    assert time.monotonic() - began < 4
    tried(f"the log's pipe is {how}", GOES_ON, lost=0)
