"""What users of tini and dumb-init rely on; the same tests pass with those two, where they have the feature."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from tests.conftest import Start, needs_root
from tests.inits import DUMB_INIT, OURS, TINI, Init, every_init
from tests.running import Running, eventually, program

RT = int(signal.SIGRTMIN)
JOB_CONTROL: set[int] = {signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU}
FAULTS: set[int] = {
    *(signal.SIGILL, signal.SIGTRAP, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGSEGV, signal.SIGSYS),
}
NEVER: set[int] = {signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD}
PID1_OR_NOT = [pytest.param(True, marks=needs_root, id="pid1"), pytest.param(False, id="child")]
pid1_or_not = pytest.mark.parametrize("as_pid1", PID1_OR_NOT)


def run(start: Start, init: Init, *command: str, as_pid1: bool = False, **wishes: object) -> Running:
    """Start an init around a command."""
    return start(*init.told(**wishes), init=init.words, command=command, as_pid1=as_pid1)


# --- signals


@every_init()
@pid1_or_not
def test_every_signal_that_can_be_caught_is_forwarded_once(start: Start, init: Init, as_pid1: bool) -> None:
    """From 1 to 64; with us also those of faults, and as a job of a shell those of job control."""
    left_out = NEVER | {signal.SIGTERM}
    if init.name == TINI:
        left_out |= FAULTS | {signal.SIGTTIN, signal.SIGTTOU}  # it leaves the first to itself, and ignores the others
    elif init.name == DUMB_INIT and not as_pid1:
        left_out |= JOB_CONTROL  # it stops itself, whatever the command does
    numbers = sorted(int(number) for number in signal.valid_signals() - left_out)
    running = run(start, init, *program("show_signals", "7"), as_pid1=as_pid1)
    running.out.wait_for("ready")

    for number in numbers:
        running.send(number)
        running.out.wait_for(f"^signal {number}$")
    running.send(signal.SIGTERM)

    assert running.wait() == 7
    assert running.out.wait_for_end() == ["ready", *(f"signal {number}" for number in numbers), "signal 15"]


@every_init()
def test_the_end_of_a_child_is_not_forwarded(start: Start, init: Init) -> None:
    """SIGCHLD is the init's: the command hears only of its own children."""
    running = run(start, init, *program("show_signals"))
    running.out.wait_for("ready")
    running.send(signal.SIGCHLD)
    running.send(signal.SIGUSR1)
    running.out.wait_for(f"^signal {int(signal.SIGUSR1)}$")

    assert running.stop() == 0
    assert f"signal {int(signal.SIGCHLD)}" not in running.out.wait_for_end()


@every_init("rewrite")
@pytest.mark.parametrize(("rewrite", "sent", "got"), [("15:3", 15, 3), ("10:12", 10, 12), ("3:0", 3, None)])
def test_a_signal_is_rewritten_or_dropped(start: Start, init: Init, rewrite: str, sent: int, got: int | None) -> None:
    """By number, as dumb-init wants it; 0 drops."""
    running = run(start, init, *program("show_signals"), rewrite=rewrite)
    running.out.wait_for("ready")
    running.send(sent)
    running.send(signal.SIGWINCH)
    running.out.wait_for("^signal 28$")

    if got:
        running.out.wait_for(f"^signal {got}$")
    assert sorted(running.out.all()) == sorted(["ready", "signal 28", *([f"signal {got}"] if got else [])])


@every_init("group")
def test_the_whole_group_gets_a_signal_if_asked_for(start: Start, init: Init) -> None:
    """A shell that waits for what it has started hears of it, and that too."""
    show = " ".join(program("show_signals"))
    running = run(start, init, "sh", "-c", f"{show} & exec {show}", group="")
    running.out.wait_for("ready", times=2)
    running.send(signal.SIGUSR2)
    running.out.wait_for("^signal 12$", times=2)

    assert running.stop() == 0


@every_init("own group")
def test_only_the_command_gets_a_signal_otherwise(start: Start, init: Init) -> None:
    """A command that stops its children in an order of its own is left to it."""
    show = " ".join(program("show_signals"))
    running = run(start, init, "sh", "-c", f"exec 3<&0; {show} <&3 & echo $! >&2; exec {show}")
    running.out.wait_for("ready", times=2)
    running.send(signal.SIGUSR2)
    running.send(signal.SIGTERM)

    assert running.wait() == 0
    os.kill(int(running.err.wait_for(r"^\d+$")), signal.SIGKILL)
    assert running.out.wait_for_end().count("signal 12") == 1


@every_init("own group")
def test_the_command_leads_a_group_in_our_session(start: Start, init: Init) -> None:
    """So that a signal to the group reaches all that it has started, and nobody else."""
    running = run(start, init, "sh", "-c", "ps -o pid=,pgid=,sid= -p $$")

    assert running.wait() == 0
    pid, group, session = map(int, running.out.wait_for_end()[0].split())
    assert (group, session) == (pid, os.getsid(0))


