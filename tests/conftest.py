"""What all tests share."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.running import Running

Start = Callable[..., Running]
Manifest = Callable[..., Path]

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to make namespaces")


@pytest.fixture
def start() -> Iterator[Start]:
    """Start the real program; all that were started are gone after the test."""
    with ExitStack() as stack:

        def start(*options: str, **more: Any) -> Running:
            return stack.enter_context(Running(options, **more))

        yield start


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A configroot that does not exist yet."""
    return tmp_path / "config"


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    """Write a manifest of one ConfigMap, in one step as an editor does, and return its path."""

    def write(**data: str) -> Path:
        path = tmp_path / "manifest.yaml"
        lines = ["kind: ConfigMap", "metadata: {name: app}", "data:", *(f"  {key}: {value!r}" for key, value in data.items())]
        passing = path.with_suffix(".new")
        passing.write_text("\n".join(lines) + "\n")
        return passing.rename(path)

    return write
