"""The door to the termination log: why we ended, in one JSON line, which `kubectl describe pod` shows.

Kubernetes documentation, "Determine the Reason for Pod Failure": the file, and at most 4,096 bytes of it.
"""

from __future__ import annotations

import os
from contextlib import suppress

from supervisor.status import TERMINATION_LOG

TYPE_CHECKING = False
if TYPE_CHECKING:
    from supervisor.report.state import ConfigState
    from supervisor.status import CommandState

_BYTES_MAX = 4096
_CUT = " …"


def usual_termination_log() -> str | None:
    """Where Kubernetes looks, if we run there."""
    return TERMINATION_LOG if os.path.exists(TERMINATION_LOG) else None


def last_words(cause: str, exit_code: int, command: CommandState, config: ConfigState | None = None) -> dict[str, object]:
    """What the line says; `cause` is empty if it is the command that ended."""
    words: dict[str, object] = {"cause": cause or _end_of(command), "exit_code": exit_code}
    if command.code is not None:
        words["command_exit_code"] = command.code
    if config:
        words["live_revision"] = config.live
        if config.last_refusal:
            refused = config.last_refusal.outcome
            words |= {"refused_revision": refused.revision, "refused_reason": refused.reason}
    return words


def _end_of(command: CommandState) -> str:
    if command.code is None:
        return "we were asked to stop"
    by = f" (signal {command.code - 128})" if command.code > 128 else ""
    return f"the command ended with exit code {command.code}{by}"


def write_termination_log(path: str | None, facts: dict[str, object]) -> None:
    """Write the line. One that is too long loses the end of its longest text. A file that cannot be written does no harm."""
    if path is None:
        return
    from json import dumps

    line = dumps(facts).encode()
    while len(line) >= _BYTES_MAX:
        longest = max(facts, key=lambda name: len(str(facts[name])))
        kept = str(facts[longest]).removesuffix(_CUT)
        facts = {**facts, longest: kept[: len(kept) * 9 // 10] + _CUT}  # by shares: each letter may take six bytes
        line = dumps(facts).encode()
    with suppress(OSError):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        try:
            os.write(descriptor, line + b"\n")
        finally:
            os.close(descriptor)
