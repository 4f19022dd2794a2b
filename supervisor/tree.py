"""The configroot: stage a revision, publish it in one step, go back, and take up what an earlier run has left.

What is live is a *generation*, a folder `..<revision>-<token>`, and `..data` is a link to it, as the kubelet has it. What an app
opens is the layout's: links through `..data` (links.py), or plain files (files.py). `..good` is a link to the generation that the
app last took; `..refused` is a file that says which revision was refused, and why.

A revision becomes live in these steps, and kill -9 between any two of them is healed by the next run; with links, whoever opens
files sees all old or all new all the while:

    stage    1  write the files into `..new-<token>`; those that are the same now are taken from the live generation
             2  rename it to `..<revision>-<token>`
    publish  3  the layout prepares: all that can be refused or can lack space
             4  the swap: rename a new link onto `..data`
             5  the layout finishes: what is no longer wanted goes
    prune    6  remove all generations but two
    let go   7  give the older one files of its own; before 6, if the app has no other way to know

Going back is the same publish, of a generation that is still there. Every name that we make for a moment is unique, so a
leftover of a run that was killed never stands in the way.
"""

from __future__ import annotations

import json
import os
import re
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from supervisor import generation, links
from supervisor.disk import FILE, FOLDER, Disk
from supervisor.errors import Refused, StartError, SupervisorError, TreeError
from supervisor.files import JOURNAL, Files
from supervisor.links import Links
from supervisor.model import Listing, Refusal, Revision, revision_of
from supervisor.root import open_root

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Literal

    from supervisor.model import Snapshot
    from supervisor.stamp import Stamp

_GOOD = "..good"
_REFUSED = "..refused"
_TEMPORARY = re.compile(r"\.\.(file|link)-[0-9a-f]{8}")


@dataclass(frozen=True, slots=True)
class Staged:
    """A revision on disk; `folder` is its generation's name in the configroot, `stamps` what its files were when we left them."""

    revision: Revision
    folder: str
    listing: Listing
    stamps: dict[str, Stamp] = field(default_factory=dict, repr=False, compare=False)


