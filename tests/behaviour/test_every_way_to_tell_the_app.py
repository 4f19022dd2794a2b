from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import Start, needs_root
from tests.running import DEADLINE_S, Lines, Running, eventually, group, program, soon_s

Manifest = Callable[..., Path]
Master = Callable[..., Lines]
Sidecar = Callable[..., Running]


@pytest.fixture
def master(tmp_path: Path) -> Iterator[Master]:
    """Start a master with three workers, all of one name; its process ID is in `pid`. Returns what they print."""
    started: list[subprocess.Popen[bytes]] = []

    def start(name: str, *prefix: str) -> Lines:
        words = [*prefix, *program("workers", name, "3", "/dev/null" if prefix else str(tmp_path / "pid"))]
        started.append(subprocess.Popen(words, stdout=subprocess.PIPE, start_new_session=True))
        assert started[-1].stdout
        lines = Lines(started[-1].stdout)
        lines.wait_for("is ready", times=4)
        return lines

    yield start
    for process in started:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.fixture
def sidecar(start: Start, manifest: Manifest, root: Path) -> Sidecar:
    """Start the program without a command, for a folder that it makes."""

    def run(*options: str, **more: object) -> Running:
        manifest(key="one")
        path = root.parent / "manifest.yaml"
        return start(f"--manifest={path}", f"--configroot={root}", "--reload-retries=0", *options, **more)

    return run


# --- other processes


def test_a_signal_goes_to_the_top_process_of_a_name(sidecar: Sidecar, master: Master) -> None:
    """Workers hear of it from their master."""
    lines = master("tx-by-name")
    running = sidecar("--reload-process=tx-by-name", "--reload-signal=HUP")

    running.wait_for_event("config.applied")
    lines.wait_for("^master got it$")
    assert not [line for line in lines.all() if "worker" in line and "got" in line]


def test_each_of_several_masters_gets_the_signal(sidecar: Sidecar, master: Master) -> None:
    """They are not each other's workers."""
    both = master("tx-several"), master("tx-several")
    sidecar("--reload-process=tx-several").wait_for_event("config.applied")

    for lines in both:
        lines.wait_for("^master got it$")


def test_a_signal_goes_to_the_process_of_a_file(sidecar: Sidecar, master: Master, tmp_path: Path) -> None:
    """As daemons write it."""
    lines = master("tx-by-file")
    sidecar(f"--reload-process=pid:{tmp_path}/pid").wait_for_event("config.applied")

    lines.wait_for("^master got it$")


def test_a_process_that_is_younger_than_its_file_is_a_stranger(sidecar: Sidecar, master: Master, tmp_path: Path) -> None:
    """The ID has passed on: nobody gets the signal."""
    lines = master("tx-stranger")
    os.utime(tmp_path / "pid", (time.time() - 60, time.time() - 60))
    failed = sidecar(f"--reload-process=pid:{tmp_path}/pid").wait_for_event("config.failed")

    assert "its ID belongs to a later one" in failed["message"]
    assert not [line for line in lines.all() if "got" in line]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot read {path}: No such file or directory"),
        ("", "{path} does not hold the ID of a process"),
        ("-1\n", "{path} does not hold the ID of a process"),
        ("0\n", "the process of {path} does not run"),
        ("4194304\n", "the process of {path} does not run"),
    ],
)
def test_a_file_without_a_process_is_no_refusal(
    sidecar: Sidecar, tmp_path: Path, root: Path, content: str | None, message: str
) -> None:
    """The app may only be starting: the files stay, and nothing is remembered."""
    path = tmp_path / "app.pid"
    if content is not None:
        path.write_text(content)
    failed = sidecar(f"--reload-process=pid:{path}").wait_for_event("config.failed")

    assert message.format(path=path) in failed["message"]
    assert (root / "key").read_text() == "one"
    assert not (root / "..refused").exists()


def test_a_name_that_nobody_has_is_no_refusal(sidecar: Sidecar, root: Path) -> None:
    """The message says what a pod needs."""
    failed = sidecar("--reload-process=tx-nobody").wait_for_event("config.failed")

    assert "no process is called 'tx-nobody'; in a pod the containers need shareProcessNamespace" in failed["message"]
    assert (root / "key").read_text() == "one"


@needs_root
def test_a_process_of_another_user_is_named_with_both_users(sidecar: Sidecar, master: Master) -> None:
    """It is not refused: the app has not been asked. Here we are root without the right to signal others."""
    master("tx-of-nobody", "setpriv", "--reuid=65534", "--clear-groups")
    running = sidecar("--reload-process=tx-of-nobody", prefix=["setpriv", "--bounding-set=-kill", "--inh-caps=-kill"])

    message = running.wait_for_event("config.failed")["message"]
    assert "may not send SIGHUP to process" in message
    assert "it runs as user 65534, we as 0; run both as the same user, or add the capability KILL" in message


# --- will it survive the signal?


