"""What was asked for: a run, a side command, or only a text; and how to say at the end why it came."""

from __future__ import annotations

import os
import sys
from io import TextIOWrapper
from typing import TYPE_CHECKING

from supervisor.errors import StartError, UsageError
from supervisor.logs import Log
from supervisor.main import Supervisor, ask_the_kernel
from supervisor.spawn import try_to_become
from supervisor.termination import usual_termination_log, write_termination_log
from supervisor.usage import FORMS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from supervisor.inbox import Inbox
    from supervisor.settings import Settings, User


def run(inbox: Inbox, argv: list[str], environment: Mapping[str, str]) -> int:
    """Do what was asked for and return the exit code."""
    from supervisor import cli

    if sys.warnoptions:  # Python has imported it then, and would say among our lines that we fork beside threads
        import warnings

        warnings.filterwarnings("ignore", category=DeprecationWarning, module="supervisor.spawn")
    parent = os.getppid()
    if isinstance(sys.stdout, TextIOWrapper):  # a sign that the terminal lacks is no reason to say nothing
        sys.stdout.reconfigure(errors="replace")
    try:
        if argv and argv[0] in FORMS:
            from supervisor import commands

            return commands.run(argv[0], argv[1:], environment, inbox)
        settings = cli.read(argv, environment)
        _check_user(settings.init.user)
    except cli.Leave as leave:
        return _print(str(leave))
    except UsageError as error:
        print(*(f"config-supervisor: {problem}" for problem in error.problems), sep="\n", file=sys.stderr, flush=True)
        if os.getpid() == 1:  # else somebody may only have tried something in a container that runs
            write_termination_log(usual_termination_log(), {"cause": f"wrong usage: {error}", "exit_code": 2})
        return 2
    log = Log(settings.logs.format, settings.logs.level)
    try:
        supervisor = Supervisor(settings, inbox, log, environment)
        return _run_and_tell(supervisor, settings, parent, log)
    finally:
        log.close()


def _print(text: str) -> int:
    """Print what was asked for; 0, or 1 if nobody can have read it."""
    try:
        print(text, flush=True)
    except OSError as error:
        print(f"config-supervisor: cannot print: {error.strerror}", file=sys.stderr, flush=True)
        return 1
    return 0


def _run_and_tell(supervisor: Supervisor, settings: Settings, parent: int, log: Log) -> int:
    """Run to the end, and say in the log and the termination log why it came."""
    cause, code = "a fault of config-supervisor: see its log", 125
    try:
        ask_the_kernel(settings.init, parent)
        code = supervisor.run()
        cause = supervisor.why_stopped
    except StartError as error:
        cause, code = str(error), error.exit_code
        log.error("start.failed", cause, exit_code=code)
    finally:
        write_termination_log(settings.report.termination_log, supervisor.last_words(cause, code))
    return code


def _check_user(user: User | None) -> None:
    """Raises UsageError if the command cannot be run as that user: before anything is started."""
    error = try_to_become(user) if user else 0
    if user and error:
        raise UsageError([f"--user={user.text}: cannot become that user: {os.strerror(error)}; only root can"])
