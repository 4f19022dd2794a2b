"""The door to the file system below the configroot: the only room that writes there, and nowhere else.

A *place* is a path below the configroot. It is walked part by part from one descriptor, and a link on the way is never
followed: whoever plants one, perhaps a neighbour in a shared volume, gets an error instead of a write elsewhere. Used by
tree, and by the rooms that are parts of it.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from supervisor import ext4
from supervisor.places import Folder, Parent
from supervisor.stamp import describe, read_file, stamp_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from supervisor.model import Entry
    from supervisor.stamp import Stamp

# What may stand at a place, besides a link, whose text cannot hold a NUL.
FOLDER, FILE, SPECIAL = "\0folder", "\0file", "\0special"
# It is not there, or there is no folder on the way to it.
_MISSING = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}


class Disk:
    """The configroot, by a descriptor that is open as long as we live; `path` is for messages.

    All methods raise OSError. Folders that they make get `folder_mode`, whatever the umask; with `fsync`, what they write is
    on the disk when they return.
    """

    def __init__(self, path: str, fd: int, folder_mode: int = 0o755, *, fsync: bool = False) -> None:
        self.path = path
        self.fd = fd
        self.folder_mode = folder_mode
        self._fsync = fsync

    # --- looking

    def folder(self, place: str) -> Folder:
        """A descriptor of a folder, for as long as the block lasts; an empty place is the configroot."""
        return Folder(self.fd, place)

    def parent(self, place: str) -> Parent:
        """A descriptor of the folder that a place lies in, and its name there."""
        return Parent(self.fd, place)

    def look(self, place: str) -> str | None:
        """What stands at a place: a link's text, FOLDER, FILE, SPECIAL, or None, also if there is no folder for it."""
        try:
            if "/" not in place:
                return _look(place, self.fd)
            with self.parent(place) as (folder, name):
                return _look(name, folder)
        except OSError as error:
            if error.errno not in _MISSING:
                raise
            return None

    def may_be_hidden(self, place: str, found: str) -> bool:
        """Whether a file may take the place of what stands there: of a file, or of a link to one, to nothing or to /dev/null.

        Where the link leads is looked up, but not opened.
        """
        if found in {FOLDER, FILE, SPECIAL}:
            return found == FILE
        try:
            with self.parent(place) as (folder, name):
                status = os.stat(name, dir_fd=folder)
        except FileNotFoundError:
            return True
        except OSError:  # it leads in a circle, or where we may not look
            return False
        return stat.S_ISREG(status.st_mode) or status.st_rdev == os.stat(os.devnull).st_rdev

    def names(self, place: str = "") -> list[str]:
        """The names in a folder, none if there is no such folder."""
        try:
            with self.folder(place) as folder:
                return os.listdir(folder)
        except OSError as error:
            if error.errno not in _MISSING:
                raise
            return []

    def read(self, place: str) -> tuple[bytes, int]:
        """The content of a plain file, and its permission bits."""
        with self.parent(place) as (folder, name):
            return read_file(name, folder)

    def holds(self, place: str, entry: Entry, *, with_mode: bool = False) -> bool:
        """Whether a plain file of that content stands at a place."""
        try:
            with self.parent(place) as (folder, name):
                status = os.lstat(name, dir_fd=folder)
                is_alike = stat.S_ISREG(status.st_mode) and status.st_size == entry.size
                has_mode = not with_mode or stat.S_IMODE(status.st_mode) == entry.mode
                return is_alike and has_mode and describe(name, folder)[0].digest == entry.digest
        except OSError as error:
            if error.errno not in _MISSING:
                raise
            return False

    def walk(self, place: str) -> Iterator[tuple[str, int, list[str]]]:
        """A folder and each one below it, as a path below the place, a descriptor and the names of all else in it."""
        with self.folder(place) as descriptor:
            yield from _walk("", descriptor)

    # --- changing names

    @contextmanager
    def new_folder(self, place: str) -> Iterator[int]:
        """Make a folder; its descriptor, for as long as the block lasts. One whose group is handed on hands it on as well.

        That is setgid, which fsGroup sets, and which a new folder has from the one that it lies in.
        """
        with self.parent(place) as (folder, name):
            os.mkdir(name, 0o700, dir_fd=folder)
        with self.folder(place) as made:
            os.fchmod(made, self.folder_mode | (os.fstat(made).st_mode & stat.S_ISGID))
            yield made

    def make_folder(self, place: str, *, is_wide: bool = False) -> None:
        """Make a folder, and nothing in it; a wide one if folders with many files are to be made there."""
        with self.new_folder(place) as made:
            if is_wide:
                ext4.spread(made)

    def link_over(self, place: str, target: str) -> None:
        """Let a place be a link, in one step, whatever stood there."""
        with self.parent(place) as (folder, name):
            temporary = f"..link-{os.urandom(4).hex()}"
            os.symlink(target, temporary, dir_fd=folder)
            self._rename_over(temporary, folder, name, folder)

    def link(self, place: str, target: str) -> None:
        """Make a link where nothing stands."""
        with self.parent(place) as (folder, name):
            os.symlink(target, name, dir_fd=folder)
            self.sync(folder)

    def rename(self, old: str, new: str) -> None:
        """Give what lies at one place another one, where nothing stands."""
        with self.parent(old) as (folder, name), self.parent(new) as (new_folder, new_name):
            os.rename(name, new_name, src_dir_fd=folder, dst_dir_fd=new_folder)
            self.sync(folder)
            self.sync(new_folder)

    def remove(self, place: str) -> None:
        """Remove a file or link; one that is gone already is no error."""
        with suppress(FileNotFoundError), self.parent(place) as (folder, name):
            os.unlink(name, dir_fd=folder)
            self.sync(folder)

    def remove_folder(self, place: str) -> bool:
        """Remove a folder if it is empty; tell whether it is gone."""
        try:
            with self.parent(place) as (folder, name):
                os.rmdir(name, dir_fd=folder)
                self.sync(folder)
        except OSError as error:
            if error.errno not in {errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT, errno.ENOTDIR, errno.EBUSY}:
                raise
            return error.errno in {errno.ENOENT, errno.ENOTDIR}
        return True

    def remove_all(self, place: str) -> None:
        """Remove a folder with all that is in it; one that is gone already is no error."""
        with suppress(FileNotFoundError):
            with self.folder(place) as folder:
                _empty(folder)
            with self.parent(place) as (above, name):
                os.rmdir(name, dir_fd=above)

    # --- changing contents

    def write(self, name: str, content: bytes, mode: int, folder: int) -> Stamp:
        """Write a file that is not there yet, with its permission bits whatever the umask."""
        descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600, dir_fd=folder)
        try:
            _write_all(descriptor, content)
            os.fchmod(descriptor, mode)
            self.sync(descriptor)
            return stamp_of(os.fstat(descriptor))
        finally:
            os.close(descriptor)

    def write_over(self, place: str, content: bytes, mode: int) -> Stamp:
        """Write a file in one step, whatever file or link stood there. In a folder of the same file system as the configroot."""
        temporary, stamp = self._write_temporary(content, mode, self.fd)
        with self.parent(place) as (folder, name):
            self._rename_over(temporary, self.fd, name, folder)
        return stamp

    def write_again(self, name: str, folder: int, aside: int) -> Stamp:
        """Let a file of a folder be another one with the same content and permission bits, in one step; it is written aside."""
        temporary, stamp = self._write_temporary(*read_file(name, folder), aside)
        self._rename_over(temporary, aside, name, folder)
        return stamp

    def copy_beside(self, source: str, place: str) -> str:
        """Copy a file into the folder that a place lies in, under a passing name, which is returned."""
        content, mode = self.read(source)
        with self.parent(place) as (folder, name):
            return place[: -len(name)] + self._write_temporary(content, mode, folder)[0]

    def rename_over(self, temporary: str, place: str) -> None:
        """Let a place be what stands beside it under a passing name. What cannot be renamed is removed."""
        with self.parent(place) as (folder, name):
            self._rename_over(temporary.rpartition("/")[2], folder, name, folder)

    def _write_temporary(self, content: bytes, mode: int, folder: int) -> tuple[str, Stamp]:
        temporary = f"..file-{os.urandom(4).hex()}"
        try:
            return temporary, self.write(temporary, content, mode, folder)
        except OSError:
            with suppress(OSError):
                os.unlink(temporary, dir_fd=folder)
            raise

    def sync(self, descriptor: int) -> None:
        """If that is asked for, wait until what we did to a file or folder is on the disk."""
        if self._fsync:
            os.fsync(descriptor)

    def _rename_over(self, temporary: str, source: int, name: str, folder: int) -> None:
        try:
            os.rename(temporary, name, src_dir_fd=source, dst_dir_fd=folder)
        except OSError:
            os.unlink(temporary, dir_fd=source)
            raise
        self.sync(folder)


