"""Sleep until what a local path leads to may have changed."""

from __future__ import annotations

import errno
import os
import select
import sys
import time
from contextlib import suppress
from threading import Event
from typing import TYPE_CHECKING, Self

from supervisor import inotify
from supervisor.mounts import MOUNTS, data_folder, mount_points, mounts_around

if TYPE_CHECKING:
    from types import TracebackType

# An editor writes in several steps, and many files may be written at once: wait for quiet, but not for ever.
_QUIET_S = 0.05
_NOISE_S = 1.0
# Where there is no inotify.
_POLL_S = 1.0 if sys.platform == "darwin" else 10.0
_LINKS_MAX = 40  # as in the kernel
_LIMITS = {
    errno.EMFILE: "the limit fs.inotify.max_user_instances is reached",
    errno.ENOSPC: "the limit fs.inotify.max_user_watches is reached",
}
_SELF = inotify.DELETE_SELF | inotify.MOVE_SELF
_FILE = _SELF | inotify.CLOSE_WRITE | inotify.ATTRIB
_NAMES = inotify.CLOSE_WRITE | inotify.ATTRIB | inotify.CREATE | inotify.DELETE | inotify.MOVED_FROM | inotify.MOVED_TO


class Watch:
    """Watches a file, or with `below` a folder and all below it, from the beginning of a `with` block.

    It sees a change in place, an editor that writes a new file and renames it, the kubelet, which exchanges a link on the way,
    a folder that is moved or removed and made again, and what is mounted over any of these. What leads where is looked up at
    the beginning: so after each `wait`, begin a new one, and then read.

    `problem` says why inotify cannot be had, and is empty if it can; without it we look now and then.
    """

    def __init__(self, path: str, *, below: bool = False) -> None:
        self._path = os.path.abspath(path)
        self._below = below
        self._inotify: inotify.Inotify | None = None
        self._mounts: int | None = None
        self._mounted: list[str] = []
        self._names: dict[int, set[str] | None] = {}
        self._seen: object = None
        self.problem = ""

    def __enter__(self) -> Self:
        try:
            if sys.platform == "linux":
                self._begin()
        except OSError as error:
            reason = _LIMITS.get(error.errno or 0, error.strerror)
            self.problem = f"cannot watch {self._path} with inotify: {reason}; looking every {_POLL_S:g} s"
            self._end()
        if self._inotify is None:
            self._seen = self._look()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._end()

    def wait(self) -> None:
        """Sleep until something has happened, and it has been quiet since for a moment."""
        if self._inotify is None:
            while self._look() == self._seen:
                Event().wait(_POLL_S)
            return
        while not self._happens(None):
            pass
        self._wait_for_quiet()

    def is_quiet(self) -> bool:
        """Whether nothing has happened since the beginning. Otherwise it returns when it has been quiet for a moment."""
        if self._inotify is None:
            return self._look() == self._seen
        if not self._happens(0.0):
            return True
        self._wait_for_quiet()
        return False

    def _wait_for_quiet(self) -> None:
        end = time.monotonic() + _NOISE_S
        while time.monotonic() < end and self._happens(_QUIET_S):
            pass

    def _begin(self) -> None:
        """Watch all that matters, as often as it is another way meanwhile."""
        self._inotify = inotify.Inotify()
        self._mounts = os.open(MOUNTS, os.O_RDONLY)
        self._mounted = mounts_around(self._path)
        before: object = None
        while True:
            with suppress(FileNotFoundError, NotADirectoryError):  # it has vanished meanwhile: look again
                plan = _Plan(self._path, below=self._below)
                if plan.watches == before:
                    return
                before = plan.watches
                for place, (mask, names) in plan.watches.items():
                    self._add(place, mask, names)

    def _add(self, place: str, mask: int, names: set[str] | None) -> None:
        assert self._inotify
        # Whoever reads what we may not see will say so; and what has vanished makes the next plan another one.
        with suppress(PermissionError, FileNotFoundError, NotADirectoryError):
            watch = self._inotify.add(place, mask)
            known = self._names.get(watch, set())
            self._names[watch] = None if known is None or names is None else known | names

    def _end(self) -> None:
        if self._inotify:
            self._inotify.close()
            self._inotify = None
        if self._mounts is not None:
            os.close(self._mounts)
            self._mounts = None

    def _happens(self, timeout_s: float | None) -> bool:
        """Whether something that matters happens within so many seconds; None: before any other event."""
        assert self._inotify
        assert self._mounts is not None
        poll = select.poll()
        poll.register(self._inotify.fd, select.POLLIN)
        poll.register(self._mounts, select.POLLPRI | select.POLLERR)  # proc(5): so it tells of a change
        ready = {descriptor for descriptor, _ in poll.poll(None if timeout_s is None else timeout_s * 1000)}
        is_remounted = self._mounts in ready and mounts_around(self._path) != self._mounted
        return any(self._matters(event) for event in self._inotify.read()) or is_remounted

    def _matters(self, event: inotify.Event) -> bool:
        names = self._names.get(event.watch)
        return names is None or not event.name or event.name in names

    def _look(self) -> object:
        """What can be seen of it from outside."""
        found = [self._path]
        if self._below:
            found += [os.path.join(folder, name) for folder, _, names in os.walk(self._path, followlinks=True) for name in names]
        return [_status_of(path) for path in found]


