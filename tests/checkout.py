"""The repository that holds these tests, and new copies of it."""

from __future__ import annotations

import shutil
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
README = (REPOSITORY / "README.md").read_text()

_MADE = (".git", ".venv", "__pycache__", ".*_cache", ".hypothesis", "dist", "build")  # what .gitignore names, and git's own


def clone(to: Path) -> Path:
    """Copy what a new clone would hold: all but what was made here."""
    return Path(shutil.copytree(REPOSITORY, to, ignore=shutil.ignore_patterns(*_MADE)))
