from __future__ import annotations

import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from supervisor.model import Revision
from tests.asking import address_of, ask
from tests.checkout import README
from tests.conftest import HttpApp, Manifest, Start
from tests.running import DEADLINE_S, Running, eventually, program


def samples(running: Running) -> dict[str, float]:
    """Every sample of a scrape, by name and labels."""
    lines = ask(address_of(running), "/metrics").body.decode().splitlines()
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if not line.startswith("#"))}


def wait_for_sample(running: Running, name: str, value: float, deadline_s: float = DEADLINE_S) -> None:
    """A sample gets a value."""
    eventually(lambda: samples(running).get(f"config_supervisor_{name}") == value, f"{name} is {value}", deadline_s)


@pytest.mark.skipif(not shutil.which("promtool"), reason="no promtool")
@pytest.mark.parametrize("has_source", [True, False])
def test_promtool_finds_no_fault(start: Start, manifest: Manifest, root: Path, has_source: bool) -> None:
    """Names, units, types and help texts of everything that is there after changes, signals and exits of orphans."""
    options = [f"--manifest={manifest(key='one')}", f"--configroot={root}"] if has_source else []
    running = start("--listen=127.0.0.1:0", *options, command=program("show_config", f"{root}/key"))
    running.out.wait_for("^started")
    running.send(signal.SIGHUP)
    running.out.wait_for("^reloaded")
    body = ask(address_of(running), "/metrics").body
    done = subprocess.run(["promtool", "check", "metrics"], input=body, capture_output=True, check=False)

    assert (done.returncode, done.stdout + done.stderr) == (0, b"")
    assert body.count(b"# TYPE") > (25 if has_source else 10)


def test_each_change_is_counted_by_its_verdict(start: Start, manifest: Manifest, root: Path, http_app: HttpApp) -> None:
    """Applied and rolled back; the revision that is live, its size and whether it is what is wanted."""
    url, _ = http_app(root / "key", 200, 500, 200, 200)
    options = (f"--configroot={root}", f"--reload-http={url}", "--reload-interval=0")
    running = start("--listen=127.0.0.1:0", f"--manifest={manifest(key='one')}", *options)
    revision = Revision(running.wait_for_event("config.applied")["revision"])
    wait_for_sample(running, f'config_info{{revision="{revision}"}}', 1)
    first = samples(running)
    manifest(key="three", other="12345678")
    wait_for_sample(running, 'config_applies_total{verdict="rolled_back"}', 1)
    second = samples(running)
    manifest(key="four")
    wait_for_sample(running, 'config_applies_total{verdict="applied"}', 2)

    assert first["config_supervisor_config_hash"] == int(revision, 16)
    assert (first["config_supervisor_config_files"], first["config_supervisor_config_size_bytes"]) == (1, 3)
    assert first["config_supervisor_config_in_sync"] == 1
    assert first["config_supervisor_config_apply_duration_seconds_count"] == 1
    assert second["config_supervisor_config_in_sync"] == 0
    assert second["config_supervisor_config_failing_since_timestamp_seconds"] == 0
    assert second['config_supervisor_config_step_duration_seconds_count{step="back"}'] == 1
    last, attempt = (
        "config_supervisor_config_last_success_timestamp_seconds",
        "config_supervisor_config_last_attempt_timestamp_seconds",
    )
    assert second[last] == first[last] < second[attempt]
    assert samples(running)["config_supervisor_config_in_sync"] == 1


def test_what_the_init_does_is_counted(start: Start) -> None:
    """Signals by name, orphans, starts."""
    running = start("--listen=127.0.0.1:0", as_pid1=True, command=program("show_signals"))
    running.out.wait_for("ready")
    for number in (signal.SIGUSR1, signal.SIGUSR1, signal.SIGRTMIN + 5):
        count = len(running.out.all())
        running.send(number)
        eventually(lambda count=count: len(running.out.all()) > count, "the signal has arrived")  # type: ignore[misc]

    wait_for_sample(running, 'signals_forwarded_total{signal="SIGUSR1"}', 2)
    wait_for_sample(running, f'signals_forwarded_total{{signal="{signal.SIGRTMIN + 5}"}}', 1)
    wait_for_sample(running, "command_starts_total", 1)
    wait_for_sample(running, "command_up", 1)
    wait_for_sample(running, "orphans_reaped_total", 0)


def test_orphans_are_counted(start: Start) -> None:
    """Ten of them."""
    script = "for i in 1 2 3 4 5 6 7 8 9 10; do (true &) ; done; echo made; exec sleep 100"
    running = start("--listen=127.0.0.1:0", as_pid1=True, command=["sh", "-c", script])
    running.out.wait_for("made")

    wait_for_sample(running, "orphans_reaped_total", 10)


def test_the_readme_lists_every_metric(start: Start, manifest: Manifest, root: Path) -> None:
    """With its type, and no other."""
    running = start(
        "--listen=127.0.0.1:0", f"--manifest={manifest(key='one')}", f"--configroot={root}", command=program("show_signals")
    )
    running.wait_for_event("config.applied")
    running.out.wait_for("ready")
    body = ask(address_of(running), "/metrics").body.decode()
    served = dict(re.findall(r"^# TYPE (config_supervisor_\w+) (\w+)$", body, re.MULTILINE))
    listed = dict(re.findall(r"^\| `(config_supervisor_\w+)(?:\{.*?\})?` \| (\w+) \|", README, re.MULTILINE))

    assert listed == served
