"""A local YAML file of ConfigMaps and Secrets, read again whenever it may have changed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from supervisor.errors import SourceError
from supervisor.source.decode import KINDS, NotDecoded, config_object
from supervisor.source.local import follow
from supervisor.status import Contact

if TYPE_CHECKING:
    from collections.abc import Iterator

    import yaml

    from supervisor.model import ConfigObject

# A file may refer to its own parts (YAML's anchors), and so be much larger than it looks.
_OBJECTS_MAX = 10_000
_BYTES_MAX = 64 * 2**20


class ManifestSource:
    """A manifest as kubectl takes it: several documents, of which only ConfigMaps and Secrets count. No cluster is needed."""

    def __init__(self, path: str, namespace: str = "", *, optional: bool = False) -> None:
        self._path = path
        self._namespace = namespace
        self._optional = optional
        self.name = f"manifest {path}"
        self.contact = Contact()

    def watch(self) -> Iterator[tuple[ConfigObject, ...] | SourceError]:
        """Say what the file holds. One that cannot be read, or is broken by an edit, is a problem: what it held before stays."""
        return follow(self._path, self._read, self.contact)

    def _read(self) -> tuple[ConfigObject, ...]:
        try:
            with open(self._path, "rb") as file:
                text = file.read(_BYTES_MAX + 1)
        except FileNotFoundError:
            if self._optional and not os.path.lexists(self._path):
                return ()
            raise SourceError(f"cannot read {self._path}: there is no such file") from None
        except OSError as error:
            raise SourceError(f"cannot read {self._path}: {error.strerror}") from error
        if len(text) > _BYTES_MAX:
            raise SourceError(f"{self._path} has more than {_BYTES_MAX >> 20} MiB")
        found = [document for document in _documents(text, self._path) if document.get("kind") in KINDS]
        if not found:
            raise SourceError(f"{self._path} holds no ConfigMap and no Secret")
        return tuple(self._decoded(document) for document in found)

    def _decoded(self, document: _Mapping) -> ConfigObject:
        try:
            return config_object(document["kind"], document, self._namespace, self._path)
        except NotDecoded as error:
            field = document.get(error.field)
            inside = field.marks if isinstance(field, _Mapping) else {}
            mark = inside.get(error.key) or document.marks.get(error.field) or document.mark
            raise SourceError(f"{_where(self._path, mark)}: {error}") from None


class _Mapping(dict[Any, Any]):
    """A mapping that knows where in the file it begins, and where the value of each key does."""

    mark: yaml.Mark
    marks: dict[object, yaml.Mark]


def _documents(text: bytes, path: str) -> list[_Mapping]:
    """Every mapping of a YAML stream, the items of List kinds in their stead. Raises SourceError with line and column."""
    import yaml

    try:
        documents = list(yaml.load_all(text, Loader=_loader()))
    except yaml.MarkedYAMLError as error:
        raise SourceError(f"{_where(path, error.problem_mark)}: {_problem(error)}") from None
    except (yaml.YAMLError, ValueError, RecursionError):  # not the error itself: it may quote the text
        raise SourceError(f"{path} is not YAML in UTF-8") from None
    found: list[_Mapping] = []
    for _ in range(_OBJECTS_MAX):
        if not documents:
            return found
        document = documents.pop(0)
        items = document.get("items") if isinstance(document, _Mapping) else None
        if isinstance(document, _Mapping) and str(document.get("kind", "")).endswith("List") and isinstance(items, list):
            documents = items + documents
        elif isinstance(document, _Mapping):
            found.append(document)
    raise SourceError(f"{path} holds more than {_OBJECTS_MAX} objects")


def _problem(error: yaml.MarkedYAMLError) -> str:
    """PyYAML's words, but for a tag, alias or anchor that they quote: a password without quotes may look like one."""
    said = str(error.problem or "not YAML")
    return said.partition(" '")[0] if any(word in said for word in ("tag", "alias", "anchor")) else said


def _loader() -> type[yaml.SafeLoader]:
    """PyYAML's safe loader, in C where there is that, which makes mappings with marks and refuses a key that stands twice."""
    import yaml

    class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
        pass

    def construct(loader: yaml.SafeLoader, node: yaml.MappingNode) -> Iterator[_Mapping]:
        made = _Mapping()
        made.mark, made.marks = node.start_mark, {}
        yield made  # so that a part of it can refer to it
        _refuse_twice(node)
        loader.flatten_mapping(node)
        made.update(loader.construct_mapping(node))
        made.marks.update((key.value, value.start_mark) for key, value in node.value)

    Loader.add_constructor("tag:yaml.org,2002:map", construct)
    return Loader


def _refuse_twice(node: yaml.MappingNode) -> None:
    """The API server's own reader refuses them too; PyYAML would take the last one."""
    from yaml.constructor import ConstructorError

    seen: set[object] = set()
    for key, _ in node.value:
        if isinstance(key.value, str) and key.value in seen:
            raise ConstructorError(None, None, f"the key {key.value!r} stands twice in a mapping", key.start_mark)
        seen.add(key.value if isinstance(key.value, str) else id(key))


def _where(path: str, mark: yaml.Mark | None) -> str:
    return f"{path}, line {mark.line + 1}, column {mark.column + 1}" if mark else path
