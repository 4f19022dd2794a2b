"""A generation: the folder in the configroot that holds one revision, whole as soon as it has its name. Used by tree alone.

Files that are the same in the live generation are not written again: they stand in both folders (hard links). So a file in a
generation is ours alone to change, and a changed one is always a new file.
"""

from __future__ import annotations

import os
import re
from contextlib import ExitStack, contextmanager, suppress
from itertools import groupby
from typing import TYPE_CHECKING

from supervisor.disk import FOLDER
from supervisor.stamp import describe, is_untouched, link_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from supervisor.disk import Disk
    from supervisor.model import File, Listing, Revision
    from supervisor.stamp import Stamp
    from supervisor.tree import Staged

    Stamps = dict[str, Stamp]  # by path

NAME = re.compile(r"\.\.[0-9a-f]{12}-[0-9a-f]{8}")
UNFINISHED = re.compile(r"\.\.new-[0-9a-f]{8}")

# So many files are worth a part of the disk for themselves.
_MANY = 20


def names(disk: Disk) -> list[str]:
    """The generations in the configroot."""
    return [name for name in disk.names() if NAME.fullmatch(name) and disk.look(name) == FOLDER]


def write(revision: Revision, files: Iterable[File], listing: Listing, disk: Disk, old: Staged | None) -> tuple[str, Stamps]:
    """Write files under a passing name, then give the folder its own. Raises OSError, leaving nothing behind.

    Returns that name, and what the file system says of each file. What is the same in `old` is taken from there.
    """
    token = os.urandom(4).hex()
    name = f"..{revision}-{token}"
    with _unfinished(len(listing), disk) as unfinished:
        stamps = _fill(unfinished, files, listing, disk, old)
        disk.rename(unfinished, name)
    return name, stamps


def read(name: str, disk: Disk) -> tuple[Listing, Stamps] | None:
    """What a generation holds, read from the disk; None if it cannot be read, or if something else than files is in it.

    It is tried twice: for one that is lost all is written again, and plain files that are out in the folder count as foreign.
    """
    for _ in range(2):
        listing: Listing = {}
        stamps: Stamps = {}
        try:
            for folder, descriptor, found in disk.walk(name):
                for file in found:
                    path = os.path.join(folder, file)
                    listing[path], stamps[path] = describe(file, descriptor)
        except OSError:
            continue
        return listing, stamps
    return None


def has_modes(name: str, disk: Disk) -> bool:
    """Whether the folders of a generation have the permission bits that are wanted now."""
    return all(os.fstat(descriptor).st_mode & 0o777 == disk.folder_mode for _, descriptor, _ in disk.walk(name))


def paths(name: str, disk: Disk) -> Iterator[str]:
    """The paths of all files of a generation."""
    for folder, _, found in disk.walk(name):
        for file in found:
            yield os.path.join(folder, file)


def renew(old: Staged, new: Staged, disk: Disk) -> None:
    """Write again what stands in the old generation alone, so that the files which readers have opened are let go.

    To an app that watches such a file this is the sign that it knows from the kubelet, which removes the whole folder at this
    moment: the file was deleted. We keep the old generation, to go back to, with new files of the same content.
    """
    shared = {stamp.inode for stamp in new.stamps.values()}
    paths = [path for path, stamp in old.stamps.items() if stamp.inode not in shared]
    if not paths:
        return
    with _unfinished(len(paths), disk) as unfinished, disk.new_folder(unfinished) as aside:
        for folder, here in groupby(paths, lambda path: path.rpartition("/")[0]):
            with disk.folder(f"{old.folder}/{folder}".rstrip("/")) as descriptor:
                for path in here:
                    name = path.rpartition("/")[2]
                    if is_untouched(name, descriptor, old.stamps[path]):
                        old.stamps[path] = disk.write_again(name, descriptor, aside)


def folders_of(path: str) -> list[str]:
    """`a`, `a/b` for `a/b/c`."""
    return [path[:index] for index, letter in enumerate(path) if letter == "/"]


@contextmanager
def _unfinished(files: int, disk: Disk) -> Iterator[str]:
    """A place for a folder that is to get so many files; whatever is there in the end is removed."""
    place = inner = f"..new-{os.urandom(4).hex()}"
    try:
        if files >= _MANY:
            disk.make_folder(place, is_wide=True)
            inner += f"/{os.urandom(4).hex()}"
        yield inner
    except OSError:
        with suppress(OSError):
            disk.remove_all(place)
        raise
    disk.remove_all(place)


def _fill(unfinished: str, files: Iterable[File], listing: Listing, disk: Disk, old: Staged | None) -> Stamps:
    """Write files, and the folders on the way to them: one folder after another, outer ones first."""
    inside: dict[str, list[File]] = {"": []}
    for file in files:
        for folder in folders_of(file.path):
            inside.setdefault(folder, [])
        inside[file.path.rpartition("/")[0]].append(file)
    stamps: Stamps = {}
    for folder, here in inside.items():
        with ExitStack() as stack:
            new_folder = stack.enter_context(disk.new_folder(f"{unfinished}/{folder}".rstrip("/")))
            old_folder = _enter(stack, old, folder, disk)
            for file in here:
                name = file.path.rpartition("/")[2]
                stamp = old.stamps.get(file.path) if old and old.listing.get(file.path) == listing[file.path] else None
                if old_folder is None or stamp is None or not link_file(name, old_folder, new_folder, stamp):
                    stamp = disk.write(name, file.content, file.mode, new_folder)
                stamps[file.path] = stamp
            disk.sync(new_folder)
    return stamps


def _enter(stack: ExitStack, old: Staged | None, folder: str, disk: Disk) -> int | None:
    """A descriptor of the same folder of the old generation, if it has that."""
    if old is None:
        return None
    try:
        return stack.enter_context(disk.folder(f"{old.folder}/{folder}".rstrip("/")))
    except OSError:
        return None
