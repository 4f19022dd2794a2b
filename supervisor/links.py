"""The layout `atomic`: the names that an app opens are links through `..data` to what is live. Used by tree alone.

A link stands at the shallowest name that is free: `conf.d → ..data/conf.d` where there is no `conf.d`, and
`conf.d/a.conf → ../..data/conf.d/a.conf` below a real folder. It is known by its place, which says what it points to. So
nothing has to be remembered of links, and what stands at a place of ours but points elsewhere is not ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from supervisor import generation
from supervisor.disk import FILE, FOLDER
from supervisor.errors import Refused
from supervisor.model import File, entry_of, revision_of
from supervisor.mounts import mount_points

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from supervisor.disk import Disk
    from supervisor.tree import Staged

DATA = "..data"


class Links:
    """Puts links where a revision wants names. `swap` makes a generation live."""

    def __init__(self, disk: Disk, swap: Callable[[str], None]) -> None:
        self._disk = disk
        self._swap = swap
        self._late: list[str] = []

    def older(self) -> tuple[str, ...]:
        """No generation is needed besides those that the tree keeps anyway: a link says itself that it is ours."""
        return ()

    def prepare(self, staged: Staged, shown: Staged | None) -> None:
        """Put links for new names: they dangle until the swap, so that opening them gives what it gave before.

        Files of the image that links will hide become part of what is shown first, so that no reader misses them. Raises
        Refused, and has changed nothing, if something that we did not make is in the way; and OSError.
        """
        places = self._places_for(staged.listing)
        hidden = [place for place, found in places.items() if found == FILE]
        if hidden:
            self._refuse_mount_points(hidden)
            self._keep(hidden, shown)
        for place, found in places.items():
            if found is None:
                self._disk.link(place, target(place))
        self._late = [place for place, found in places.items() if found not in {None, FILE, target(place)}]

    def finish(self, staged: Staged, shown: Staged | None) -> None:
        """Replace links of the image, and remove ours to names that are gone. Raises OSError.

        What a link of the image leads to is not ours to read, so that could not be kept until the swap.
        """
        for place in self._late:
            self._disk.link_over(place, target(place))
        if shown:
            drop(ways(shown.listing) - ways(staged.listing), self._disk)

    def take_up(self, shown: Staged) -> None:
        """Put all links of what is shown, also where somebody has put a file since. Raises Refused and OSError."""
        for place, found in self._places_for(shown.listing).items():
            if found != target(place):
                self._disk.link_over(place, target(place))

    def _places_for(self, paths: Iterable[str]) -> dict[str, str | None]:
        """The places of the links that make these paths visible, each with what stands there. Raises Refused."""
        places: dict[str, str | None] = {}
        for path in paths:
            ways = (*generation.folders_of(path), path)
            if places.keys().isdisjoint(ways):
                place, found = self._place_for(path, ways)
                places[place] = found
        return places

    def _place_for(self, path: str, ways: Iterable[str]) -> tuple[str, str | None]:
        """The shallowest name on the way to `path` that is free, or ours already, or a file or link where a file is wanted."""
        for place in ways:
            found = self._disk.look(place)
            if found is None or found == target(place) or (place == path and self._disk.may_be_hidden(place, found)):
                return place, found
            if found != FOLDER:
                raise Refused(f"{self._disk.path}/{place} is in the way of {path!r}: remove it, or choose another name")
        raise Refused(f"{self._disk.path}/{path} is a folder that we did not make, but a file is wanted there")

    def _refuse_mount_points(self, places: Iterable[str]) -> None:
        """A file that is mounted by itself (a volume's subPath) cannot be renamed onto."""
        mounted = mount_points(self._disk.path)
        for place in sorted(mounted.intersection(places)):
            raise Refused(f"{self._disk.path}/{place} is a mount of its own and cannot be replaced: mount the folder instead")

    def _keep(self, hidden: Iterable[str], shown: Staged | None) -> None:
        files: dict[str, File] = {}
        if shown:
            files = {path: File(path, *self._disk.read(f"{shown.folder}/{path}")) for path in shown.listing}
        files |= {place: File(place, *self._disk.read(place)) for place in hidden}
        listing = {path: entry_of(file) for path, file in files.items()}
        kept, _ = generation.write(revision_of(listing), files.values(), listing, self._disk, shown)
        self._swap(kept)
        for place in hidden:
            self._disk.link_over(place, target(place))


def target(place: str) -> str:
    """What our link at a place points to: up to the configroot, then through `..data`."""
    return "../" * place.count("/") + f"{DATA}/{place}"


def ways(paths: Iterable[str]) -> set[str]:
    """Every place at which a link for one of these paths may stand: the paths, and the folders on the way to them."""
    return {place for path in paths for place in (*generation.folders_of(path), path)}


def drop(places: Iterable[str], disk: Disk) -> None:
    """Remove our links from these places; what is not our link stays. Raises OSError."""
    for place in places:
        if disk.look(place) == target(place):
            disk.remove(place)
