from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Manifest, Start, needs_root
from tests.running import SUPERVISOR, program

SHOW_STATUS = ["cat", "/proc/self/status"]


def masks(lines: list[str]) -> dict[str, int]:
    """The signal masks of a process, from its status file, but for 32 and 33: whoever starts us may leave these ignored.

    They are the C library's own, and its posix_spawn(3) does, which make and newer Pythons use.
    """
    fields = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
    return {name: int(fields[name], 16) & ~(0b11 << 31) for name in ("SigBlk", "SigIgn", "SigCgt")}


def given_masks() -> dict[str, int]:
    """What this test itself hands on."""
    return masks(subprocess.run(SHOW_STATUS, stdout=subprocess.PIPE, check=True, text=True).stdout.splitlines())


@pytest.mark.parametrize("as_pid1", [pytest.param(True, marks=needs_root), False])
def test_no_signal_is_blocked_or_ignored_for_the_command(start: Start, as_pid1: bool) -> None:
    """We block all signals and Python ignores two; the command sees none of that."""
    running = start(command=SHOW_STATUS, as_pid1=as_pid1)

    assert running.wait() == 0
    assert masks(running.out.wait_for_end()) == given_masks()


def test_signals_that_were_blocked_and_ignored_for_us_are_so_for_the_command(start: Start) -> None:
    """As under nohup: what we were given is handed on."""
    world = ["sh", "-c", 'trap "" HUP USR1; exec "$@"', "sh"]
    running = start(command=SHOW_STATUS, prefix=world)

    assert running.wait() == 0
    ignored = 1 << (signal.SIGHUP - 1) | 1 << (signal.SIGUSR1 - 1)
    assert masks(running.out.wait_for_end())["SigIgn"] == given_masks()["SigIgn"] | ignored


def test_signals_that_the_launcher_of_the_bundle_has_blocked_are_not_for_the_command() -> None:
    """It blocks all of them before Python starts, and says what was blocked before: here signal 10."""
    words = [sys.executable, "-Xgiven_mask=200", "-m", "supervisor", "--", *SHOW_STATUS]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(words, env=environment, stdout=subprocess.PIPE, check=True, text=True)

    assert masks(done.stdout.splitlines())["SigBlk"] == 0x200


def test_the_command_has_no_descriptor_of_ours(start: Start, manifest: Manifest, root: Path) -> None:
    """Neither the configroot's lock nor anything else, also when the watching threads run."""
    running = start(f"--manifest={manifest(key='value')}", f"--configroot={root}", command=program("show_world"))

    assert running.wait() == 0
    world = json.loads(running.out.wait_for_end()[0])
    assert world["descriptors"] == [0, 1, 2]
    assert world["leads_group"]


@pytest.mark.parametrize(("closed", "open_ones"), [("<&-", "12"), (">&-", "02"), ("2>&-", "01"), ("<&- >&- 2>&-", "")])
def test_a_standard_descriptor_that_was_closed_stays_closed(closed: str, open_ones: str, tmp_path: Path) -> None:
    """None of our own files takes its number, neither for us nor for the command."""
    report = tmp_path / "report"
    look = f"for n in 0 1 2; do [ -e /proc/$$/fd/$n ] && r=$r$n; done; echo $r > {report}"
    subprocess.run(["sh", "-c", f'"$@" {closed}', "sh", *SUPERVISOR, "--", "sh", "-c", look], check=True)

    assert report.read_text().strip() == open_ones


def test_the_environment_arrives_byte_for_byte() -> None:
    """In its order, with what stands there twice and what is no NAME=VALUE; Python's own LC_CTYPE (PEP 538) is not seen."""
    ours = [b"PATH=%b" % os.environb[b"PATH"], b"PYTHONPATH=%b" % str(Path(__file__).parents[2]).encode()]
    odd = [b"Z=1", b"A=2", b"Z=3", b"NOTHING", b"=x", b"E=", b"LANG=", b"ODD=a=b \xff\n c", b"A=\xc3\xbc"]
    for locale in ([], [b"LC_CTYPE="], [b"LC_CTYPE=C"], [b"LC_CTYPE=C.UTF-8"], [b"LC_ALL=C"]):
        given = [*odd, *locale, *ours, b"LAST=1"]
        words = program("odd_environment", json.dumps([entry.hex() for entry in given]), *SUPERVISOR, "--")
        done = subprocess.run(
            [*words, "cat", "/proc/self/environ"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True
        )

        assert done.stdout.split(b"\0")[:-1] == given


def test_directory_umask_and_arguments_are_untouched(tmp_path: Path) -> None:
    """The words after -- are the command's, also those that look like ours."""
    words = ["--help", "--", "-x", "", "ü\n", "--configroot=/nowhere"]
    umask = os.umask(0o027)
    try:
        done = subprocess.run(
            [*SUPERVISOR, "--", *program("show_world", *words)],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
            stdout=subprocess.PIPE,
            check=True,
        )
    finally:
        os.umask(umask)

    world = json.loads(done.stdout)
    assert (world["directory"], world["umask"], world["arguments"]) == (str(tmp_path), 0o027, words)