def _look(name: str, folder: int) -> str | None:
    try:
        return os.readlink(name, dir_fd=folder)
    except OSError as error:
        if error.errno != errno.EINVAL:  # EINVAL: not a link
            raise
    mode = os.lstat(name, dir_fd=folder).st_mode
    return FOLDER if stat.S_ISDIR(mode) else FILE if stat.S_ISREG(mode) else SPECIAL


def _walk(path: str, folder: int) -> Iterator[tuple[str, int, list[str]]]:
    """Not by os.fwalk, which opens a name before it knows that it is a folder: a pipe waits for a writer then."""
    inner, others = _split(folder)
    yield path, folder, others
    for name in inner:
        with Folder(folder, name) as descriptor:
            yield from _walk(os.path.join(path, name), descriptor)


def _empty(folder: int) -> None:
    inner, others = _split(folder)
    for name in others:
        os.unlink(name, dir_fd=folder)
    for name in inner:
        with Folder(folder, name) as descriptor:
            _empty(descriptor)
        os.rmdir(name, dir_fd=folder)


def _split(folder: int) -> tuple[list[str], list[str]]:
    """The names of folders in a folder, and of all else."""
    inner: list[str] = []
    others: list[str] = []
    with os.scandir(folder) as entries:
        for entry in entries:
            (inner if entry.is_dir(follow_symlinks=False) else others).append(entry.name)
    return inner, others


def _write_all(descriptor: int, content: bytes) -> None:
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