def test_a_command_that_has_only_just_started_gets_the_signal_when_it_has_its_handler(
    start: Start, manifest: Manifest, root: Path
) -> None:
    """A change in its first second does not kill it."""
    command = program("picky_app", f"{root}/key", "2")
    running = start(f"--manifest={manifest(key='one')}", f"--configroot={root}", "--settle=5", command=command)
    running.wait_for_event("command.started")
    manifest(key="two")
    eventually(lambda: (root / "key").read_text() == "two", "it is published")

    running.out.wait_for("took 'two'")
    running.out.wait_for("took 'two'", times=2)
    assert running.child_pids()


@pytest.mark.slow
def test_a_signal_that_would_end_the_command_refuses_the_revision(start: Start, manifest: Manifest, root: Path) -> None:
    """A shell without a trap would die of HUP; it lives on the files that it had, and the log says what to do."""
    options = [f"--manifest={manifest(key='one')}", f"--configroot={root}", "--settle=0.2"]
    running = start(*options, command=["sh", "-c", "echo ready; exec sleep 60"])
    running.wait_for_event("config.applied")
    manifest(key="two")

    message = running.wait_for_event("config.rolled_back", deadline_s=40)["message"]
    assert "SIGHUP would end the command, which has no handler for it: choose another --reload-signal" in message
    assert (root / "key").read_text() == "one"
    assert running.child_pids()


def test_a_signal_that_ends_the_command_is_sent_if_the_user_insists(start: Start, manifest: Manifest, root: Path) -> None:
    """Some apps want to be ended by it."""
    options = [f"--manifest={manifest(key='one')}", f"--configroot={root}", "--settle=0.2", "--reload-signal-force"]
    running = start(*options, command=["sh", "-c", "echo ready; exec sleep 60"])
    running.wait_for_event("config.applied")
    manifest(key="two")

    assert running.wait() == 128 + signal.SIGHUP


# --- a command


def test_a_command_tells_the_app_and_knows_what_changed(sidecar: Sidecar, manifest: Manifest, tmp_path: Path) -> None:
    """In its environment: the revision, and the paths, one a line."""
    seen = tmp_path / "seen"
    script = f"printenv CONFIG_SUPERVISOR_REVISION CONFIG_SUPERVISOR_CHANGED >> {seen}; echo and says so"
    running = sidecar(f"--reload-command=sh -c '{script}'", "--reload-interval=0", "--log-level=debug")
    first = running.wait_for_event("config.applied")["revision"]
    manifest(key="two", other="x")
    second = running.wait_for_event("config.applied", times=2)["revision"]

    assert seen.read_text().split() == [first, "key", second, "key", "other"]
    assert running.wait_for_event("hook.ended")["message"] == "--reload-command: sh exits 0: and says so"


def test_a_command_says_no_by_its_exit_code(sidecar: Sidecar, manifest: Manifest, root: Path) -> None:
    """Its last 4 KiB are the reason, on one line."""
    running = sidecar(f"--reload-command=sh -c 'if grep -q bad {root}/key; then yes | head -c 9000; echo why; exit 9; fi'")
    running.wait_for_event("config.applied")
    manifest(key="bad two")

    message = running.wait_for_event("config.rolled_back")["message"]
    assert "--reload-command: sh exits 9: " in message
    assert message.endswith("| y | why")
    assert 4000 < len(message) < 10000


@pytest.mark.parametrize(
    "script",
    ["sleep 600", "trap '' TERM; sleep 600 & wait; sleep 600", "yes", "yes & yes & trap '' TERM; wait"],
    ids=["hangs", "ignores TERM", "prints without end", "forks"],
)
def test_a_command_out_of_time_is_killed_with_its_group(sidecar: Sidecar, tmp_path: Path, script: str) -> None:
    """It is no refusal."""
    pids = tmp_path / "pids"
    running = sidecar(f'--reload-command=sh -c "echo $$ > {pids}; {script}"', "--hook-timeout=1")

    assert "was out of time after 1 s" in running.wait_for_event("config.failed")["message"]
    eventually(lambda: not group(int(pids.read_text())), "nobody is left of its group")


def test_a_command_that_prints_100_mb_is_read_to_its_end(sidecar: Sidecar) -> None:
    """It does not hang on a full pipe, and we do not keep it all."""
    running = sidecar("--reload-command=sh -c 'head -c 100000000 /dev/zero | tr \"\\\\0\" x; echo; echo the end'", "--v=2")

    running.wait_for_event("config.applied")
    assert running.wait_for_event("hook.ended")["message"].endswith("x | the end")
    assert int(Path(f"/proc/{running.pid}/status").read_text().split("VmHWM:")[1].split()[0]) < 200_000


# --- leaving, and telling nobody


