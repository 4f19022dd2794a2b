from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.conftest import needs_root
from tests.images.engine import BUNDLE, ENTRY
from tests.images.test_the_bundle_costs_nothing import MADE
from tests.running import AS_PID1, eventually


@needs_root
@pytest.mark.parametrize("wait_s", [0.0, *(random.uniform(0, 0.03) for _ in range(9))])
def test_a_stop_ends_the_bundle_from_its_first_moment(wait_s: float) -> None:
    """The kernel drops signals to PID 1 that meet no handler, and Python takes a while to start: the launcher blocks them."""
    Path(BUNDLE).mkdir(parents=True, exist_ok=True)
    mount = f'mount --bind "$0" {BUNDLE} && exec {ENTRY} -- sleep 60'
    with subprocess.Popen([*AS_PID1, "--mount", "sh", "-c", mount, MADE]) as process:
        try:
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
            pid = int(eventually(lambda: children.read_text().split(), "unshare has a child")[0])
            eventually(lambda: os.readlink(f"/proc/{pid}/exe").startswith(BUNDLE), "the launcher runs")
            time.sleep(wait_s)  # the moment itself
            os.kill(pid, signal.SIGTERM)

            assert process.wait(5) == 128 + signal.SIGTERM
        finally:
            process.kill()
