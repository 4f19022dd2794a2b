"""The door to the configroot: the only room that writes there, and nowhere else.

The layout is the kubelet's: `..data` is a link to the live generation, a folder `..<revision>-<token>`, and the names that an
app opens are links through `..data`. So one rename(2) makes a whole revision live. A link stands at the shallowest name that
is free: `conf.d → ..data/conf.d` where there is no `conf.d`, and `conf.d/a.conf → ../..data/conf.d/a.conf` below a real
folder that came with the image. `..good` is a link to the generation that the app last took; `..refused` is a file that says
which revision was refused, and why.

A revision becomes live in these steps, and kill -9 between any two of them leaves all old or all new for whoever opens files:

    stage    1  write the files into `..new-<token>`          publish  5  the swap: rename a new link onto `..data`
             2  rename it to `..<revision>-<token>`                    6  remove links to names that are gone
    publish  3  keep files of the image that links will hide  prune    7  remove all generations but two
             4  put links for new names; they dangle

Going back is the same publish, of a generation that is still there. Every name that we make for a moment is unique, so a
leftover of a run that was killed never stands in the way.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from supervisor import generation, links
from supervisor.errors import Refused, StartError, SupervisorError, TreeError
from supervisor.model import Listing, Refusal, Revision, entry_of, revision_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from supervisor.model import Snapshot

_GOOD = "..good"
_REFUSED = "..refused"
_TEMPORARY_FILE = re.compile(r"\.\.file-[0-9a-f]{8}")


@dataclass(frozen=True, slots=True)
class Staged:
    """A revision on disk; `folder` is its generation's name in the configroot."""

    revision: Revision
    folder: str
    listing: Listing


