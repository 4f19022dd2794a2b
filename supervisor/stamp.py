"""Plain files on the disk: what they hold, and whether somebody has touched them since. Used by tree and its parts alone."""

from __future__ import annotations

import errno
import os
import stat
from hashlib import sha256
from typing import NamedTuple

from supervisor.model import Entry

_CHUNK_BYTES = 2**20


class Stamp(NamedTuple):
    """What the file system says of a file as we left it: if any of it differs, somebody has touched it since."""

    device: int
    inode: int
    owner: int
    mode: int
    size: int
    mtime_ns: int


def link_file(name: str, old: int, new: int, stamp: Stamp) -> bool:
    """Let a file of the folder `old` stand in the folder `new` too; tell whether it does, and is as we left it.

    Not one of another user: what an earlier run wrote as somebody else stays theirs to change.
    """
    if stamp.owner != os.geteuid():
        return False
    try:
        os.link(name, name, src_dir_fd=old, dst_dir_fd=new, follow_symlinks=False)
    except OSError:  # it is gone, or the file system has no hard links, or not so many
        return False
    if is_untouched(name, new, stamp):
        return True
    os.unlink(name, dir_fd=new)
    return False


def is_untouched(name: str, folder: int, stamp: Stamp) -> bool:
    """Whether a file is as we left it. Raises OSError if it is gone."""
    return stamp_of(os.stat(name, dir_fd=folder, follow_symlinks=False)) == stamp


def read_file(name: str, folder: int) -> tuple[bytes, int]:
    """The content of a plain file, and its permission bits."""
    descriptor = _open_file(name, folder)
    try:
        parts = [os.read(descriptor, _CHUNK_BYTES)]
        while parts[-1]:
            parts.append(os.read(descriptor, _CHUNK_BYTES))
        return b"".join(parts), stat.S_IMODE(os.fstat(descriptor).st_mode)
    finally:
        os.close(descriptor)


def describe(name: str, folder: int) -> tuple[Entry, Stamp]:
    """What a plain file holds, without its content, and what the file system says of it."""
    with open(_open_file(name, folder), "rb", buffering=0) as file:
        digest, size = sha256(), 0
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
            size += len(chunk)
        status = os.fstat(file.fileno())
        return Entry(digest.digest(), size, stat.S_IMODE(status.st_mode)), stamp_of(status)


def _open_file(name: str, folder: int) -> int:
    """Open a plain file for reading. Looked at first: to open a device may do something, and a pipe waits for a writer."""
    if not stat.S_ISREG(os.lstat(name, dir_fd=folder).st_mode):
        raise OSError(errno.EINVAL, "not a plain file", name)
    return os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)


def stamp_of(status: os.stat_result) -> Stamp:
    """What of a status shows that a file was touched."""
    return Stamp(status.st_dev, status.st_ino, status.st_uid, status.st_mode, status.st_size, status.st_mtime_ns)