class Tree:
    """One configroot, ours alone as long as this object lives.

    `live` is what an app sees, `good` what the app last took, `refusal` the last revision that was refused. At the start all
    are read back from the disk, contents and all, so that what a power cut has torn differs from what is wanted. Raises
    StartError if the folder cannot be had: it is not a folder, not ours to write, or another supervisor's.
    """

    def __init__(
        self, root: str, *, layout: Literal["atomic", "files"] = "atomic", folder_mode: int = 0o755, fsync: bool = False
    ) -> None:
        self.root = root
        self._layout_name = layout
        self._disk = Disk(root, open_root(root, folder_mode), folder_mode, fsync=fsync)
        self._read_all()

    def _read_all(self) -> None:
        self.live: Staged | None = None
        self.has_failed = False  # the disk has: there may be more on it than we know of
        self.refusal: Refusal | None = None
        with self._doing("read what is live", StartError):
            self._folder = self._read_link(links.DATA)
            # Those on the disk, by folder; None: what is in it is not known.
            self._generations: dict[str, Staged | None] = dict.fromkeys(generation.names(self._disk))
            others = [name for name in self._generations if name != self._folder]
            # Of those that were live: these have the files still that somebody may have opened and watch.
            self._watched = set(others)
            self._before = max(others, key=lambda name: os.lstat(name, dir_fd=self._disk.fd).st_mtime_ns, default=None)
            self._shown = self._read(self._folder)
            good = self._read_link(_GOOD)
            self.good = self._shown if good == self._folder else self._read(good)
            self._generations |= {one.folder: one for one in (self._shown, self.good) if one}
            self.refusal = self._read_refusal()
            self._layout = Files(self._disk, self._read) if self._layout_name == "files" else Links(self._disk, self._swap)
        try:
            self._take_up()
        except (Refused, TreeError):
            return  # nothing counts as live then: the next revision is published in full, and says what is in the way

    def return_to_root(self) -> None:
        """If another folder has taken the place of ours, or ours is gone, go on with what is there now. Raises TreeError.

        Not if it is a link: somebody else may have planted it.
        """
        with self._doing("look"), suppress(FileNotFoundError):
            if os.path.samestat(os.stat(self.root), os.fstat(self._disk.fd)):
                return
        if os.path.islink(self.root):
            raise TreeError(f"{self.root} has become a link to somewhere else, which is not followed: start anew if it is right")
        try:
            descriptor = open_root(self.root, self._disk.folder_mode)
            os.dup2(descriptor, self._disk.fd, inheritable=False)
            os.close(descriptor)
            self._read_all()
        except StartError as error:
            raise TreeError(str(error)) from error

    def stage(self, snapshot: Snapshot) -> Staged:
        """Write a snapshot beside what is live. Raises TreeError, and leaves nothing behind, if the disk does not take it."""
        with self._doing("write"):
            folder, stamps = generation.write(snapshot.revision, snapshot.files, snapshot.listing, self._disk, self.live)
        self._generations[folder] = staged = Staged(snapshot.revision, folder, snapshot.listing, stamps)
        return staged

    def path_of(self, staged: Staged) -> str:
        """Where a staged revision lies, as an absolute path, for whoever checks it before it is published."""
        return os.path.join(self.root, staged.folder)

    def publish(self, staged: Staged) -> None:
        """Make a staged revision live, or one that was live before.

        Raises Refused if something that we did not make is in the way: then what was live still is. Raises TreeError if the
        disk does not take all of it: publish again.
        """
        with self._doing("publish"):
            if self._disk.look(staged.folder) != FOLDER:
                raise TreeError(f"cannot publish in {self.root}: somebody has removed {staged.folder}")
            self._layout.prepare(staged, self._shown)
            shown, self._shown, self.live = self._shown, staged, None  # nothing counts as live until all of it is
            self._swap(staged.folder)
            self._layout.finish(staged, shown)
        self.live = staged

    @property
    def has_to_let_go(self) -> bool:
        """Whether generations are kept whose files somebody may still take for live. Plain files are copies of a generation's."""
        return bool(self._watched) and isinstance(self._layout, Links)

    def let_go(self) -> None:
        """Let those know who watch files that are no longer live: to them these are deleted, as by the kubelet.

        It takes as long as staging, and can wait: what is pruned meanwhile is gone anyway.
        """
        if not self.live or not self.has_to_let_go:
            return
        watched, self._watched = self._watched, set()
        try:
            for name in watched:
                old = self._generations.get(name) or self._read(name)
                if old:
                    generation.renew(old, self.live, self._disk)
        except OSError:  # somebody has removed it, or there is no space for the copies that we keep
            self.has_failed = True

    def mark_good(self) -> None:
        """Remember that the app took what is live; an older refusal is over then. Raises TreeError."""
        assert self.live
        with self._doing("remember the good revision"):
            if self.good != self.live:
                self._disk.link_over(_GOOD, self.live.folder)
            if self.refusal:
                self._disk.remove(_REFUSED)
        self.good, self.refusal = self.live, None

    def refuse(self, refusal: Refusal) -> None:
        """Remember that a revision was refused, across restarts too. Raises TreeError."""
        self.refusal = refusal
        with self._doing("remember the refusal"):
            text = json.dumps({"revision": refusal.revision, "reason": refusal.reason})
            self._disk.write_over(_REFUSED, text.encode(), 0o644)

    def discard(self, staged: Staged) -> None:
        """Remove a staged revision that is not to be published. Raises TreeError."""
        with self._doing("discard"):
            self._disk.remove_all(staged.folder)
            self._generations.pop(staged.folder, None)

    def prune(self) -> None:
        """Remove all generations but the live one, and the good one or else the one before. Raises TreeError."""
        good = self.good.folder if self.good else None
        kept = {self._folder, self._before if good in {None, self._folder} else good, *self._layout.older()}
        with self._doing("prune"):
            if self.has_failed:
                self._sweep("")
                self._generations = {name: self._generations.get(name) for name in generation.names(self._disk)}
                self.has_failed = False
            for name in self._generations.keys() - kept:
                self._drop_links(name)
                self._disk.remove_all(name)
                del self._generations[name]
            self._watched &= self._generations.keys()

    def _take_up(self) -> None:
        """Go on from what an earlier run left: put the live generation's names right, remove what could not be finished."""
        live = self._shown
        with self._doing("take up"):
            names = list(self._generations)
            places = links.ways(path for name in names for path in generation.paths(name, self._disk))
            for folder in {"", *map(os.path.dirname, places)}:
                self._sweep(folder)
            if isinstance(self._layout, Links) and self._disk.look(JOURNAL) == FILE:
                Files(self._disk, self._read).give_up(live)
            if live:
                self._layout.take_up(live)
            for name in names:
                self._drop_links(name)
            is_right = live is not None and generation.has_modes(live.folder, self._disk)
        self.prune()
        self.live = live if is_right else None

    def _drop_links(self, folder: str) -> None:
        """Remove the links that are there for a generation alone."""
        wanted = links.ways(self._shown.listing if self._shown else ())
        if self._folder and not (self._shown and self._shown.folder == self._folder):  # it keeps what links hide already
            wanted |= links.ways(self._paths(self._folder))
        links.drop(links.ways(self._paths(folder)) - wanted, self._disk)

    def _paths(self, folder: str) -> Iterable[str]:
        staged = self._generations.get(folder)
        return staged.listing if staged else generation.paths(folder, self._disk)

    def _read_link(self, name: str) -> str | None:
        """The generation that a link of ours names. Raises StartError if somebody else made that name."""
        target = self._disk.look(name)
        if target is None:
            return None
        if not generation.NAME.fullmatch(target):
            raise StartError(f"{self.root}/{name} was not made by config-supervisor: choose another --configroot, or remove it")
        return target if self._disk.look(target) == FOLDER else None

    def _read(self, folder: str | None) -> Staged | None:
        """A generation as it is on disk; its revision is what its contents are."""
        found = generation.read(folder, self._disk) if folder else None
        if folder is None or found is None:
            return None
        listing, stamps = found
        return Staged(revision_of(listing), folder, listing, stamps)

    def _read_refusal(self) -> Refusal | None:
        """What an earlier run remembered; a file that it did not write counts for nothing."""
        if self._disk.look(_REFUSED) != FILE:
            return None
        try:
            written = json.loads(self._disk.read(_REFUSED)[0])
            return Refusal(Revision(written["revision"]), str(written["reason"]))
        except (ValueError, KeyError, TypeError):
            return None

    def _swap(self, folder: str) -> None:
        """Step 4: the moment at which a revision becomes live."""
        self._disk.link_over(links.DATA, folder)
        if self._folder:
            self._watched.add(self._folder)
        self._watched.discard(folder)
        self._folder, self._before = folder, self._folder
        self._generations.setdefault(folder)

    def _sweep(self, folder: str) -> None:
        """Remove the temporary names that a killed run has left in a real folder of the configroot."""
        for name in self._disk.names(folder):
            place = os.path.join(folder, name)
            is_folder = self._disk.look(place) == FOLDER
            if _TEMPORARY.fullmatch(name) and not is_folder:
                self._disk.remove(place)
            elif generation.UNFINISHED.fullmatch(name) and is_folder and not folder:
                self._disk.remove_all(place)

    def _doing(self, what: str, error_class: type[SupervisorError] = TreeError) -> _Doing:
        return _Doing(self, what, error_class)


class _Doing:
    """The context of something that the disk may not take. A class, as in places."""

    def __init__(self, tree: Tree, what: str, error_class: type[SupervisorError]) -> None:
        self._tree = tree
        self._what = what
        self._error_class = error_class

    def __enter__(self) -> None:
        pass

    def __exit__(self, _type: object, error: BaseException | None, _traceback: object) -> None:
        if isinstance(error, OSError):
            self._tree.has_failed = True
            raise self._error_class(f"cannot {self._what} in {self._tree.root}: {error.strerror}") from error
