"""A run without any option: a plain init. What it does not need is not imported, and what can wait is imported afterwards."""

from __future__ import annotations

import os

from supervisor.errors import StartError
from supervisor.logs import Log, usual_format
from supervisor.processes import Processes
from supervisor.status import TERMINATION_LOG

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from supervisor.inbox import Inbox

_VARIABLES = ("CONFIG_SUPERVISOR_", "CONFIG_CONTROLLER_")


def is_plain(argv: list[str], environment: Mapping[str, str]) -> bool:
    """Whether nothing but a command was given. A variable that is empty counts as not given, as everywhere."""
    is_command = len(argv) > 1 and argv[0] == "--"
    return is_command and not any(name.startswith(_VARIABLES) and environment[name] for name in environment)


def run(inbox: Inbox, command: list[str]) -> int:
    """Start the command, forward and reap until it ends, and return its exit code."""
    processes = Processes(inbox.given_mask)
    log = Log(usual_format())
    cause, code = "", 125
    try:
        processes.start(command)
        from supervisor import pid1
        from supervisor.forwarding import Forwarding
        from supervisor.stopping import Stopping

        pid1.tell_who_reaps(log)
        forwarding = Forwarding(processes, log)
        code = pid1.run(inbox, processes, forwarding, Stopping(forwarding, processes, log))
    except StartError as error:
        cause, code = str(error), error.exit_code
        log.error("start.failed", cause, exit_code=code)
    finally:
        if os.path.exists(TERMINATION_LOG):
            from supervisor.termination import last_words, write_termination_log

            write_termination_log(TERMINATION_LOG, last_words(cause, code, processes.state))
        log.close()
    return code
