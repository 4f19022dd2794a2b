"""What we ask of ext4, where many files come and go. Used by disk alone."""

from __future__ import annotations

import fcntl
import sys
from contextlib import suppress

# linux/fs.h: FS_IOC_GETFLAGS and FS_IOC_SETFLAGS, whose argument is an int, whatever they say; FS_TOPDIR_FL.
_GET_FLAGS, _SET_FLAGS = 0x80086601, 0x40086602
_TOP_FOLDER = 0x00020000


def spread(folder: int) -> None:
    """Let folders that are made in this one lie apart, where their names say, as those at the top: attribute T of chattr(1).

    For every new file ext4 looks past all inodes of the folder's part that were freed in the last minutes (recently_deleted in
    fs/ext4/ialloc.c), and a change frees as many as it takes: in one part, changes that follow each other take ever longer. To
    choose another part takes as long as some files. Other file systems know nothing of this.
    """
    with suppress(OSError):
        flags = int.from_bytes(fcntl.ioctl(folder, _GET_FLAGS, bytes(8))[:4], sys.byteorder)
        fcntl.ioctl(folder, _SET_FLAGS, (flags | _TOP_FOLDER).to_bytes(4, sys.byteorder) + bytes(4))
