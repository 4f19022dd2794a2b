"""Keys and contents of objects → the files that are wanted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from supervisor.errors import Refused
from supervisor.model import File, Snapshot

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from supervisor.model import ConfigObject, Origin
    from supervisor.settings import FileSettings, Item

_GZIP_ENDING = ".gz"


def lay_out(objects: Sequence[ConfigObject], settings: FileSettings) -> Snapshot:
    """The files of all objects, as the settings want them.

    Raises Refused for a path that is not safe, two files that want one place, an item without a key, and for what cannot be
    unpacked or expanded. An object of the cluster that two sources have found counts once.
    """
    layout = _Layout(settings)
    parts = [(found.origin, list(layout.files(found))) for found in _each_once(objects)]
    layout.refuse_missing_items()
    return Snapshot(parts)


def _each_once(objects: Sequence[ConfigObject]) -> Iterator[ConfigObject]:
    seen: set[tuple[str, str, str]] = set()
    for found in objects:
        origin = found.origin
        name = (origin.kind, origin.namespace, origin.name)
        if not origin.version or name not in seen:
            yield found
        if origin.version:
            seen.add(name)


class _Layout:
    """One laying out: it counts the items that were met, and the bytes that were unpacked."""

    def __init__(self, settings: FileSettings) -> None:
        self._settings = settings
        self._missing = set(settings.items)
        self._unpacked = 0

    def files(self, found: ConfigObject) -> Iterator[File]:
        """The files of one object."""
        mode = self._settings.secret_mode if found.origin.kind == "Secret" else self._settings.mode
        for key, path in self._paths(found):
            try:
                content = self._content(found, key)
            except Refused as error:
                raise Refused(f"{found.origin}: {key!r}: {error}") from None
            try:
                yield File(path, content, mode)
            except Refused as error:
                raise Refused(f"{found.origin}: {error}") from None

    def refuse_missing_items(self) -> None:
        """Raise Refused for items whose key no object holds, unless they are optional."""
        if self._missing and not self._settings.items_optional:
            missing = ", ".join(sorted(f"--item={item}" for item in self._missing))
            raise Refused(f"there is no such key: {missing}")

    def _paths(self, found: ConfigObject) -> Iterator[tuple[str, str]]:
        """Each key that is wanted, with the path of its file. Items that mean an object leave all its other keys out."""
        items = [item for item in self._settings.items if _means(item, found.origin)]
        if not items:
            yield from ((key, self._path_of(key, found.origin)) for key in found.data)
        for item in items:
            if item.key in found.data:
                self._missing.discard(item)
                yield item.key, item.path

    def _path_of(self, key: str, origin: Origin) -> str:
        settings = self._settings
        if settings.gunzip:
            key = key.removesuffix(_GZIP_ENDING)
        if settings.key_separator:
            key = key.replace(settings.key_separator, "/")
        if settings.template == "{key}":
            return key
        # The key last: it may hold braces, the others cannot.
        named = settings.template.replace("{namespace}", origin.namespace).replace("{name}", origin.name)
        return named.replace("{key}", key)

    def _content(self, found: ConfigObject, key: str) -> bytes:
        content, settings = found.data[key], self._settings
        if settings.gunzip and key.endswith(_GZIP_ENDING):
            from supervisor.contents import BYTES_MAX, gunzip

            content = gunzip(content, BYTES_MAX - self._unpacked)
            self._unpacked += len(content)
        if settings.expand is not None:
            from supervisor.contents import expand

            content = expand(content, settings.expand, may_name=found.origin.kind != "Secret")
        return content


def _means(item: Item, origin: Origin) -> bool:
    """Whether an item means an object. One of a folder has no namespace."""
    if item.object is None:
        return True
    return item.object.name == origin.name and origin.namespace in {"", item.object.namespace}
