"""Run a command for the user, to check, tell or ask the app. Its exit code is its word: 0 is yes, anything else is no."""

from __future__ import annotations

from typing import TYPE_CHECKING

from supervisor.errors import Refused, Unreachable
from supervisor.processes import HookTimeout

if TYPE_CHECKING:
    from supervisor.logs import Log
    from supervisor.model import Update
    from supervisor.processes import Processes

# execve(2) takes no single variable of 128 KiB or more: of more paths only so many are told.
_CHANGED_BYTES_MAX = 100 * 2**10
_FOLDER = "{}"


class Hook:
    """A command that was given for an option, whose name stands in every message about it."""

    def __init__(self, option: str, words: tuple[str, ...], timeout_s: float, processes: Processes, log: Log) -> None:
        self._option = option
        self._words = words
        self._timeout_s = timeout_s
        self._processes = processes
        self._log = log

    @property
    def takes_folder(self) -> bool:
        """Whether the command asks for the staged folder."""
        return any(_FOLDER in word for word in self._words)

    def run(self, update: Update, folder: str = _FOLDER, timeout_s: float = float("inf")) -> None:
        """Run it, for `timeout_s` seconds at most, with `folder`, if there is one, for each `{}`.

        Raises Refused with its last words if it says no, and Unreachable if it has said nothing: it could not be started, or
        was out of time.
        """
        name = f"{self._option}: {self._words[0]}"
        words = [word.replace(_FOLDER, folder) for word in self._words]
        timeout_s = min(timeout_s, self._timeout_s)
        try:
            code, output = self._processes.run_hook(words, timeout_s, _environment(update))
        except HookTimeout as timeout:
            raise Unreachable(_with_words(f"{name} was out of time after {timeout_s:g} s", timeout.output)) from timeout
        except (OSError, ValueError) as error:
            raise Unreachable(f"{name} cannot be started: {getattr(error, 'strerror', None) or error}") from error
        self._log.debug("hook.ended", _with_words(f"{name} exits {code}", output), exit_code=code)
        if code:
            raise Refused(_with_words(f"{name} exits {code}", output))


def _environment(update: Update) -> dict[str, str]:
    text = "\n".join(update.changed)
    if len(text.encode(errors="surrogateescape")) > _CHANGED_BYTES_MAX:
        cut = text.encode(errors="surrogateescape")[:_CHANGED_BYTES_MAX]
        text = cut.decode(errors="surrogateescape").rpartition("\n")[0]
    return {"CONFIG_SUPERVISOR_REVISION": update.revision, "CONFIG_SUPERVISOR_CHANGED": text}


def _with_words(what: str, output: bytes) -> str:
    """A message with the last words of a command, on one line."""
    lines = [line.strip() for line in output.decode(errors="replace").splitlines()]
    words = " | ".join(line for line in lines if line)
    return f"{what}: {words}" if words else what
