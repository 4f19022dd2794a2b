"""The door to the configroot: the only room that writes there, and nowhere else.

The layout is the kubelet's: `..data` is a link to the live generation, a folder `..<revision>-<token>`, and the names that an
app opens are links through `..data`. So one rename(2) makes a whole revision live. A link stands at the shallowest name that
is free: `conf.d → ..data/conf.d` where there is no `conf.d`, and `conf.d/a.conf → ../..data/conf.d/a.conf` below a real
folder that came with the image.

A revision becomes live in these steps, and kill -9 between any two of them leaves all old or all new for whoever opens files:

    stage    1  write the files into `..new-<token>`          publish  5  the swap: rename a new link onto `..data`
             2  rename it to `..<revision>-<token>`                    6  remove links to names that are gone
    publish  3  keep files of the image that links will hide  prune    7  remove all generations but two
             4  put links for new names; they dangle

Every name that we make for a moment is unique, so a leftover of a run that was killed never stands in the way.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import stat
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from supervisor import generation
from supervisor.errors import Refused, StartError, SupervisorError, TreeError
from supervisor.model import Listing, Revision, entry_of, revision_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from supervisor.model import Snapshot

_DATA = "..data"
_TEMPORARY_LINK = re.compile(r"\.\.link-[0-9a-f]{8}")

# What may stand at a place, besides a link, whose text cannot hold a NUL.
_FOLDER, _FILE, _SPECIAL = "\0folder", "\0file", "\0special"


@dataclass(frozen=True, slots=True)
class Staged:
    """A revision on disk that nobody sees yet; `folder` is its generation's name in the configroot."""

    revision: Revision
    folder: str
    listing: Listing


