from __future__ import annotations

import subprocess
from pathlib import Path

from tests.conftest import Manifest, Start, needs_root
from tests.running import eventually


@needs_root
def test_a_sidecar_that_is_pid1_reaps_too(start: Start, manifest: Manifest, root: Path) -> None:
    """What somebody starts in its container by exec leaves orphans as well."""
    running = start(f"--manifest={manifest(key='value')}", f"--configroot={root}", as_pid1=True)
    running.wait_for_event("config.applied")
    pid = running.pid

    subprocess.run(["nsenter", "-t", str(pid), "-p", "sh", "-c", "sh -c 'exit 0' & exec true"], check=True)

    eventually(lambda: not running.child_pids(), "no zombie is left")
    assert running.stop() == 0
