"""A side command, run to its end."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from tests.running import CANARY, SUPERVISOR

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1]), "HOME": "/nowhere", "KUBECONFIG": ""}


class Said(NamedTuple):
    """What it said, and with which exit code it left."""

    code: int
    out: str
    err: str


def side(*words: str, environment: Mapping[str, str] | None = None) -> Said:
    """Run `config-supervisor` with these words."""
    done = subprocess.run(
        [*SUPERVISOR, *words], capture_output=True, text=True, env=ENVIRONMENT | dict(environment or {}), timeout=60, check=False
    )
    assert CANARY not in done.stdout + done.stderr, "a content was printed"
    return Said(done.returncode, done.stdout, done.stderr)
