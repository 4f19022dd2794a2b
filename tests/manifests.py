"""Manifests of the tests: each object holds the canary, and a file is replaced in one step, as an editor does."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.running import LAST_APPLIED

# For those who write YAML by hand: the annotations of an object, and the metadata of one called `app`.
NOTES = json.dumps(LAST_APPLIED)
_SHOWN = re.compile(r"^kind: (ConfigMap|Secret)\nmetadata:\n(?!  annotations:)", re.MULTILINE)
METADATA = f"{{name: app, annotations: {NOTES}}}"


def configmap(name: str, data: Mapping[str, str] | None = None, **more: object) -> dict[str, Any]:
    """A ConfigMap, with `binaryData` or whatever else there is `more` of it."""
    return {"kind": "ConfigMap", "metadata": {"name": name, "annotations": LAST_APPLIED}, "data": dict(data or {}), **more}


def put(path: Path, what: str | Mapping[str, object]) -> Path:
    """Write a text or an object, which as JSON is YAML too; whoever the program runs as may read it."""
    passing = path.with_suffix(".new")
    passing.write_text(what if isinstance(what, str) else json.dumps(what))
    passing.chmod(0o644)
    return passing.rename(path)


def marked(text: str) -> str:
    """The text of a manifest that people are shown, with the canary in each of its objects, once."""
    return _SHOWN.sub(lambda head: f"{head[0]}  annotations: {NOTES}\n", text)
