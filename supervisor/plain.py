"""A run without any option: a plain init. What it does not need is not imported, and what can wait is imported afterwards."""

from __future__ import annotations

from supervisor.errors import StartError
from supervisor.logs import Log, usual_format
from supervisor.processes import Processes

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
    try:
        processes.start(command)
        from supervisor import pid1
        from supervisor.forwarding import Forwarding
        from supervisor.stopping import Stopping

        pid1.tell_who_reaps(log)
        forwarding = Forwarding(processes, log)
        return pid1.run(inbox, processes, forwarding, Stopping(forwarding, processes, log))
    except StartError as error:
        log.error("start.failed", str(error), exit_code=error.exit_code)
        return error.exit_code
    finally:
        log.close()
