"""The errors that cross rooms. Each class says what its catcher does; the message says what, where and how to mend it."""

from __future__ import annotations


class SupervisorError(Exception):
    """Base of all errors that this program raises on purpose."""


class UsageError(SupervisorError):
    """The invocation is wrong: tell the user every problem at once and leave with 2, before anything was started."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class StartError(SupervisorError):
    """The run cannot begin: leave with `exit_code` (127 no such command, 126 not executable, 125 a fault of ours)."""

    def __init__(self, message: str, exit_code: int = 125) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class SourceError(SupervisorError):
    """What is wanted cannot be learnt just now: keep what we have and ask again.

    `retry_after_s`: seconds that the server asked us to wait, 0 when it named none.
    """

    def __init__(self, message: str, *, retry_after_s: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Denied(SourceError):
    """We have not the right: somebody has to give it to us, which may take long."""


class Unavailable(SourceError):
    """The server cannot be reached or is too busy: what we know of it still holds, go on from there."""


class Expired(SourceError):
    """The version that a watch should go on from is gone (410): list again, at once."""


class TreeError(SupervisorError):
    """The disk did not take a revision: what was live still is; try again later."""


class Refused(SupervisorError):
    """The revision is not acceptable, here or to the app: do not try it again until something else is wanted."""


class NotTold(Refused):
    """The same, before the app has heard of it: nobody has to tell it of the way back."""


class Unreachable(SupervisorError):
    """The app, or whoever knows it, could not be asked: try again with backoff, unless something newer is wanted.

    `retry_after_s`: seconds that the app asked us to wait at least.
    """

    def __init__(self, message: str, *, retry_after_s: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class NotYet(Unreachable):
    """The app is only starting: look again in a moment, which does not count as a try."""


class Superseded(SupervisorError):
    """Something newer is wanted, or we are leaving: let go of this revision, and say nothing of it."""
