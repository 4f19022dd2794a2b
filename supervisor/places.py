"""The way to a place below the configroot: one descriptor after another, and no link on the way is followed. Used by disk alone.

The contexts are classes: an update enters dozens of them, and a generator takes twice the time.
"""

from __future__ import annotations

import os


class Folder:
    """The context of a folder's descriptor."""

    __slots__ = ("_place", "_root", "fd")

    def __init__(self, root: int, place: str) -> None:
        self._root = self.fd = root
        self._place = place

    def __enter__(self) -> int:
        """Raises OSError if a part of the place is no folder, or a link."""
        try:
            for part in self._place.split("/") if self._place else ():
                inner = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=self.fd)
                self.close()
                self.fd = inner
        except OSError:
            self.close()
            raise
        return self.fd

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close what was opened; the configroot stays open."""
        if self.fd != self._root:
            os.close(self.fd)
            self.fd = self._root


class Parent:
    """The same for the folder that a place lies in, with the name there."""

    __slots__ = ("_folder", "_name")

    def __init__(self, root: int, place: str) -> None:
        folder, _, self._name = place.rpartition("/")
        self._folder = Folder(root, folder)

    def __enter__(self) -> tuple[int, str]:
        return self._folder.__enter__(), self._name

    def __exit__(self, *_: object) -> None:
        self._folder.close()
