"""Be the parent of a command as the init is, and start it again for each line that is read: restart.py KILL_TIMEOUT_S COMMAND...

TERM becomes QUIT for it. A command that exits with 9 is started again too. Prints what happens.
"""

import os
import sys
import threading

from supervisor import pid1
from supervisor.errors import StartError
from supervisor.forwarding import Forwarding
from supervisor.inbox import Inbox, Restart
from supervisor.logs import Log
from supervisor.processes import Processes
from supervisor.stopping import Stopping


def say(text: str) -> None:
    """In one piece: the command says things too."""
    os.write(1, f"{text}\n".encode())


def restart() -> None:
    """The sync thread's part."""
    for _ in sys.stdin:
        done = threading.Event()
        inbox.post(Restart(done.set))
        done.wait()
        say("restarted")


def again(code: int) -> bool:
    """What main asks when the command has ended by itself."""
    say(f"ended with {code}")
    return code == 9


inbox = Inbox()
processes = Processes(inbox.given_mask)
log = Log()
forwarding = Forwarding(processes, log, [(15, 3)])
stopping = Stopping(forwarding, processes, log, kill_timeout_s=float(sys.argv[1]), on_stop=lambda: say("stop begins"))
processes.start(sys.argv[2:])
threading.Thread(target=restart, daemon=True).start()
try:
    code = pid1.run(inbox, processes, forwarding, stopping, on_end=again)
except StartError as error:
    say(str(error))
    code = error.exit_code
say(f"orphans {processes.orphans_reaped}")
os._exit(code)
