"""A local YAML file of ConfigMaps and Secrets, read again whenever it may have changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from supervisor.errors import SourceError
from supervisor.notify import Watch
from supervisor.source.decode import KINDS, config_object
from supervisor.status import Contact

if TYPE_CHECKING:
    from collections.abc import Iterator

    from supervisor.model import ConfigObject


class ManifestSource:
    """A manifest as kubectl takes it: several documents, of which only ConfigMaps and Secrets count. No cluster is needed."""

    def __init__(self, path: str) -> None:
        self._path = path
        self.name = f"manifest {path}"
        self.contact = Contact()

    def watch(self) -> Iterator[tuple[ConfigObject, ...] | SourceError]:
        """Say what the file holds. One that cannot be read, or is broken by an edit, is a problem: what it held before stays."""
        while True:
            with Watch(self._path) as watch:  # before reading: a change in between is seen
                try:
                    heard: tuple[ConfigObject, ...] | SourceError = self._read()
                except SourceError as error:
                    heard = error
                self.contact.lists += 1
                yield heard
                watch.wait()

    def _read(self) -> tuple[ConfigObject, ...]:
        try:
            with open(self._path, "rb") as file:
                documents = _documents(file.read(), self._path)
        except OSError as error:
            raise SourceError(f"cannot read {self._path}: {error.strerror}") from error
        found = [document for document in documents if isinstance(document, dict) and document.get("kind") in KINDS]
        if not found:
            raise SourceError(f"{self._path} holds no ConfigMap and no Secret")
        return tuple(config_object(document["kind"], document) for document in found)


def _documents(text: bytes, path: str) -> list[object]:
    """Every document of a YAML stream, the items of List kinds among them. Raises SourceError with line and column."""
    import yaml

    try:
        documents = list(yaml.load_all(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise SourceError(f"{path}{where}: {error.problem or 'not YAML'}") from None
    except (yaml.YAMLError, ValueError, RecursionError):  # not the error itself: it may quote the text
        raise SourceError(f"{path} is not YAML in UTF-8") from None
    return [item for document in documents for item in _items(document)]


def _items(document: object) -> list[object]:
    if isinstance(document, dict) and str(document.get("kind", "")).endswith("List") and isinstance(document.get("items"), list):
        return [item for inner in document["items"] for item in _items(inner)]
    return [document]
