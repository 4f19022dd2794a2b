"""What both kinds of local sources do: read, then sleep until it may be another state."""

from __future__ import annotations

from typing import TYPE_CHECKING

from supervisor.errors import SourceError
from supervisor.notify import Watch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from supervisor.model import ConfigObject
    from supervisor.status import Contact

    Heard = tuple[ConfigObject, ...] | SourceError

# What is written to all the time is taken as it is after so many tries.
_TRIES_MAX = 10


def follow(path: str, read: Callable[[], tuple[ConfigObject, ...]], contact: Contact, *, below: bool = False) -> Iterator[Heard]:
    """Say what `read` returns now, and whenever it may have changed; a SourceError that it raises is said as well.

    What changes while it is read is read again before anything is said, so a burst of changes is one word.
    """
    tries = 0
    while True:
        with Watch(path, below=below) as watch:  # before reading: a change in between is seen
            try:
                heard: Heard = read()
            except SourceError as error:
                heard = error
            tries += 1
            if tries < _TRIES_MAX and not watch.is_quiet():
                continue
            tries = 0
            contact.lists += 1
            yield heard
            if watch.problem:
                yield SourceError(watch.problem)
            watch.wait()