@every_init("session")
@pid1_or_not
def test_the_command_leads_a_session_if_asked_for(start: Start, init: Init, as_pid1: bool) -> None:
    """As dumb-init does it without being asked."""
    running = run(start, init, "sh", "-c", "ps -o pid=,pgid=,sid= -p $$", as_pid1=as_pid1, session="")

    assert running.wait() == 0
    assert len(set(running.out.wait_for_end()[0].split())) == 1


@every_init("session")
@pytest.mark.parametrize("number", sorted(JOB_CONTROL))
def test_a_stop_signal_stops_a_session_of_its_own(start: Start, init: Init, number: int) -> None:
    """There the kernel would drop it, because nobody in the session could wake the group: STOP is sent in its place."""
    running = run(start, init, "sh", "-c", "echo $$; exec sleep 60", session="")
    pid = int(running.out.wait_for("^[0-9]+$"))
    running.send(number)
    eventually(lambda: state(pid) == "T", "the command is stopped")
    eventually(lambda: state(running.pid) == "T", "so are we")
    running.send(signal.SIGCONT)
    eventually(lambda: state(pid) == "S", "the command runs again")

    assert running.stop() == 143


def state(pid: int) -> str:
    """The state of a process, as T for stopped."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


# --- a storm of signals


@every_init()
@needs_root
def test_no_signal_of_a_storm_is_lost_while_orphans_die(start: Start, init: Init) -> None:
    """1,000 of ten kinds in random order at full speed: each standard one arrives after its last sending, real-time ones all."""
    standard = [int(signal.Signals[f"SIG{name}"]) for name in ("HUP", "USR1", "USR2", "ALRM", "WINCH", "URG")]
    real_time = [RT, RT + 1, RT + 7, int(signal.SIGRTMAX)]
    running = run(start, init, *program("make_orphans_and_show_signals"), as_pid1=True)
    running.out.wait_for("ready")
    pid = running.pid
    sent = Counter(random.choices([*standard, *real_time], k=1000))
    for number in random.sample(list(sent.elements()), k=1000):
        os.kill(pid, number)
    for number in real_time:
        running.out.wait_for(f"^signal {number}$", times=sent[number])
    for number in standard:  # however many were merged: one that is sent now comes after all of them
        before = arrived(running)[number]
        os.kill(pid, number)
        running.out.wait_for(f"^signal {number}$", times=before + 1)

    assert running.stop() == 0
    counts = arrived(running)
    assert {number: counts[number] for number in real_time} == {number: sent[number] for number in real_time}
    assert all(2 <= counts[number] <= sent[number] + 1 for number in standard)


def arrived(running: Running) -> Counter[int]:
    """How often the command has got each signal so far."""
    return Counter(int(line.split()[1]) for line in running.out.all() if line.startswith("signal"))


# --- orphans


@every_init()
@needs_root
@pytest.mark.parametrize("number", [1_000, pytest.param(10_000, marks=pytest.mark.slow)])
def test_pid1_reaps_thousands_of_orphans_that_are_left_to_it_at_once(start: Start, init: Init, number: int) -> None:
    """In a time that grows with their number, and not faster: then it would be minutes. The command's code is right."""
    running = run(start, init, *program("make_orphans", str(number), "42"), as_pid1=True)

    assert running.wait(60) == 42
    assert float(running.out.wait_for("^took").split()[1]) < 3000


@every_init("subreaper")
def test_a_subreaper_reaps_without_being_pid1(start: Start, init: Init) -> None:
    """Orphans come to it, and leave no zombie."""
    running = run(start, init, "sh", "-c", "sh -c 'sleep 60 & echo $!'; sleep 60", subreaper="")
    orphan = int(running.out.wait_for("^[0-9]+$"))
    eventually(lambda: orphan in running.child_pids(), "the orphan is a child of the subreaper")
    os.kill(orphan, signal.SIGKILL)
    eventually(lambda: not Path(f"/proc/{orphan}").exists(), "it was reaped")

    assert running.stop() == 143


@every_init("says why")
def test_who_cannot_reap_says_so_once(start: Start, init: Init) -> None:
    """Neither PID 1 nor subreaper: tini says it in three lines, we in one."""
    running = run(start, init, "true")

    assert running.wait() == 0
    assert len([line for line in running.err.wait_for_end() if "PID 1" in line and "not " in line]) == 1


@every_init("says why")
@pytest.mark.parametrize("how", [pytest.param("pid1", marks=needs_root), "subreaper"])
def test_who_can_reap_says_nothing(start: Start, init: Init, how: str) -> None:
    """A warning that means nothing is worse than none."""
    running = run(start, init, "true", as_pid1=how == "pid1", **({"subreaper": ""} if how == "subreaper" else {}))

    assert running.wait() == 0
    assert running.err.wait_for_end() == []


# --- the end


@every_init()
@pytest.mark.parametrize("code", [0, 1, 2, 42, 125, 126, 127, 128, 143, 255])
def test_the_commands_code_is_ours(start: Start, init: Init, code: int) -> None:
    """Whatever the command leaves with."""
    assert run(start, init, "sh", "-c", f"exit {code}").wait() == code


