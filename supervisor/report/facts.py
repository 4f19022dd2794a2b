"""The notice board as data: what /status.json answers, the page shows and `config-supervisor status` prints.

The form is versioned: fields are added to it, and its number is raised if one changes or goes. Names, sizes and digests only.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from supervisor import __version__
from supervisor.logs import rfc3339
from supervisor.report.line import outcome_fields
from supervisor.report.state import ConfigState

if TYPE_CHECKING:
    from supervisor.model import Listing
    from supervisor.processes import Processes
    from supervisor.report.health import Health
    from supervisor.report.state import Told
    from supervisor.settings import Settings
    from supervisor.status import Board

    Facts = dict[str, object]

VERSION = 1
_FILES_MAX = 1000
_DIGEST_BYTES = 6  # as of revisions: enough to compare


def facts(settings: Settings, board: Board, health: Health, processes: Processes) -> Facts:
    """All that there is to know."""
    return {
        "version": VERSION,
        "now": rfc3339(time.time()),
        "program": {"version": __version__, "host": os.uname().nodename, "pid": os.getpid(), "started": rfc3339(board.started)},
        "probes": {
            name: {"ok": not reason, "reason": reason}
            for name, reason in (
                ("live", health.why_not_live()),
                ("started", health.why_not_started()),
                ("ready", health.why_not_ready()),
            )
        },
        "config": _config(board) if settings.has_sources else None,
        "command": _command(settings, processes) if settings.command else None,
        "sources": [
            {
                "name": source.name,
                "ok": not source.problem,
                "problem": source.problem,
                "since": rfc3339(source.since),
                "last_contact": _time(source.contact.last),
                "lists": source.contact.lists,
                "watches": source.contact.watches,
            }
            for source in list(board.sources.values())
        ],
        "orphans_reaped": processes.orphans_reaped,
        "crashes": dict(board.crashes),
    }


def _time(seconds: float) -> str | None:
    return rfc3339(seconds) if seconds else None


def _config(board: Board) -> Facts:
    """What is live, what is wanted, and why they differ."""
    state = board.config or ConfigState()
    return {
        "begun": _time(board.begun),
        "in_sync": state.is_in_sync,
        "live": {"revision": state.live, "since": rfc3339(state.live_since)} if state.live else None,
        "wanted": {"revision": state.wanted or None, "since": rfc3339(state.wanted_since)} if state.outcomes else None,
        "reason": "" if state.is_in_sync or not state.outcomes else state.last.outcome.reason,
        "failing_since": _time(state.failing_since),
        "files": _files(state.files),
        "files_in_all": len(state.files),
        "outcomes": [_outcome(told) for told in state.outcomes],
    }


def _files(listing: Listing) -> list[Facts]:
    return [
        {"path": path, "bytes": entry.size, "mode": f"{entry.mode:04o}", "digest": entry.digest[:_DIGEST_BYTES].hex()}
        for path, entry in sorted(listing.items())[:_FILES_MAX]
    ]


def _outcome(told: Told) -> Facts:
    return {"time": rfc3339(told.at), **outcome_fields(told.outcome), "reason": told.outcome.reason}


def _command(settings: Settings, processes: Processes) -> Facts:
    """The command by its name alone: arguments may hold a secret."""
    state = processes.state
    return {
        "name": settings.command[0],
        "pid": state.pid,
        "since": rfc3339(state.since) if state.starts else None,
        "restarts": max(0, state.starts - 1),
        "exits": {str(code): times for code, times in state.exits.items()},
        "signals_forwarded": {str(number): times for number, times in list(processes.forwarded.items())},
    }
