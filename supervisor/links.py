"""The names in the configroot that an app opens: links through `..data` to what is live. Used by tree alone.

A link is known by its place, which says what it points to: `conf.d/a.conf` is `../..data/conf.d/a.conf`. So nothing has to be
remembered of links, and what stands at a place of ours but points elsewhere is not ours.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from typing import TYPE_CHECKING

from supervisor.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Iterable

DATA = "..data"
TEMPORARY = re.compile(r"\.\.link-[0-9a-f]{8}")

# What may stand at a place, besides a link, whose text cannot hold a NUL.
FOLDER, FILE, SPECIAL = "\0folder", "\0file", "\0special"


def look(place: str, root: int) -> str | None:
    """What stands at a place: a link's text, FOLDER, FILE, SPECIAL, or None."""
    try:
        return os.readlink(place, dir_fd=root)
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno != errno.EINVAL:  # EINVAL: not a link
            raise
    mode = os.lstat(place, dir_fd=root).st_mode
    return FOLDER if stat.S_ISDIR(mode) else FILE if stat.S_ISREG(mode) else SPECIAL


def is_ours(place: str, root: int) -> bool:
    """Whether our own link stands at a place."""
    return look(place, root) == _target(place)


def places_for(paths: Iterable[str], root: int, root_path: str) -> set[str]:
    """The places of the links that make these paths visible. Raises Refused if one of them cannot stand anywhere."""
    places: set[str] = set()
    for path in paths:
        places.add(_place(path, places, root, root_path))
    return places


def _place(path: str, known: set[str], root: int, root_path: str) -> str:
    """The shallowest name on the way to `path` that is free, or ours already, or a file where a file is wanted."""
    place = ""
    for part in path.split("/"):
        place = f"{place}/{part}" if place else part
        if place in known:
            return place
        found = look(place, root)
        if found in {None, _target(place)}:
            return place
        if found == FOLDER:
            continue
        if place == path and _may_be_hidden(place, found, root):
            return place
        raise Refused(f"{root_path}/{place} is in the way of {path!r}: remove it, or choose another name")
    raise Refused(f"{root_path}/{path} is a folder that we did not make, but a file is wanted there")


def _may_be_hidden(place: str, found: str, root: int) -> bool:
    """Whether a file may take the place of what stands there: of a file, or of a link to one, to nothing or to /dev/null.

    What it led to is read first, see tree: a folder cannot be, and reading a pipe may never end.
    """
    if found in {FILE, SPECIAL}:
        return found == FILE
    try:
        status = os.stat(place, dir_fd=root)
    except FileNotFoundError:
        return True
    except OSError:  # it leads in a circle, or where we may not look
        return False
    return stat.S_ISREG(status.st_mode) or status.st_rdev == os.stat(os.devnull).st_rdev


def put(places: Iterable[str], root: int) -> None:
    """Make the links that are missing. They dangle until what they name is live: opening them gives what it gave before."""
    for place in places:
        if look(place, root) is None:
            os.symlink(_target(place), place, dir_fd=root)


def put_over(place: str, root: int) -> None:
    """Put our link where something else stands."""
    rename_onto(place, _target(place), root)


def rename_onto(place: str, target: str, root: int) -> None:
    """Let a place be a link to `target`, in one step, whatever stood there."""
    temporary = os.path.join(os.path.dirname(place), f"..link-{os.urandom(4).hex()}")
    os.symlink(target, temporary, dir_fd=root)
    os.rename(temporary, place, src_dir_fd=root, dst_dir_fd=root)


def remove(places: Iterable[str], root: int) -> None:
    """Remove our links from these places; what is not our link stays."""
    for place in places:
        if is_ours(place, root):
            os.unlink(place, dir_fd=root)


def _target(place: str) -> str:
    """What our link at a place points to: up to the configroot, then through `..data`."""
    return "../" * place.count("/") + f"{DATA}/{place}"
