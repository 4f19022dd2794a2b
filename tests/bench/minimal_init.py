"""The least that is an init in Python, and imports nothing that the interpreter has not built in: minimal_init.py COMMAND...

It forwards signals, reaps orphans, and leaves with the command's code.
"""

import _signal  # type: ignore[import-not-found]  # what signal.py wraps; it has no stubs
import os
import sys

wanted = _signal.valid_signals()
given = _signal.pthread_sigmask(_signal.SIG_BLOCK, wanted)
command = os.fork()
if command == 0:
    _signal.pthread_sigmask(_signal.SIG_SETMASK, given)
    os.execvp(sys.argv[1], sys.argv[1:])
while True:
    number = _signal.sigwait(wanted)
    if number != _signal.SIGCHLD:
        os.kill(command, number)
        continue
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            break
        if pid == command:
            code = os.waitstatus_to_exitcode(status)
            os._exit(code if code >= 0 else 128 - code)
        if pid == 0:
            break
