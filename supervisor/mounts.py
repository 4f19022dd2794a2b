"""What is mounted where, as the kernel tells this process (proc(5), *mountinfo*)."""

from __future__ import annotations

import os
import re

MOUNTS = "/proc/self/mountinfo"


def mount_points(folder: str) -> set[str]:
    """Everything that is mounted below a folder, as paths below it. Empty where the kernel does not tell."""
    above = os.path.realpath(folder).rstrip("/") + "/"
    try:
        with open(MOUNTS, encoding="utf-8", errors="surrogateescape") as file:
            points = [re.sub(r"\\([0-7]{3})", _character, line.split(" ")[4]) for line in file]
    except OSError:
        return set()
    return {point[len(above) :] for point in points if point.startswith(above)}


def _character(escaped: re.Match[str]) -> str:
    return chr(int(escaped[1], 8))
