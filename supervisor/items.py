"""Keys and contents of objects → the files that are wanted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from supervisor.model import File, Snapshot

if TYPE_CHECKING:
    from collections.abc import Sequence

    from supervisor.model import ConfigObject
    from supervisor.settings import FileSettings


def lay_out(objects: Sequence[ConfigObject], settings: FileSettings) -> Snapshot:
    """Each key is a file of that name. Raises Refused for a key that is no safe name, and for two that want one place."""
    return Snapshot([(found.origin, _files(found, settings)) for found in objects])


def _files(found: ConfigObject, settings: FileSettings) -> list[File]:
    mode = settings.secret_mode if found.origin.kind == "Secret" else settings.mode
    return [File(key, content, mode) for key, content in found.data.items()]
