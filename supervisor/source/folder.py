"""A local folder, such as a mounted ConfigMap: its files are keys, read again whenever they may have changed."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from supervisor.errors import SourceError
from supervisor.model import ConfigObject, Origin
from supervisor.mounts import data_folder
from supervisor.source.local import follow
from supervisor.status import Contact

if TYPE_CHECKING:
    from collections.abc import Iterator

# Somebody who watches the wrong folder shall not fill our memory.
_FILES_MAX = 10_000
_BYTES_MAX = 256 * 2**20


class FolderSource:
    """A folder with all below it; a key is a path from there.

    Links are followed wherever they lead: the kubelet's are, and the folder is the user's choice. Names that begin with two
    dots are left out, and so is what is no plain file. A folder with a link `..data` is read through it alone.
    """

    def __init__(self, path: str, *, optional: bool = False) -> None:
        self._path = path
        self._optional = optional
        self.name = f"folder {path}"
        self.contact = Contact()

    def watch(self) -> Iterator[tuple[ConfigObject, ...] | SourceError]:
        """Say what the folder holds. One that cannot be read is a problem: what it held before stays."""
        return follow(self._path, self._read, self.contact, below=True)

    def _read(self) -> tuple[ConfigObject, ...]:
        origin = Origin("Folder", "", os.path.basename(self._path), place=self._path)
        try:
            return (ConfigObject(origin, _Reading().read(self._path)),)
        except OSError as error:
            if os.path.lexists(self._path):
                raise SourceError(f"cannot read {error.filename or self._path}: {error.strerror}") from error
            if self._optional:
                return (ConfigObject(origin, {}),)
            raise SourceError(f"{self.name} does not exist: waiting for it") from None


class _Reading:
    """One walk through a folder. Raises OSError, and SourceError if there is too much."""

    def __init__(self) -> None:
        self._data: dict[str, bytes] = {}
        self._bytes = 0

    def read(self, folder: str) -> dict[str, bytes]:
        self._read_folder(folder, "", ())
        return self._data

    def _read_folder(self, folder: str, prefix: str, above: tuple[tuple[int, int], ...]) -> None:
        folder = data_folder(folder) or folder
        status = os.stat(folder)
        here = (status.st_dev, status.st_ino)
        if here in above:
            return  # a link that leads back
        for name in sorted(os.listdir(folder)):
            path = os.path.join(folder, name)
            if name.startswith("..") or not os.path.exists(path):  # a link that leads nowhere
                continue
            if os.path.isdir(path):
                self._read_folder(path, f"{prefix}{name}/", (*above, here))
            else:
                self._read_file(path, prefix + name)

    def _read_file(self, path: str, key: str) -> None:
        if not stat.S_ISREG(os.stat(path).st_mode):
            return
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            content = file.read(_BYTES_MAX + 1 - self._bytes)
        self._bytes += len(content)
        self._data[key] = content
        if self._bytes > _BYTES_MAX or len(self._data) > _FILES_MAX:
            raise SourceError(f"{path}: there are more than {_BYTES_MAX >> 20} MiB or {_FILES_MAX} files in that folder")
