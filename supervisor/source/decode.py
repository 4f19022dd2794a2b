"""A ConfigMap or Secret as the API writes it → ConfigObject. Nothing is trusted: the server may lie, a file may be anything."""

from __future__ import annotations

import base64
import binascii
from datetime import datetime
from typing import Any

from supervisor.errors import SourceError
from supervisor.model import ConfigObject, Origin

KINDS = ("ConfigMap", "Secret")


class NotDecoded(SourceError):
    """A value cannot be what it should be; `field` and `key` say where it stands."""

    def __init__(self, message: str, field: str, key: str = "") -> None:
        super().__init__(message)
        self.field = field
        self.key = key


def config_object(kind: str, written: dict[str, Any], default_namespace: str = "", place: str = "") -> ConfigObject:
    """Decode `data`, `binaryData` and `stringData`. Raises NotDecoded naming the object and the key, never the value."""
    metadata = _mapping(written, "metadata", kind)
    name = metadata.get("name")
    if not isinstance(name, str) or not name:
        raise NotDecoded(f"a {kind} has no name", "metadata")
    namespace = metadata.get("namespace") or default_namespace
    owner = Origin(kind, str(namespace), name)
    version = str(metadata.get("resourceVersion") or "")
    origin = Origin(kind, str(namespace), name, version, place, _changed(metadata))
    plain, encoded = ("stringData", "data") if kind == "Secret" else ("data", "binaryData")
    contents = {key: _decoded(encoded, key, value, owner) for key, value in _mapping(written, encoded, owner).items()}
    for key, value in _mapping(written, plain, owner).items():
        if not isinstance(value, str):
            raise NotDecoded(f"{owner}: the value of {key!r} is not a text: quote it", plain, key)
        contents[str(key)] = value.encode(errors="surrogatepass")
    return ConfigObject(origin, contents)


def _changed(metadata: dict[str, Any]) -> float:
    """When somebody last wrote it: Kubernetes keeps that for each writer (API reference, "ManagedFieldsEntry v1 meta")."""
    entries = metadata.get("managedFields")
    times = [entry.get("time") for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
    try:
        return max(datetime.fromisoformat(text).timestamp() for text in (*times, metadata.get("creationTimestamp")) if text)
    except (ValueError, TypeError, OverflowError):
        return 0.0


def _mapping(written: dict[str, Any], name: str, owner: object) -> dict[str, Any]:
    value = written.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise NotDecoded(f"{owner}: {name} is not a mapping of names", name)
    return value


def _decoded(field: str, key: str, value: object, owner: Origin) -> bytes:
    if isinstance(value, bytes):  # YAML's !!binary
        return value
    try:
        return base64.b64decode("".join(value.split()) if isinstance(value, str) else b"?", validate=True)
    except (binascii.Error, ValueError):
        raise NotDecoded(f"{owner}: the value of {key!r} is not base64", field, key) from None