def test_a_command_is_asked_to_stop_and_we_leave_with_its_code(start: Start, manifest: Manifest, root: Path) -> None:
    """The next run starts it with the new files."""
    options = [f"--manifest={manifest(key='one')}", f"--configroot={root}", "--settle=0.2", "--reload-exit"]
    running = start(*options, command=program("show_signals", "5"))
    running.wait_for_event("config.applied")
    running.out.wait_for("ready")
    manifest(key="two")

    assert running.wait() == 5
    assert running.out.wait_for_end() == ["ready", "signal 15"]
    assert (root / "key").read_text() == "two"
    again = start(*options, command=program("show_signals", "5"))
    again.wait_for_event("config.unchanged")


@pytest.mark.parametrize(("rewrite", "got"), [("TERM:0", 15), ("TERM:USR1", 10)])
def test_it_is_asked_as_it_can_be_whatever_becomes_of_term(
    start: Start, manifest: Manifest, root: Path, rewrite: str, got: int
) -> None:
    """A TERM from outside that is dropped stops nothing, but this one is our own."""
    options = [f"--manifest={manifest(key='one')}", f"--configroot={root}", "--settle=0", "--reload-exit", f"--rewrite={rewrite}"]
    script = "trap 'exit 15' TERM; trap 'exit 10' USR1; echo ready; while :; do sleep 0.01; done"
    running = start(*options, command=["sh", "-c", script])
    running.out.wait_for("ready")
    running.wait_for_event("config.applied")
    manifest(key="two")

    assert running.wait() == got


def test_a_sidecar_leaves_with_0(sidecar: Sidecar, root: Path) -> None:
    """Its first configuration is on disk by then."""
    assert sidecar("--reload-exit").wait() == 0
    assert (root / "key").read_text() == "one"


def test_nobody_is_told(start: Start, manifest: Manifest, root: Path) -> None:
    """Only the files are kept; the revision is confirmed when the command has not died of it."""
    options = [f"--manifest={manifest(key='one')}", f"--configroot={root}", "--settle=0.2", "--reload-none"]
    running = start(*options, command=program("show_signals"))
    running.wait_for_event("config.applied")
    running.out.wait_for("ready")
    manifest(key="two")
    running.wait_for_event("config.applied", times=2)
    running.stop()

    assert running.out.wait_for_end() == ["ready", "signal 15"]
    assert (root / "key").read_text() == "two"


# --- several, and how often


@pytest.mark.parametrize("is_turned", [False, True])
def test_several_ways_are_used_in_the_order_given(
    start: Start, manifest: Manifest, root: Path, tmp_path: Path, is_turned: bool
) -> None:
    """Here the signal and a command that waits for what the signal does, or the other way round."""
    done = tmp_path / "done"
    ways = ["--reload-signal=USR1", f"--reload-command=sh -c 'test -e {done} && echo after || echo before'"]
    options = [f"--manifest={manifest(key='one')}", f"--configroot={root}", "--settle=0.5", "--log-level=debug"]
    script = f"trap 'touch {done}' USR1; echo ready; while :; do sleep 0.05; done"
    if not is_turned:
        ways[1] = f"--reload-command=sh -c 'while ! test -e {done}; do :; done; echo after'"
    running = start(*options, *(reversed(ways) if is_turned else ways), command=["sh", "-c", script])
    running.wait_for_event("config.applied")
    manifest(key="two")
    running.wait_for_event("config.applied", times=2)

    assert running.wait_for_event("hook.ended")["message"].endswith("before" if is_turned else "after")


@pytest.mark.slow
def test_a_thousand_updates_in_ten_seconds_give_eleven_reloads_at_most_and_the_last_value(
    start: Start, manifest: Manifest, root: Path
) -> None:
    """With the default interval of a second."""
    command = program("show_config", f"{root}/key")
    running = start(f"--manifest={manifest(key='0')}", f"--configroot={root}", command=command)
    running.out.wait_for("^started")
    began = time.monotonic()
    for number in range(1, 1001):
        manifest(key=str(number))
        time.sleep(max(0.0, began + number * 0.0094 - time.monotonic()))  # a user who edits on and on

    running.out.wait_for("^reloaded .*'1000'$")
    assert time.monotonic() - began < 13
    assert len([line for line in running.out.all() if line.startswith("reloaded")]) <= 11


def test_a_splay_spreads_changes_and_delays_no_start(start: Start, manifest: Manifest, root: Path) -> None:
    """A random part of it; what is wanted meanwhile waits no longer, and goes live in the place of the older one."""
    command = program("show_config", f"{root}/key")
    options = [f"--manifest={manifest(key='one')}", f"--configroot={root}", "--settle=0", "--splay=4", "--reload-interval=0"]
    began = time.monotonic()
    running = start(*options, command=command)
    running.out.wait_for("^started 'one'$")
    assert time.monotonic() - began < DEADLINE_S
    delays = []
    for number in range(3):
        began = time.monotonic()
        manifest(key=f"{number}a")
        manifest(key=f"{number}b")
        running.out.wait_for(f"^reloaded .*'{number}b'$")
        delays.append(time.monotonic() - began)

    assert max(delays) < 4 + soon_s()
    assert max(delays) - min(delays) > 0.01, "they differ"
    assert not [line for line in running.out.all() if line.endswith("a'")]