class _Plan:
    """What has to be watched, by path: for which events, and for which names in a folder, None for all of them."""

    def __init__(self, path: str, *, below: bool) -> None:
        self.watches: dict[str, tuple[int, set[str] | None]] = {}
        end = self._lead_to(path)
        if not below and os.path.exists(end):
            self._add(end, _FILE, set())  # also by itself: if it is mounted here, it is changed in a folder that we do not see
        elif below and os.path.isdir(end):
            self._add_all_below(end, ())
            for mounted in mount_points(end):
                self._add(os.path.join(end, mounted), _FILE, set())

    def _add(self, place: str, mask: int, names: set[str] | None) -> None:
        before_mask, before = self.watches.get(place, (0, set()))
        self.watches[place] = mask | before_mask, None if names is None or before is None else names | before

    def _lead_to(self, path: str) -> str:
        """Watch all links and folders on the way; return where it ends, without links: the first name that is no folder."""
        place, rest, links = "/", [part for part in path.split("/") if part], 0
        while rest:
            part = rest.pop(0)
            here = os.path.normpath(os.path.join(place, part))
            if part != ".." and os.path.islink(here) and links < _LINKS_MAX:
                links += 1
                self._add(place, _NAMES | _SELF, {part})
                target = os.readlink(here)
                place = "/" if target.startswith("/") else place
                rest = [step for step in target.split("/") if step not in {"", "."}] + rest
            elif os.path.isdir(here):
                self._add(here, _SELF, set())
                place = here
            else:
                self._add(place, _NAMES | _SELF, {part})
                return here
        return place

    def _add_all_below(self, folder: str, above: tuple[tuple[int, int], ...]) -> None:
        """Watch all names in a folder and in those below it, as they are read: through `..data` where there is one."""
        status = os.stat(folder)
        here = (status.st_dev, status.st_ino)
        if here in above:
            return  # a link that leads back
        self._add(folder, _NAMES | _SELF, None)
        if data_folder(folder):
            self._add_all_below(self._lead_to(f"{folder}/..data"), (*above, here))
            return
        for path, is_link in _inside(folder):
            end = self._lead_to(path) if is_link else path
            if os.path.isdir(end):
                self._add_all_below(end, (*above, here))


def _inside(folder: str) -> list[tuple[str, bool]]:
    """Links and folders in a folder, each with whether it is a link."""
    with suppress(PermissionError), os.scandir(folder) as entries:
        inside = [entry for entry in entries if not entry.name.startswith("..")]
        return [(entry.path, entry.is_symlink()) for entry in inside if entry.is_symlink() or entry.is_dir()]
    return []


def _status_of(path: str) -> tuple[int, int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
