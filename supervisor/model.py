"""The values that travel between the rooms. All are frozen; whole states, never differences."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from hashlib import sha256
from typing import TYPE_CHECKING, NewType

from supervisor.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# The first 12 hexadecimal digits of a SHA-256 over what a folder holds: same content, same revision.
Revision = NewType("Revision", str)

_NAME_BYTES_MAX = 255  # NAME_MAX of Linux's file systems
_PATH_BYTES_MAX = 1024  # far below PATH_MAX, which counts the configroot too


@dataclass(frozen=True, slots=True)
class File:
    """One file that is wanted: where, below the configroot, with which bytes and permission bits.

    Raises Refused if `path` could lead out of the folder or clash with our own names in it.
    """

    path: str
    content: bytes = field(repr=False)
    mode: int

    def __post_init__(self) -> None:
        problem = problem_of_path(self.path)
        if problem:
            raise Refused(f"{self.path!r} cannot be a file name: {problem}")


def problem_of_path(path: str) -> str | None:
    """Why a path must not be written below the configroot, or None. Names that begin with two dots are ours, or the kubelet's."""
    parts = path.split("/")
    if "\0" in path:
        return "it holds a NUL"
    if not path or any(part in {"", "."} for part in parts):
        return "a part of it is empty or a dot"
    if any(part.startswith("..") for part in parts):
        return "a part of it begins with two dots"
    return _problem_of_length(parts)


def _problem_of_length(parts: list[str]) -> str | None:
    try:
        sizes = [len(part.encode(errors="surrogateescape")) for part in parts]
    except UnicodeEncodeError:
        return "it is no valid text"
    if sum(sizes) + len(sizes) - 1 > _PATH_BYTES_MAX:
        return f"it is longer than {_PATH_BYTES_MAX} bytes"
    if max(sizes) > _NAME_BYTES_MAX:
        return f"a part of it is longer than {_NAME_BYTES_MAX} bytes"
    return None


@dataclass(frozen=True, slots=True)
class Origin:
    """Where wanted files come from.

    `version` is the object's resourceVersion, empty for local ones; `place` the local file or folder, empty for the others.
    """

    kind: str
    namespace: str
    name: str
    version: str = ""
    place: str = ""
    changed: float = field(default=0.0, compare=False)
    """When the object was last changed, in Unix time by the cluster's clock, to the second; 0: unknown."""

    def __str__(self) -> str:
        name = f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"
        return f"{name} ({self.place})" if self.place else name


@dataclass(frozen=True, slots=True)
class ConfigObject:
    """A ConfigMap or Secret as it is wanted now: its keys with their contents, bytes as the app shall read them."""

    origin: Origin
    data: Mapping[str, bytes] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Entry:
    """What is known of a file without its content: SHA-256, size in bytes and permission bits."""

    digest: bytes = field(repr=False)
    size: int
    mode: int


def entry_of(file: File) -> Entry:
    """Describe a file without its content."""
    return Entry(sha256(file.content).digest(), len(file.content), file.mode)


Listing = dict[str, Entry]  # by path


def revision_of(listing: Mapping[str, Entry]) -> Revision:
    """Name a listing by its content."""
    total = sha256()
    for path in sorted(listing):
        entry = listing[path]
        total.update(b"%s\0%o\0" % (path.encode(errors="surrogateescape"), entry.mode) + entry.digest)
    return Revision(total.hexdigest()[:12])


class Snapshot:
    """All files that are wanted at one time, and where they come from.

    Raises Refused if two files want the same place, naming both origins.
    """

    __slots__ = ("files", "listing", "origins", "revision")

    def __init__(self, parts: Sequence[tuple[Origin, Sequence[File]]]) -> None:
        self.origins = tuple(origin for origin, _ in parts)
        self.files = _merge(parts)
        self.listing: Listing = {file.path: entry_of(file) for file in self.files}
        self.revision = revision_of(self.listing)


def _merge(parts: Sequence[tuple[Origin, Sequence[File]]]) -> tuple[File, ...]:
    taken: dict[str, Origin] = {}
    for origin, files in parts:
        for file in files:
            if file.path in taken:
                both = f"two keys of {origin}" if taken[file.path] == origin else f"both {taken[file.path]} and {origin}"
                raise Refused(f"{file.path!r} is wanted by {both}")
            taken[file.path] = origin
    for path, origin in taken.items():
        folder = path
        while "/" in folder:
            folder = folder.rpartition("/")[0]
            if folder in taken:
                raise Refused(f"{folder!r} of {taken[folder]} cannot be a file: {path!r} of {origin} lies below it")
    return tuple(file for _, files in parts for file in files)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A revision that is not to be tried again, and why."""

    revision: Revision
    reason: str


class Verdict(Enum):
    """How an attempt to make a revision live ended."""

    APPLIED = "applied"
    UNCHANGED = "unchanged"
    REFUSED = "refused"
    ROLLED_BACK = "rolled back"
    FAILED = "failed"

    @property
    def is_success(self) -> bool:
        """Whether what is wanted is live, and nobody has said no."""
        return self is Verdict.APPLIED or self is Verdict.UNCHANGED


@dataclass(frozen=True, slots=True)
class Change:
    """One file that a revision adds, changes or removes. `size` in bytes, of the new file, 0 for a removed one."""

    path: str
    what: str
    size: int


def changes(old: Listing, new: Listing) -> tuple[Change, ...]:
    """What turns one listing into another, by path."""
    return (
        *(Change(path, "added", entry.size) for path, entry in new.items() if path not in old),
        *(Change(path, "changed", entry.size) for path, entry in new.items() if path in old and old[path] != entry),
        *(Change(path, "removed", 0) for path in old if path not in new),
    )


@dataclass(frozen=True, slots=True)
class Update:
    """What the app is told of: a revision, and the paths that differ from what the app took last."""

    revision: Revision
    changed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one revision: the one value that every report renders."""

    revision: Revision
    """Empty if the revision could not even be laid out."""
    verdict: Verdict
    took_s: float
    """From taking it up to the verdict."""
    origins: tuple[Origin, ...]
    changed: tuple[Change, ...] = ()
    """What differs from the revision that was live before it."""
    reason: str = ""
    steps: tuple[tuple[str, float], ...] = ()
    """The steps that it went through, in order, each with its seconds: stage, check, publish, deliver, confirm, back."""
    live: Revision = field(default=Revision(""))
    """What is live now; empty if nothing is."""
    is_good: bool = False
    """Whether the app has taken what is live now. If not, a reload is failing, and no roll-back has mended it."""