@every_init()
@pid1_or_not
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV, signal.SIGHUP, RT + 1])
def test_a_command_that_a_signal_killed_gives_128_and_its_number(start: Start, init: Init, number: int, as_pid1: bool) -> None:
    """As a shell tells it."""
    assert run(start, init, "sh", "-c", f"kill -{int(number)} $$", as_pid1=as_pid1).wait() == 128 + number


@every_init("remap")
def test_codes_can_be_remapped_to_0(start: Start, init: Init) -> None:
    """143 is how a Java program ends when it is asked to; several can be named; others stay."""
    assert run(start, init, "sh", "-c", "kill $$", remap=143).wait() == 0
    assert start(*init.told(remap=143), *init.told(remap=3), init=init.words, command=["sh", "-c", "exit 3"]).wait() == 0
    assert run(start, init, "sh", "-c", "exit 4", remap=3).wait() == 4


@every_init("own group")
def test_a_command_that_is_not_there_or_not_executable_gives_127_or_126(start: Start, init: Init, tmp_path: Path) -> None:
    """With its name."""
    (tmp_path / "file").touch()
    missing, locked = run(start, init, "no-such-command"), run(start, init, str(tmp_path / "file"))

    assert (missing.wait(), locked.wait()) == (127, 126)
    assert any("no-such-command" in line for line in missing.err.wait_for_end())
    assert any("Permission denied" in line for line in locked.err.wait_for_end())


@every_init("parent_death")
def test_the_death_of_our_parent_can_be_a_signal(start: Start, init: Init) -> None:
    """It is sent to us, and so forwarded."""
    prefix = ["sh", "-c", '"$@" & echo $! >&2; wait', "sh"]
    running = start(*init.told(parent_death="USR1"), init=init.words, command=program("show_signals"), prefix=prefix)
    running.out.wait_for("ready")
    pid = int(running.err.wait_for("^[0-9]+$"))
    running.send(signal.SIGKILL)  # to the shell
    running.out.wait_for("^signal 10$")

    os.kill(pid, signal.SIGTERM)
    assert running.out.wait_for_end()[-1] == "signal 15"


# --- the command's world

GIVEN = ["nice", "-n", "5", "choom", "-n", "100", "--", "sh", "-c", 'ulimit -n 99; umask 027; cd /usr; exec "$@"', "sh"]
FILES = [f"/proc/self/{name}" for name in ("status", "limits", "oom_score_adj", "environ", "timerslack_ns", "personality")]
LOOKS = [
    ["cat", *FILES],  # not by a shell, which has signals of its own
    ["sh", "-c", "nice; pwd; umask; ls -l /proc/self/fd | sed 's/.*[0-9] //; s/[0-9]*]//; /proc/d'"],
]
# Of two processes that are started alike.
DIFFERS = re.compile(r"(FDSize|Tgid|Ngid|Pid|PPid|NS\w+|Vm\w+|Rss\w+|Hugetlb\w+|SigQ|\w*ctxt_switches|Speculation\w+):")


def world(*init: str) -> list[str]:
    """What commands see that are started by an init, or without one."""
    environment = {"PATH": os.environ["PATH"], "ODD": "a=b \u00fc\n c", "LANG": "C", "PYTHONPATH": str(Path(__file__).parents[2])}
    lines = []
    for look in LOOKS:
        words = [*GIVEN, *init, *look]
        done = subprocess.run(words, env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=True)
        lines += done.stdout.decode().splitlines()
    return [line for line in lines if not DIFFERS.match(line)]


@every_init()
@pid1_or_not
def test_the_commands_world_is_the_one_that_we_were_given(init: Init, as_pid1: bool) -> None:
    """Nice value, limits, oom score, umask, folder, ids, masks, capabilities, descriptors, environment, timer slack."""
    unshare = ["unshare", "--pid", "--fork", "--mount-proc"] if as_pid1 else []

    assert world(*unshare, *init.words, *init.told(), "--") == world(*unshare)


@every_init("keeps ignored")
def test_signals_that_were_blocked_or_ignored_for_us_are_so_for_the_command(init: Init) -> None:
    """As under nohup. Also SIGCHLD, which an init must not ignore itself: tini does then, and never hears of any end."""
    given = ["env", "--ignore-signal=HUP", "--ignore-signal=USR1", "--block-signal=WINCH"]
    given += ["--ignore-signal=CHLD"] if init.name == OURS else []
    words, show = [*init.words, "--"], ["grep", "Sig[BIC]", "/proc/self/status"]
    plain, ours = (
        subprocess.run([*given, *start, *show], capture_output=True, timeout=20, check=True).stdout for start in ([], words)
    )
    ended = subprocess.run([*given, *words, "sh", "-c", "exit 7"], stderr=subprocess.DEVNULL, timeout=20, check=False)

    assert ours == plain
    assert ended.returncode == 7
