"""What a doctor finds out about the configroot: whether it can be written, and what it lies on."""

from __future__ import annotations

import os


def configroot(root: str) -> tuple[bool, str]:
    """Whether files can be written there, and what was found or how to mend it. What was made for the trial is removed."""
    folder = root
    while not os.path.isdir(folder):
        folder = os.path.dirname(folder)
    where = f"{root} is on {_file_system(folder)}"
    probe = os.path.join(folder, f"..new-{os.urandom(4).hex()}")
    try:
        os.mkdir(probe)
        try:
            os.symlink("probe", os.path.join(probe, "link"))
            os.unlink(os.path.join(probe, "link"))
        finally:
            os.rmdir(probe)
    except OSError as error:
        return False, f"{where} and cannot be written by user {os.getuid()} ({error.strerror}): mount an emptyDir, or set fsGroup"
    return True, where + ("" if folder == root else "; it will be made")


def _file_system(folder: str) -> str:
    """Kind of the file system, and whether it may only be read (proc(5), mountinfo: field 5 is the place, after `-` the kind)."""
    found = "an unknown file system"
    longest = -1
    path = os.path.realpath(folder)
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as file:
            for line in file:
                fields = line.split(" ")
                place = fields[4].encode().decode("unicode_escape")
                if (path == place or path.startswith(place.rstrip("/") + "/")) and len(place) >= longest:
                    longest = len(place)
                    kind = fields[fields.index("-") + 1]
                    found = kind + (", read-only" if "ro" in fields[5].split(",") else "")
    except (OSError, ValueError, IndexError):
        return found
    return found
