"""The notice board: what is known of this run now. One cell for each writer, replaced whole; readers take no lock.

It is there in a pure init run too, so nothing is imported here that such a run does not need anyway.
"""

from __future__ import annotations

import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from supervisor.report.state import ConfigState

TERMINATION_LOG = "/dev/termination-log"


class Contact:
    """How a source keeps in touch with what it watches: written by its own thread, and by nothing but proof of contact."""

    __slots__ = ("last", "lists", "watches")

    def __init__(self) -> None:
        self.last = 0.0
        """Unix time of the last list, event or bookmark; 0 before the first."""
        self.lists = 0
        """Times that everything was read."""
        self.watches = 0
        """Times that a watch began."""

    def proven(self) -> None:
        """Something was heard."""
        self.last = time.time()


class SourceState:
    """A source as its thread last left it."""

    __slots__ = ("contact", "name", "problem", "since")

    def __init__(self, name: str, contact: Contact, problem: str) -> None:
        self.name = name
        self.contact = contact
        self.problem = problem
        """What keeps it from knowing what is wanted; empty: nothing."""
        self.since = time.time()
        """Unix time from which that is so."""


class CommandState:
    """The command, as whoever starts and reaps it last left it."""

    __slots__ = ("code", "exits", "pid", "since", "starts")

    def __init__(
        self, pid: int | None = None, starts: int = 0, exits: dict[int, int] | None = None, code: int | None = None
    ) -> None:
        self.pid = pid
        """Its process ID, None while it does not run."""
        self.since = time.time()
        """Unix time of its start or of its end."""
        self.starts = starts
        self.exits = exits or {}
        """How often it ended with each exit code."""
        self.code = code
        """The last exit code."""

    def started(self, pid: int) -> CommandState:
        """The state after one more start."""
        return CommandState(pid, self.starts + 1, self.exits, self.code)

    def ended(self, code: int) -> CommandState:
        """The state after its end with an exit code."""
        return CommandState(None, self.starts, {**self.exits, code: self.exits.get(code, 0) + 1}, code)


class Board:
    """One run. The sync thread writes `config` and `begun`; each source's thread its own of `sources`."""

    def __init__(self) -> None:
        self.started = time.time()
        self.begun = 0.0
        """Unix time at which the first configuration was live; 0 before."""
        self.config: ConfigState | None = None
        """None before the first outcome."""
        self.sources: dict[str, SourceState] = {}
        self.crashes: dict[str, int] = {}
        """How often each of our threads had to be started again."""
        self.down: dict[str, float] = {}
        """Of threads that have done nothing since a crash: when the first one was, by time.monotonic()."""
        self.working_since = 0.0
        """When the sync thread began its present step, by time.monotonic(); 0: it has nothing to do."""

    def crashed(self, thread: str) -> None:
        """Count a crash of one of our threads; called by that thread."""
        self.crashes[thread] = self.crashes.get(thread, 0) + 1
        self.down.setdefault(thread, time.monotonic())

    def at_work(self, is_busy: bool) -> None:
        """Say that the sync thread begins a step, or has nothing to do; called by that thread."""
        self.working_since = time.monotonic() if is_busy else 0.0

    def works(self, thread: str) -> None:
        """Say that a thread has done something; called by that thread."""
        self.down.pop(thread, None)