class Tree:
    """One configroot, ours alone as long as this object lives.

    `live` is what an app sees, `good` what the app last took, `refusal` the last revision that was refused. At the start all
    are read back from the disk, contents and all, so that what a power cut has torn differs from what is wanted. Raises
    StartError if the folder cannot be had: it is not a folder, not ours to write, or another supervisor's.
    """

    def __init__(self, root: str) -> None:
        self.root = root
        self._fd = _open_and_lock(root)
        self.live: Staged | None = None
        self.good: Staged | None = None
        self.refusal: Refusal | None = None
        self._places: set[str] = set()
        self._folder: str | None = None
        self._before: str | None = None
        with self._disk("read what is live", StartError):
            self._folder = self._read_link(links.DATA)
            others = [name for name in generation.names(self._fd) if name != self._folder]
            self._before = max(others, key=lambda name: os.stat(name, dir_fd=self._fd).st_mtime_ns, default=None)
            self.good = self._read(self._read_link(_GOOD))
            self.refusal = self._read_refusal()
        try:
            self._take_up()
        except (Refused, TreeError):
            return  # nothing counts as live then: the next revision is published in full, and says what is in the way

    def stage(self, snapshot: Snapshot) -> Staged:
        """Write a snapshot beside what is live. Raises TreeError, and leaves nothing behind, if the disk does not take it."""
        with self._disk("write"):
            folder = generation.write(snapshot.revision, snapshot.files, self._fd)
        return Staged(snapshot.revision, folder, snapshot.listing)

    def path_of(self, staged: Staged) -> str:
        """Where a staged revision lies, as an absolute path, for whoever checks it before it is published."""
        return os.path.join(self.root, staged.folder)

    def publish(self, staged: Staged) -> None:
        """Make a staged revision live, or one that was live before.

        Raises Refused if something that we did not make is in the way: then what was live still is. Raises TreeError if the
        disk does not take all of it: publish again.
        """
        with self._disk("publish"):
            places = links.places_for(staged.listing, self._fd, self.root)
            self._keep_hidden(places & staged.listing.keys())
            self._places |= places
            links.put(places, self._fd)
            self._swap(staged.folder)
            links.remove(self._places - places, self._fd)
        self._places = places
        self.live = staged

    def mark_good(self) -> None:
        """Remember that the app took what is live; an older refusal is over then. Raises TreeError."""
        assert self.live
        with self._disk("remember the good revision"):
            if self.good != self.live:
                links.rename_onto(_GOOD, self.live.folder, self._fd)
            if self.refusal:
                os.unlink(_REFUSED, dir_fd=self._fd)
        self.good, self.refusal = self.live, None

    def refuse(self, refusal: Refusal) -> None:
        """Remember that a revision was refused, across restarts too. Raises TreeError."""
        self.refusal = refusal
        with self._disk("remember the refusal"):
            text = json.dumps({"revision": refusal.revision, "reason": refusal.reason})
            temporary = f"..file-{os.urandom(4).hex()}"
            generation.write_file(temporary, text.encode(), 0o644, self._fd)
            os.rename(temporary, _REFUSED, src_dir_fd=self._fd, dst_dir_fd=self._fd)

    def discard(self, staged: Staged) -> None:
        """Remove a staged revision that is not to be published. Raises TreeError."""
        with self._disk("discard"):
            generation.remove(staged.folder, self._fd)

    def prune(self) -> None:
        """Remove all generations but the live one, and the good one or else the one before. Raises TreeError."""
        good = self.good.folder if self.good else None
        kept = {self._folder, self._before if good in {None, self._folder} else good}
        with self._disk("prune"):
            for name in generation.names(self._fd):
                if name not in kept:
                    generation.remove(name, self._fd)

    def _take_up(self) -> None:
        """Go on from what an earlier run left: put the live generation's links right, remove what could not be finished."""
        live = None
        with self._disk("take up"):
            live = self._read(self._folder)
            if live:
                self._places = links.places_for(live.listing, self._fd, self.root)
                links.put(self._places, self._fd)
            self._sweep("")
            for name in generation.names(self._fd):
                places = self._places_of(name)
                links.remove(places - self._places, self._fd)
                for folder in {os.path.dirname(place) for place in places} - {""}:
                    self._sweep(folder)
        self.prune()
        self.live = live

    def _read_link(self, name: str) -> str | None:
        """The generation that a link of ours names. Raises StartError if somebody else made that name."""
        target = links.look(name, self._fd)
        if target is None:
            return None
        if not generation.NAME.fullmatch(target):
            raise StartError(f"{self.root}/{name} was not made by config-supervisor: choose another --configroot, or remove it")
        return target if links.look(target, self._fd) == links.FOLDER else None

    def _read(self, folder: str | None) -> Staged | None:
        """A generation as it is on disk; its revision is what its contents are."""
        if folder is None:
            return None
        listing = {file.path: entry_of(file) for file in generation.files(folder, self._fd)}
        return Staged(revision_of(listing), folder, listing)

    def _read_refusal(self) -> Refusal | None:
        """What an earlier run remembered; a file that it did not write counts for nothing."""
        if links.look(_REFUSED, self._fd) != links.FILE:
            return None
        try:
            written = json.loads(generation.read_file(_REFUSED, _REFUSED[2:], self._fd).content)
            return Refusal(Revision(written["revision"]), str(written["reason"]))
        except (ValueError, KeyError, TypeError):
            return None

    def _swap(self, folder: str) -> None:
        """Step 5: the moment at which a revision becomes live."""
        links.rename_onto(links.DATA, folder, self._fd)
        self._folder, self._before = folder, self._folder

    def _keep_hidden(self, places: set[str]) -> None:
        """Step 3. Files of the image that links will hide become part of what is live first, so that no reader misses them."""
        hidden = [place for place in places if links.look(place, self._fd) is not None and not links.is_ours(place, self._fd)]
        if not hidden:
            return
        kept = {file.path: file for file in generation.files(self._folder, self._fd)} if self._folder else {}
        for place in hidden:
            with suppress(FileNotFoundError):  # a link of the image that leads nowhere
                kept[place] = generation.read_file(place, place, self._fd)
        revision = revision_of({path: entry_of(file) for path, file in kept.items()})
        self._swap(generation.write(revision, kept.values(), self._fd))
        for place in hidden:
            links.put_over(place, self._fd)

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
        if folder and links.look(folder, self._fd) != links.FOLDER:
            return
        for name in os.listdir(os.path.join(self.root, folder)):
            place = os.path.join(folder, name)
            if links.TEMPORARY.fullmatch(name) or _TEMPORARY_FILE.fullmatch(name):
                os.unlink(place, dir_fd=self._fd)
            elif generation.UNFINISHED.fullmatch(name) and not folder:
                generation.remove(place, self._fd)

    @contextmanager
    def _disk(self, what: str, error_class: type[SupervisorError] = TreeError) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise error_class(f"cannot {what} in {self.root}: {error.strerror}") from error


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
