from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Manifest, Start, needs_root
from tests.running import AS_PID1, begun_by, descendants, eventually, pids_with, program, state

Result = dict[str, Any]


def run_hooks(count: int, timeout_s: float, script: str, prefix: Sequence[str] = ()) -> list[Result]:
    """What each hook came to, and a last line with what is left of them; as PID 1 if we may."""
    words = [*(AS_PID1 if os.geteuid() == 0 else []), *prefix, *program("run_hooks", str(count), str(timeout_s), script)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(words, stdout=subprocess.PIPE, check=True, timeout=500, env=environment)
    return [json.loads(line) for line in done.stdout.splitlines()]


@needs_root
@pytest.mark.parametrize("count", [400, pytest.param(10_000, marks=[pytest.mark.slow, pytest.mark.timeout(600)])])
def test_every_code_is_right_while_each_hook_leaves_an_orphan(count: int) -> None:
    """One loop waits for all; it mistakes no orphan for a hook, and leaves no zombie."""
    *results, end = run_hooks(count, 20, "(true &); exit $((NUMBER % 256))")

    assert [result.get("code", result) for result in results] == [number % 256 for number in range(count)]
    assert end["orphans"] > count * 0.75, "the last ones may still run"
    assert end["zombies"] == 0
    assert end["descriptors"] < 10


def test_the_last_words_are_kept() -> None:
    """Of both streams, the last 4 KiB; a signal is 128 and its number."""
    loud, killed, _ = run_hooks(2, 20, "[ $NUMBER = 0 ] || kill -9 $$; yes | head -c 1000000; echo why >&2; exit 7")

    assert (loud["code"], len(loud["output"]), loud["output"][-6:]) == (7, 4096, "y\nwhy\n")
    assert killed == {"code": 137, "output": ""}


def test_a_hook_that_hangs_is_killed_with_its_group(tmp_path: Path) -> None:
    """It ignores TERM, has a child that does too, and prints without end."""
    pids = tmp_path / "pids"
    began = time.monotonic()
    result, _ = run_hooks(1, 0.3, f"trap '' TERM; (trap '' TERM; echo up >> {pids}; sleep 77777) & echo last words; yes")

    assert result["timeout"]
    assert result["output"].endswith("y\n")
    assert time.monotonic() - began < 10
    eventually(lambda: not pids_with("sleep\00077777"), "none is left")


def test_a_hooks_end_is_not_the_end_of_its_output() -> None:
    """A daemon that it leaves behind keeps its output open; nobody waits for that."""
    began = time.monotonic()
    result, _ = run_hooks(1, 50, "sleep 40 & echo done; exit 3")

    assert result == {"code": 3, "output": "done\n"}
    assert time.monotonic() - began < 20


def test_a_hook_that_cannot_be_started_is_an_error(tmp_path: Path) -> None:
    """Not a code: it has said nothing."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "PATH": str(tmp_path)}
    done = subprocess.run(program("run_hooks", "1", "5", "exit 0"), stdout=subprocess.PIPE, check=True, env=environment)

    assert json.loads(done.stdout.splitlines()[0]) == {"error": "[Errno 2] No such file or directory: 'sh'"}


@pytest.mark.plain
def test_a_hook_that_ends_when_the_command_starts_is_heard_of(
    start: Start, manifest: Manifest, root: Path, tmp_path: Path
) -> None:
    """Its end comes to the main thread as one signal with the word that the first configuration is there."""
    options = (f"--manifest={manifest(key='1')}", f"--configroot={root}", "--settle=0", "--reload-none", "--validate=true {}")
    before = start(*options, command=["sleep", "60"])
    before.wait_for_event("config.applied")
    before.stop()
    (tmp_path / "manifest.yaml").unlink()
    environment = begun_by("late_to_wait", GO=tmp_path / "go", WAITS=tmp_path / "waits")
    running = start(*options, command=["sleep", "60"], environment=environment)
    eventually((tmp_path / "waits").exists, "it waits for the first configuration")
    manifest(key="1")
    running.wait_for_event("config.unchanged")
    manifest(key="2")
    eventually(lambda: any(state(pid) == "Z" for pid in descendants(running.pid)), "the check of the second has ended")
    (tmp_path / "go").touch()

    assert running.wait_for_event("config.applied")["message"] == "the configuration is live"
    assert not [pid for pid in descendants(running.pid) if state(pid) == "Z"]


@pytest.mark.parametrize("free", [2, 3])
def test_a_hook_that_lacks_descriptors_keeps_none(free: int) -> None:
    """There are enough for one of its two pipes: an error, and they are there again for whoever comes next."""
    *_, end = run_hooks(0, 5, "exit 0")
    limit = end["descriptors"] - 1 + free  # the listing itself takes one
    *results, end_then = run_hooks(3, 5, "exit 0", ["prlimit", f"--nofile={limit}:{limit}"])

    assert results == [{"error": "[Errno 24] Too many open files"}] * 3
    assert end_then["descriptors"] == end["descriptors"]
