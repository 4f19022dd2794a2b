"""Folders that hypothesis makes up: what is wanted, and what came with the image."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import strategies as st

# Few names and contents, so that what is wanted often meets what is there.
_NAMES = st.sampled_from(["a", "b", "c.conf", ".d"])
_CONTENTS = st.sampled_from(["", "1", "2", "ü\n"])

Files = dict[str, str]
Folder = dict[str, Any]  # name → text of a file, or a Folder


def _folders(leaves: st.SearchStrategy[Any]) -> st.SearchStrategy[Folder]:
    return st.dictionaries(
        _NAMES, st.recursive(leaves, lambda deeper: st.dictionaries(_NAMES, deeper, max_size=3), max_leaves=5), max_size=4
    )


folders = _folders(_CONTENTS)
wanted: st.SearchStrategy[Files] = folders.map(lambda folder: dict(files_of(folder)))


def files_of(folder: Folder, above: str = "") -> Iterator[tuple[str, str]]:
    """The files below a folder, by path; a folder without any is not there."""
    for name, content in folder.items():
        if isinstance(content, dict):
            yield from files_of(content, f"{above}{name}/")
        else:
            yield f"{above}{name}", content


def make(folder: Folder, place: Path) -> None:
    """Write a folder to the disk."""
    place.mkdir()
    for name, content in folder.items():
        if isinstance(content, dict):
            make(content, place / name)
        else:
            (place / name).write_text(content)


def found_in(place: Path) -> Files:
    """What a plain reader finds below a folder, who follows links but does not look at our hidden names. Nothing may dangle."""
    found = {}
    for folder, below, names in os.walk(place, followlinks=True):
        below[:] = [name for name in below if not name.startswith("..")]
        for name in names:
            if not name.startswith(".."):
                path = Path(folder, name)
                found[str(path.relative_to(place))] = path.read_text()
    return found


@contextmanager
def passing_folder() -> Iterator[Path]:
    """A folder for one example."""
    with TemporaryDirectory(prefix="law-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as path:
        yield Path(path)
