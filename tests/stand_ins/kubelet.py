"""A folder kept as the kubelet keeps a mounted ConfigMap, in the order in which its atomic writer does it."""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Mapping
from pathlib import Path


class Mount:
    """A mounted ConfigMap: `write` shows a new state, and removes the folder of the one before."""

    def __init__(self, place: Path) -> None:
        place.mkdir(parents=True, exist_ok=True)
        self._place = place
        self._numbers = itertools.count(1)

    def write(self, files: Mapping[str, str]) -> None:
        """What the kubelet does some time after the ConfigMap was changed."""
        name = f"..2026_11_24_12_00_00.{next(self._numbers)}"
        for path, text in files.items():
            (self._place / name / path).parent.mkdir(parents=True, exist_ok=True)
            (self._place / name / path).write_text(text)
        (self._place / name).mkdir(exist_ok=True)
        data = self._place / "..data"
        old = os.readlink(data) if data.is_symlink() else None
        (self._place / "..data_tmp").symlink_to(name)
        (self._place / "..data_tmp").rename(data)
        tops = {path.split("/")[0] for path in files}
        for top in tops - set(os.listdir(self._place)):
            (self._place / top).symlink_to(f"..data/{top}")
        for gone in {entry for entry in os.listdir(self._place) if not entry.startswith("..")} - tops:
            (self._place / gone).unlink()
        if old:
            shutil.rmtree(self._place / old)
