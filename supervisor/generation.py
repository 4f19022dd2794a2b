"""A generation: the folder in the configroot that holds one revision, whole as soon as it has its name. Used by tree alone."""

from __future__ import annotations

import os
import re
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

from supervisor.model import File

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from supervisor.model import Revision

NAME = re.compile(r"\.\.[0-9a-f]{12}-[0-9a-f]{8}")
UNFINISHED = re.compile(r"\.\.new-[0-9a-f]{8}")
FOLDER_MODE = 0o755


def names(root: int) -> list[str]:
    """The generations in the configroot that this descriptor stands for."""
    return [name for name in os.listdir(root) if NAME.fullmatch(name)]


def write(revision: Revision, files: Iterable[File], root: int) -> str:
    """Write files under a passing name, then give the folder its own, which is returned. Raises OSError, leaving nothing."""
    token = os.urandom(4).hex()
    unfinished, name = f"..new-{token}", f"..{revision}-{token}"
    try:
        _make_folder(unfinished, root)
        _write_files(files, unfinished, root)
        os.rename(unfinished, name, src_dir_fd=root, dst_dir_fd=root)
    except OSError:
        with suppress(OSError):
            remove(unfinished, root)
        raise
    return name


def paths(name: str, root: int) -> Iterator[str]:
    """The paths of all files of a generation."""
    for folder, _, found, _ in os.fwalk(name, dir_fd=root):
        for file in found:
            yield f"{folder}/{file}".removeprefix(f"{name}/")


def files(name: str, root: int) -> Iterator[File]:
    """All files of a generation, read from the disk."""
    for path in paths(name, root):
        yield read_file(f"{name}/{path}", path, root)


def read_file(place: str, path: str, root: int) -> File:
    """The file that stands at a place of the configroot, as one that is wanted at `path`."""
    with open(os.open(place, os.O_RDONLY, dir_fd=root), "rb") as file:
        return File(path, file.read(), stat.S_IMODE(os.fstat(file.fileno()).st_mode))


def write_file(place: str, content: bytes, mode: int, root: int) -> None:
    """Write a file that is not there yet, with its mode whatever the umask."""
    descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=root)
    try:
        _write_all(descriptor, content)
        os.fchmod(descriptor, mode)
    finally:
        os.close(descriptor)


def remove(name: str, root: int) -> None:
    """Remove a generation, or what was written of one."""
    for _, folders, found, descriptor in os.fwalk(name, topdown=False, dir_fd=root):
        for file in found:
            os.unlink(file, dir_fd=descriptor)
        for folder in folders:
            os.rmdir(folder, dir_fd=descriptor)
    os.rmdir(name, dir_fd=root)


def _make_folder(path: str, root: int) -> None:
    os.mkdir(path, dir_fd=root)
    os.chmod(path, FOLDER_MODE, dir_fd=root)


def _write_files(files: Iterable[File], unfinished: str, root: int) -> None:
    """Write files, and the folders on the way to them, with their modes whatever the umask."""
    made = {unfinished}
    for file in files:
        place = f"{unfinished}/{file.path}"
        for folder in _folders_of(place):
            if folder not in made:
                _make_folder(folder, root)
                made.add(folder)
        write_file(place, file.content, file.mode, root)


def _folders_of(path: str) -> list[str]:
    """`a`, `a/b` for `a/b/c`."""
    return [path[:index] for index, letter in enumerate(path) if letter == "/"]


def _write_all(descriptor: int, content: bytes) -> None:
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
