from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import HttpApp, Manifest, Start
from tests.running import Running, program

pytestmark = pytest.mark.plain

CLUSTER = {"kubernetes", "urllib3", "requests", "aiohttp"}
SOURCES = {"yaml", "inotify_simple"}
# What no plain init needs. Python says at each import what it was, if it is asked to (-X importtime).
ASK = {"PYTHONPROFILEIMPORTTIME": "1"}


def loaded(running: Running) -> set[str]:
    """The top-level modules that an ended run has imported, in any thread."""
    lines = [line for line in running.err.wait_for_end() if line.startswith("import time:")]
    assert len(lines) > 30
    return {line.rpartition("|")[2].strip().partition(".")[0] for line in lines}


def test_a_plain_init_loads_no_library_of_ours(start: Start) -> None:
    """Neither that of the cluster nor psutil, and what reads manifests or writes logs only when there is something to do."""
    running = start(command=["true"], environment=ASK)

    assert running.wait() == 0
    assert loaded(running) & (CLUSTER | SOURCES | {"psutil", "pythonjsonlogger", "logging", "http", "ssl"}) == set()


def test_a_plain_init_has_no_options_to_parse(start: Start) -> None:
    """A run without options needs no parser."""
    running = start(command=["true"], environment=ASK)

    assert running.wait() == 0
    assert "docopt" not in loaded(running)


def test_without_a_cluster_its_library_is_not_loaded(start: Start, manifest: Manifest, root: Path, http_app: HttpApp) -> None:
    """Nor psutil, as long as no other process than the command is told by a signal."""
    url, requests = http_app(root / "key")
    running = start(f"--manifest={manifest(key='one')}", f"--configroot={root}", f"--reload-http={url}", environment=ASK)
    requests.wait_for("^POST")

    assert running.stop() == 0
    modules = loaded(running)
    assert modules & (CLUSTER | {"psutil"}) == set()
    assert "yaml" in modules


def test_to_signal_the_command_takes_no_library(start: Start, manifest: Manifest, root: Path) -> None:
    """It is our own child: all that there is to know of it stands in one file of /proc."""
    command = program("show_config", f"{root}/key")
    running = start(f"--manifest={manifest(key='one')}", f"--configroot={root}", command=command, environment=ASK)
    running.out.wait_for("^started")
    manifest(key="two")
    running.out.wait_for("^reloaded")
    running.stop()

    assert "psutil" not in loaded(running)
