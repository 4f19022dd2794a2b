"""The layout `files`: plain files and folders at the places that a revision wants, without any link. Used by tree alone.

The generation is written first, as in the other layout. The swap of `..data` then says which one is meant, and its files are
copied to their places, each by one rename: a reader of one file gets all old or all new. They are copies, not hard links: an app
that edits its file in place must not change what we go back to.

`..files` is the journal: which folders we made, and which generations may still have files at places that nobody wants. A run
that was killed at any step is finished by the next one, from the journal and the generations alone. A file is removed only if it
holds what such a generation holds, so what somebody else has put there meanwhile stays.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from typing import TYPE_CHECKING

from supervisor import links
from supervisor.disk import FILE, FOLDER
from supervisor.errors import Refused
from supervisor.generation import NAME, folders_of
from supervisor.model import problem_of_path
from supervisor.mounts import mount_points

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from supervisor.disk import Disk
    from supervisor.model import Listing
    from supervisor.tree import Staged

JOURNAL = "..files"


class Files:
    """Puts files where a revision wants them. `read` gives a generation that is on disk, by its name."""

    def __init__(self, disk: Disk, read: Callable[[str], Staged | None]) -> None:
        self._disk = disk
        self._read = read
        self._made, self._older = _read_journal(disk)
        self._written = (set(self._made), list(self._older))
        self._temporary: dict[str, str] = {}

    def older(self) -> list[str]:
        """The generations that are needed to finish what was begun."""
        return self._older

    def prepare(self, staged: Staged, shown: Staged | None) -> None:
        """Do all that may lack space, without changing what a reader of the present files finds.

        Raises Refused, and has changed nothing, if something that we did not make is in the way; and OSError.
        """
        self._remove_temporary()  # of a try that did not get to its end
        older = self._older_than(staged, shown)
        self._refuse_what_is_in_the_way(staged.listing, older)
        try:
            for path, entry in staged.listing.items():
                folder = path.rpartition("/")[0]
                is_there = not folder or self._disk.look(folder) == FOLDER
                if is_there and not self._disk.holds(path, entry, with_mode=True):
                    self._temporary[path] = self._disk.copy_beside(f"{staged.folder}/{path}", path)
        except OSError:
            self._remove_temporary()
            raise
        self._made |= {way for way in _folders(staged.listing) if self._disk.look(way) != FOLDER}
        self._older = [one.folder for one in older]
        self._write_journal()

    def finish(self, staged: Staged, shown: Staged | None) -> None:
        """Remove what is no longer wanted, and put everything at its place. Raises OSError."""
        for one in self._older_than(staged, shown):
            self._remove_files(one, staged.listing)
        self._remove_folders(self._made - _folders(staged.listing))
        for folder in sorted(_folders(staged.listing)):  # outer ones first
            if self._disk.look(folder) != FOLDER:
                links.drop([folder], self._disk)
                self._disk.make_folder(folder)
        for path, entry in staged.listing.items():
            temporary = self._temporary.pop(path, None)
            if temporary is None and not self._disk.holds(path, entry, with_mode=True):
                temporary = self._disk.copy_beside(f"{staged.folder}/{path}", path)
            if temporary:
                self._disk.rename_over(temporary, path)
        self._remove_temporary()
        self._older = []
        self._write_journal()

    def take_up(self, shown: Staged) -> None:
        """Finish what an earlier run, or one with the other layout, has begun, unless the generation is torn.

        Raises Refused and OSError.
        """
        if not shown.folder.startswith(f"..{shown.revision}-"):
            return
        self.prepare(shown, None)
        self.finish(shown, None)

    def give_up(self, shown: Staged | None) -> None:
        """Leave the places to the other layout. What is shown stays, as files or already as links. Raises OSError."""
        wanted = shown.listing if shown else {}
        for name in self._older:
            older = self._read(name)
            if older:
                self._remove_files(older, wanted)
        self._remove_folders(self._made)
        for folder in sorted(self._made):  # outer ones first
            if shown and self._disk.look(folder) == FOLDER and self._goes(folder, [shown]):
                passing = f"..new-{os.urandom(4).hex()}"
                self._disk.rename(folder, passing)
                self._disk.link(folder, links.target(folder))
                self._disk.remove_all(passing)
        self._disk.remove(JOURNAL)

    def _older_than(self, staged: Staged, shown: Staged | None) -> list[Staged]:
        """The generations that may have files at places that are no longer wanted."""
        found = [self._read(name) for name in self._older if shown is None or name != shown.folder]
        return [one for one in (*found, shown) if one and one.folder != staged.folder]

    def _refuse_what_is_in_the_way(self, listing: Listing, older: Iterable[Staged]) -> None:
        root = self._disk.path
        mounted = mount_points(root)
        for folder in sorted(_folders(listing)):
            found = self._disk.look(folder)
            if found not in {None, FOLDER, links.target(folder)} and not self._is_ours(folder, older):
                path = next(path for path in listing if path.startswith(f"{folder}/"))
                raise Refused(f"{root}/{folder} is in the way of {path!r}: remove it, or choose another name")
        for path in listing:
            found = self._disk.look(path)
            if found == FOLDER and not self._goes(path, older):
                raise Refused(f"{root}/{path} is a folder that we did not make, but a file is wanted there")
            if found not in {None, FOLDER, links.target(path)} and not self._disk.may_be_hidden(path, found):
                raise Refused(f"{root}/{path} is in the way of {path!r}: remove it, or choose another name")
            if path in mounted:
                raise Refused(f"{root}/{path} is a mount of its own and cannot be replaced: mount the folder instead")

    def _goes(self, folder: str, older: Iterable[Staged]) -> bool:
        """Whether a folder is ours, and so is everything in it."""
        if folder not in self._made:
            return False
        inside = [f"{folder}/{name}" for name in self._disk.names(folder)]
        return all(self._goes(one, older) if self._disk.look(one) == FOLDER else self._is_ours(one, older) for one in inside)

    def _is_ours(self, path: str, older: Iterable[Staged]) -> bool:
        """Whether a file is one that we wrote, and as we wrote it."""
        return any(path in one.listing and self._disk.holds(path, one.listing[path]) for one in older)

    def _remove_files(self, older: Staged, wanted: Listing) -> None:
        links.drop(links.ways(older.listing) - wanted.keys() - _folders(wanted), self._disk)
        for path in older.listing.keys() - wanted.keys():
            if self._is_ours(path, [older]):
                self._disk.remove(path)

    def _remove_folders(self, folders: Iterable[str]) -> None:
        for folder in sorted(folders, reverse=True):  # inner ones first
            if self._disk.remove_folder(folder):
                self._made.discard(folder)

    def _remove_temporary(self) -> None:
        while self._temporary:
            with suppress(OSError):
                self._disk.remove(self._temporary.popitem()[1])

    def _write_journal(self) -> None:
        if (self._made, self._older) == self._written:
            return
        text = json.dumps({"folders": sorted(self._made), "older": self._older})
        if self._made or self._older:
            self._disk.write_over(JOURNAL, text.encode(), 0o644)
        else:
            self._disk.remove(JOURNAL)
        self._written = (set(self._made), list(self._older))


def _read_journal(disk: Disk) -> tuple[set[str], list[str]]:
    """The folders that we made, and the older generations. What a power cut has torn counts for nothing."""
    if disk.look(JOURNAL) != FILE:
        return set(), []
    try:
        written = json.loads(disk.read(JOURNAL)[0])
        folders = {folder for folder in written["folders"] if not problem_of_path(folder)}
        return folders, [name for name in written["older"] if NAME.fullmatch(name)]
    except (ValueError, KeyError, TypeError, AttributeError):
        return set(), []


def _folders(paths: Iterable[str]) -> set[str]:
    """All folders on the way to these paths."""
    return {folder for path in paths for folder in folders_of(path)}
