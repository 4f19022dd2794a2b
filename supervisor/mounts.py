"""What is mounted where, as the kernel tells this process, and how the kubelet mounts a ConfigMap."""

from __future__ import annotations

import os
import re

MOUNTS = "/proc/self/mountinfo"  # proc(5)


def mount_points(folder: str) -> set[str]:
    """Everything that is mounted below a folder, as paths below it. Empty where the kernel does not tell."""
    above = os.path.realpath(folder).rstrip("/") + "/"
    return {point[len(above) :] for point, _ in _mounts() if point.startswith(above)}


def mounts_around(path: str) -> list[str]:
    """What is mounted at a path, above and below it, as the kernel writes it: another list means that something else is there."""
    paths = {path, os.path.realpath(path)}
    return [line for point, line in _mounts() if any(_lies_in(point, one) or _lies_in(one, point) for one in paths)]


def _lies_in(path: str, folder: str) -> bool:
    return f"{path}/".startswith(f"{folder.rstrip('/')}/")


def _mounts() -> list[tuple[str, str]]:
    """Every mount point, with all that is told of it."""
    try:
        with open(MOUNTS, encoding="utf-8", errors="surrogateescape") as file:
            return [(re.sub(r"\\([0-7]{3})", _character, line.split(" ")[4]), line) for line in file]
    except OSError:
        return []


def data_folder(folder: str) -> str | None:
    """Where the names in a folder lie if it is a mounted ConfigMap or Secret: in what its link `..data` leads to now.

    Whoever reads from there gets one revision, whatever the kubelet does meanwhile (its *atomic writer*); None for any other
    folder.
    """
    try:
        target = os.readlink(os.path.join(folder, "..data"))
    except OSError:
        return None
    return os.path.join(folder, target) if os.path.isdir(os.path.join(folder, target)) else None


def _character(escaped: re.Match[str]) -> str:
    return chr(int(escaped[1], 8))
