"""The door to inotify: sleep until the file that a path leads to may have changed."""

from __future__ import annotations

import os
import sys
from threading import Event
from typing import TYPE_CHECKING, Self

from supervisor.errors import SourceError

if TYPE_CHECKING:
    from types import TracebackType

# An editor writes in several steps, and many files may be written at once: wait for quiet, but not for ever.
_QUIET_MS = 20
_BURSTS_MAX = 25
# Where there is no inotify.
_POLL_S = 1.0
_LINKS_MAX = 40  # as in the kernel


class Watch:
    """Watches the folder of a file, and the folders of all links on the way to it.

    So it sees an editor that writes a new file and renames it, and the kubelet, which exchanges a link on the way. The
    folders are looked up when the watch begins: after each `wait`, begin a new one, and then read.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._watched: dict[int, set[str]] = {}

    def __enter__(self) -> Self:
        """Begin to watch. Raises SourceError if a folder on the way cannot be watched."""
        if sys.platform == "linux":
            from inotify_simple import INotify

            try:
                self._inotify = INotify()
                while not self._arm():
                    pass
            except OSError as error:
                raise SourceError(f"cannot watch {self._path} with inotify: {error.strerror}") from error
        return self

    def _arm(self) -> bool:
        """Watch all folders on the way; False if one of them vanished meanwhile, so that the way is another one now."""
        from inotify_simple import flags

        mask = flags.CLOSE_WRITE | flags.CREATE | flags.DELETE | flags.MOVED_FROM | flags.MOVED_TO
        for folder, names in _names_on_the_way(self._path).items():
            try:
                watch = self._inotify.add_watch(folder, mask | flags.DELETE_SELF | flags.MOVE_SELF)
            except (FileNotFoundError, NotADirectoryError):
                return False
            self._watched.setdefault(watch, set()).update(names)
        return True

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if sys.platform == "linux":
            self._inotify.close()

    def wait(self) -> None:
        """Sleep until something happened to one of the names on the way, and it has been quiet since for a moment."""
        if sys.platform != "linux":
            self._poll()
            return
        while not self._happened(None):
            pass
        for _ in range(_BURSTS_MAX):
            if not self._happened(_QUIET_MS):
                break

    def _happened(self, timeout_ms: int | None) -> bool:
        """Whether an event of the next batch concerns us. A name is empty when the folder itself is meant."""
        events = self._inotify.read(timeout=timeout_ms)
        return any(not event.name or event.name in self._watched.get(event.wd, ()) for event in events)

    def _poll(self) -> None:
        before = _signature(self._path)
        while _signature(self._path) == before:
            Event().wait(_POLL_S)


def _names_on_the_way(path: str) -> dict[str, set[str]]:
    """The folders to watch, each with the names in it that matter: of the file, of links on the way, of what is missing."""
    names: dict[str, set[str]] = {}
    place, rest = "/", [part for part in os.path.abspath(path).split("/") if part]
    links = 0
    while rest:
        part = rest.pop(0)
        if part == "..":
            place = os.path.dirname(place)
            continue
        here = os.path.join(place, part)
        if os.path.islink(here) and links < _LINKS_MAX:
            links += 1
            names.setdefault(place, set()).add(part)
            target = os.readlink(here)
            place = "/" if target.startswith("/") else place
            rest = [step for step in target.split("/") if step not in {"", "."}] + rest
        elif not rest or not os.path.isdir(here):
            names.setdefault(place, set()).add(part)
            break
        else:
            place = here
    return names


def _signature(path: str) -> tuple[int, int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