class Tree:
    """One configroot, ours alone as long as this object lives.

    `revision` and `listing` tell what is live. At the start both are read back from the disk, contents and all, so that what
    a power cut has torn differs from what is wanted. Raises StartError if the folder cannot be had: it is not a folder, not
    ours to write, or another supervisor's.
    """

    def __init__(self, root: str) -> None:
        self.root = root
        self._fd = _open_and_lock(root)
        self.revision: Revision | None = None
        self.listing: Listing = {}
        self._links: set[str] = set()
        with self._disk("read what is live", StartError):
            self._live = self._read_live()
            others = [name for name in generation.names(self._fd) if name != self._live]
            self._previous = max(others, key=lambda name: os.stat(name, dir_fd=self._fd).st_mtime_ns, default=None)
        try:
            self._take_up()
        except (Refused, TreeError):
            return  # nothing counts as live then: the next revision is published in full, and says what is in the way

    def stage(self, snapshot: Snapshot) -> Staged:
        """Write a snapshot beside what is live. Raises TreeError, and leaves nothing behind, if the disk does not take it."""
        with self._disk("write"):
            folder = generation.write(snapshot.revision, snapshot.files, self._fd)
        return Staged(snapshot.revision, folder, snapshot.listing)

    def publish(self, staged: Staged) -> None:
        """Make a staged revision live.

        Raises Refused if something that we did not make is in the way: then what was live still is. Raises TreeError if the
        disk does not take all of it: stage and publish again.
        """
        with self._disk("publish"):
            links = self._links_for(staged.listing)
            self._keep_hidden(links & staged.listing.keys())
            self._links |= links
            self._put(links)
            self._swap(staged.folder)
            self._remove_links(self._links - links)
        self._links = links
        self.revision, self.listing = staged.revision, staged.listing

    def discard(self, staged: Staged) -> None:
        """Remove a staged revision that is not to be published."""
        with self._disk("discard"):
            generation.remove(staged.folder, self._fd)

    def prune(self) -> None:
        """Remove all generations but the live one and the one before it."""
        with self._disk("prune"):
            for name in generation.names(self._fd):
                if name not in {self._live, self._previous}:
                    generation.remove(name, self._fd)

    def _take_up(self) -> None:
        """Go on from what an earlier run left: put the live generation's links right, remove what could not be finished."""
        with self._disk("take up"):
            if self._live:
                self.listing = {file.path: entry_of(file) for file in generation.files(self._live, self._fd)}
                self._links = self._links_for(self.listing)
                self._put(self._links)
            self._sweep("")
            for name in generation.names(self._fd):
                places = self._places_of(name)
                self._remove_links(places - self._links)
                for folder in {os.path.dirname(place) for place in places} - {""}:
                    self._sweep(folder)
        self.prune()
        if self._live:
            self.revision = revision_of(self.listing)

    def _read_live(self) -> str | None:
        """The generation that `..data` names. Raises StartError if somebody else made `..data`."""
        target = self._look(_DATA)
        if target is None:
            return None
        if not generation.NAME.fullmatch(target):
            raise StartError(f"{self.root}/{_DATA} was not made by config-supervisor: choose another --configroot, or remove it")
        return target if self._look(target) == _FOLDER else None

    def _swap(self, folder: str) -> None:
        """Step 5: the moment at which a revision becomes live."""
        self._rename_link_onto(_DATA, folder)
        self._live, self._previous = folder, self._live

    # --- links: a link is known by its place, which says what it points to

    def _links_for(self, listing: Listing) -> set[str]:
        """The places of the links that make a listing visible. Raises Refused if one of them cannot stand anywhere."""
        places: set[str] = set()
        for path in listing:
            places.add(self._place(path, places))
        return places

    def _place(self, path: str, known: set[str]) -> str:
        """The shallowest name on the way to `path` that is free, or ours already, or a file where a file is wanted."""
        place = ""
        for part in path.split("/"):
            place = f"{place}/{part}" if place else part
            if place in known:
                return place
            found = self._look(place)
            if found in {None, _target(place)}:
                return place
            if found == _FOLDER:
                continue
            if place == path and found != _SPECIAL:
                return place
            raise Refused(f"{self.root}/{place} is in the way of {path!r}: remove it, or choose another name")
        raise Refused(f"{self.root}/{path} is a folder that we did not make, but a file is wanted there")

    def _look(self, place: str) -> str | None:
        """What stands at a place: a link's text, _FOLDER, _FILE, _SPECIAL, or None."""
        try:
            return os.readlink(place, dir_fd=self._fd)
        except FileNotFoundError:
            return None
        except OSError as error:
            if error.errno != errno.EINVAL:  # EINVAL: not a link
                raise
        mode = os.lstat(place, dir_fd=self._fd).st_mode
        return _FOLDER if stat.S_ISDIR(mode) else _FILE if stat.S_ISREG(mode) else _SPECIAL

    def _put(self, places: set[str]) -> None:
        """Step 4. A new name dangles until the swap, so that opening it gives what it gave before: no such file."""
        for place in places:
            if self._look(place) is None:
                os.symlink(_target(place), place, dir_fd=self._fd)

    def _keep_hidden(self, places: set[str]) -> None:
        """Step 3. Files of the image that links will hide become part of what is live first, so that no reader misses them."""
        hidden = [place for place in places if self._look(place) not in {None, _target(place)}]
        if not hidden:
            return
        kept = {file.path: file for file in generation.files(self._live, self._fd)} if self._live else {}
        for place in hidden:
            with suppress(FileNotFoundError):  # a link of the image that leads nowhere
                kept[place] = generation.read_file(place, place, self._fd)
        revision = revision_of({path: entry_of(file) for path, file in kept.items()})
        self._swap(generation.write(revision, kept.values(), self._fd))
        for place in hidden:
            self._rename_link_onto(place, _target(place))

    def _rename_link_onto(self, place: str, target: str) -> None:
        temporary = os.path.join(os.path.dirname(place), f"..link-{os.urandom(4).hex()}")
        os.symlink(target, temporary, dir_fd=self._fd)
        os.rename(temporary, place, src_dir_fd=self._fd, dst_dir_fd=self._fd)

    def _remove_links(self, places: set[str]) -> None:
        """Step 6. Only what is still our link is removed."""
        for place in places:
            if self._look(place) == _target(place):
                os.unlink(place, dir_fd=self._fd)

    def _places_of(self, folder: str) -> set[str]:
        """Every place at which a link of a generation may stand: its paths and the folders on the way to them."""
        places: set[str] = set()
        for path in generation.paths(folder, self._fd):
            place = path
            while place and place not in places:
                places.add(place)
                place = os.path.dirname(place)
        return places

    def _sweep(self, folder: str) -> None:
        """Remove the temporary names that a killed run has left in a real folder of the configroot."""
        if folder and self._look(folder) != _FOLDER:
            return
        for name in os.listdir(os.path.join(self.root, folder)):
            place = os.path.join(folder, name)
            if _TEMPORARY_LINK.fullmatch(name):
                os.unlink(place, dir_fd=self._fd)
            elif generation.UNFINISHED.fullmatch(name) and not folder:
                generation.remove(place, self._fd)

    @contextmanager
    def _disk(self, what: str, error_class: type[SupervisorError] = TreeError) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise error_class(f"cannot {what} in {self.root}: {error.strerror}") from error


def _target(place: str) -> str:
    """What our link at a place points to: up to the configroot, then through `..data`."""
    return "../" * place.count("/") + f"{_DATA}/{place}"


def _open_and_lock(root: str) -> int:
    """Make the folder if it is missing, try to write in it, and keep others out of it for as long as we live."""
    try:
        if not os.path.isdir(root):
            os.makedirs(root)
            os.chmod(root, generation.FOLDER_MODE)
        descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        probe = f"..new-{os.urandom(4).hex()}"
        os.mkdir(probe, dir_fd=descriptor)
        os.rmdir(probe, dir_fd=descriptor)
    except BlockingIOError:
        raise StartError(f"another config-supervisor already writes to {root}: give each its own --configroot") from None
    except OSError as error:
        raise StartError(f"cannot write to --configroot {root}: {error.strerror}") from error
    return descriptor
