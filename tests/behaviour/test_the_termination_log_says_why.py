from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Manifest, Start, needs_root
from tests.running import AS_PID1, SUPERVISOR, program


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """The file, as Kubernetes makes it: empty."""
    path = tmp_path / "termination-log"
    path.write_text("")
    return path


def said(log: Path) -> dict[str, Any]:
    """Its one line."""
    (line,) = log.read_text().splitlines()
    words: dict[str, Any] = json.loads(line)
    return words


def test_a_command_that_ends_by_itself(start: Start, log: Path) -> None:
    """With its code, and the signal's number if it was one."""
    running = start(f"--termination-log={log}", command=["sh", "-c", "exit 7"])
    running.wait()
    seven = said(log)
    running = start(f"--termination-log={log}", command=["sh", "-c", "kill -SEGV $$"])

    assert running.wait() == 139
    assert seven == {"cause": "the command ended with exit code 7", "exit_code": 7, "command_exit_code": 7}
    assert said(log)["cause"] == "the command ended with exit code 139 (signal 11)"


def test_a_stop_that_was_asked_for(start: Start, log: Path) -> None:
    """Told from a command that ended by itself; the code may be another one."""
    running = start(f"--termination-log={log}", "--remap-exit=143", command=program("show_signals", "stay"))
    running.out.wait_for("ready")
    running.send(signal.SIGTERM)
    running.out.wait_for("^signal 15$")
    os.kill(running.child_pids()[0], signal.SIGKILL)

    assert running.wait() == 137
    assert said(log) == {"cause": "asked to stop", "exit_code": 137, "command_exit_code": 137}


def test_what_is_live_and_what_was_refused_last(start: Start, manifest: Manifest, root: Path, log: Path) -> None:
    """With the checker's last words, and no content."""
    options = (f"--termination-log={log}", f"--configroot={root}", "--settle=0", "--reload-interval=0")
    check = "--validate=sh -c 'grep -q bad {}/key && echo line 3: unknown directive && exit 1 || true'"
    running = start(*options, f"--manifest={manifest(key='canary-1')}", check, command=program("show_config", f"{root}/key"))
    live = running.wait_for_event("config.applied")["revision"]
    manifest(key="canary-2 bad")
    refused = running.wait_for_event("config.refused")["revision"]
    os.kill(running.child_pids()[0], signal.SIGKILL)
    running.wait()

    assert said(log) == {
        "cause": "the command ended with exit code 137 (signal 9)",
        "exit_code": 137,
        "command_exit_code": 137,
        "live_revision": live,
        "refused_revision": refused,
        "refused_reason": "--validate: sh exits 1: line 3: unknown directive",
    }


def test_a_start_that_is_not_possible(start: Start, root: Path, tmp_path: Path, log: Path) -> None:
    """No command, and no configuration."""
    start(f"--termination-log={log}", command=["/no/such/command"]).wait()
    no_command = said(log)
    late = (f"--manifest={tmp_path}/later.yaml", f"--configroot={root}", "--startup-timeout=4")
    code = start(f"--termination-log={log}", *late, command=["true"]).wait()

    assert no_command["exit_code"] == 127
    assert "no such command" in no_command["cause"]
    assert code == 125
    assert said(log)["cause"].startswith("no configuration after 4 s (--startup-timeout): cannot read")


def test_a_long_reason_is_cut(start: Start, manifest: Manifest, root: Path, log: Path) -> None:
    """Kubernetes takes 4,096 bytes: the line stays whole JSON."""
    options = (f"--termination-log={log}", f"--configroot={root}", "--settle=0")
    check = '--validate=sh -c \'grep -q bad {}/key && head -c 4000 /dev/zero | tr "\\0" "\\"" && exit 1 || true\''
    running = start(*options, f"--manifest={manifest(key='one')}", check, command=program("show_config", f"{root}/key"))
    running.wait_for_event("config.applied")
    manifest(key="bad")
    running.wait_for_event("config.refused")
    running.stop()

    assert 3000 < log.stat().st_size <= 4096
    assert said(log)["refused_reason"].endswith(" …")


@needs_root
@pytest.mark.parametrize("options", [[], ["--log-level=info"]])
def test_kubernetes_own_file_is_found(options: list[str], log: Path) -> None:
    """Where it exists, in a run without any option too."""
    mount = f'mount -t tmpfs none /dev && touch /dev/termination-log && mount --bind {log} /dev/termination-log && exec "$@"'
    subprocess.run(
        ["unshare", "--mount", "sh", "-c", mount, "sh", *SUPERVISOR, *options, "--", "sh", "-c", "exit 3"],
        check=False,
        stderr=subprocess.DEVNULL,
    )

    assert said(log) == {"cause": "the command ended with exit code 3", "exit_code": 3, "command_exit_code": 3}


@needs_root
def test_wrong_usage_of_pid1_is_there_too(log: Path) -> None:
    """A typo in a pod spec; but not what somebody tries in a container that runs."""
    mount = f'mount -t tmpfs none /dev && touch /dev/termination-log && mount --bind {log} /dev/termination-log && exec "$@"'
    words = ["unshare", "--mount", "sh", "-c", mount, "sh"]
    subprocess.run([*words, *SUPERVISOR, "--confgmap=x"], check=False, stderr=subprocess.DEVNULL)
    by_hand = log.read_text()
    subprocess.run([*words, *AS_PID1, *SUPERVISOR, "--confgmap=x"], check=False, stderr=subprocess.DEVNULL)

    assert by_hand == ""
    assert said(log) == {"cause": "wrong usage: unknown option --confgmap: did you mean --configmap?", "exit_code": 2}
