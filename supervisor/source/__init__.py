"""What is wanted, said by one thread for each source: whole states, never differences."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from supervisor.collection import collections_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from supervisor.errors import SourceError
    from supervisor.model import ConfigObject
    from supervisor.settings import SourceSettings
    from supervisor.status import Contact


class Source(Protocol):
    """Something that says what is wanted, and what keeps it from knowing.

    `watch` never ends. It yields everything that is wanted whenever that may have changed, and a SourceError when it cannot
    tell at present: then its last word still holds. What else it hears is noted in `contact`. It runs in a thread that may be
    abandoned at any time.
    """

    name: str
    contact: Contact

    def watch(self) -> Iterator[tuple[ConfigObject, ...] | SourceError]:
        """Say what is wanted, again and again."""
        ...


def make_sources(settings: SourceSettings, environment_kubeconfig: str | None) -> tuple[Source, ...]:
    """One source for each name, selector, file and folder that was given. Raises StartError if there is no cluster to ask."""
    sources: list[Source] = []
    collections = collections_of(settings)
    if collections:
        from supervisor.cluster import Cluster, find
        from supervisor.source.objects import ObjectSource

        cluster = Cluster(find(settings.cluster, environment_kubeconfig), settings.cluster.context)
        sources += [ObjectSource(cluster, one, optional=settings.optional) for one in collections]
    if settings.manifests:
        from supervisor.source.manifest import ManifestSource

        sources += [ManifestSource(path, settings.namespace, optional=settings.optional) for path in settings.manifests]
    if settings.folders:
        from supervisor.source.folder import FolderSource

        sources += [FolderSource(path, optional=settings.optional) for path in settings.folders]
    return tuple(sources)
