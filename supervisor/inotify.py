"""The door to inotify(7). Used by notify alone.

By ctypes and not by inotify_simple, whose first use starts `ldconfig`: nothing but processes.py may start a process, and as PID 1
we would reap that one under the library's feet.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from typing import NamedTuple

ATTRIB, CLOSE_WRITE = 0x4, 0x8
MOVED_FROM, MOVED_TO, CREATE, DELETE = 0x40, 0x80, 0x100, 0x200
DELETE_SELF, MOVE_SELF = 0x400, 0x800
_MASK_ADD = 0x20000000
_HEAD = "iIII"  # watch, mask, cookie, length of the name, which follows
_READ_BYTES = 2**16


class Event(NamedTuple):
    """What happened to a folder's `name`, or, if that is empty, to what is watched itself."""

    watch: int
    name: str


class Inotify:
    """One instance; `fd` is ready to be read when something has happened. All methods raise OSError."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self.fd = self._call("inotify_init1", os.O_CLOEXEC | os.O_NONBLOCK)

    def add(self, path: str, mask: int) -> int:
        """Watch a file or folder, for these events and those that it is watched for already."""
        return self._call("inotify_add_watch", self.fd, os.fsencode(path), ctypes.c_uint32(mask | _MASK_ADD))

    def read(self) -> list[Event]:
        """What has happened since the last call. A watch of -1 means that more has happened than the kernel remembers."""
        events: list[Event] = []
        while True:
            try:
                data = os.read(self.fd, _READ_BYTES)
            except BlockingIOError:
                return events
            while data:
                watch, _, _, length = struct.unpack_from(_HEAD, data)
                start = struct.calcsize(_HEAD)
                events.append(Event(watch, os.fsdecode(data[start : start + length].rstrip(b"\0"))))
                data = data[start + length :]

    def close(self) -> None:
        """Forget all watches."""
        os.close(self.fd)

    def _call(self, name: str, *arguments: object) -> int:
        while True:
            result = int(getattr(self._libc, name)(*arguments))
            number = ctypes.get_errno()
            if result >= 0:
                return result
            if number != errno.EINTR:
                raise OSError(number, os.strerror(number))
