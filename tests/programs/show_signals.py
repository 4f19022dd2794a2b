"""Print each signal that comes, by number. TERM ends it with the exit code that is given, 0 if none is; `stay`: not at all."""

import os
import signal
import sys

wanted = signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}
for number in wanted:
    signal.signal(number, lambda *_: None)
signal.pthread_sigmask(signal.SIG_BLOCK, wanted)
os.write(1, b"ready\n")
while True:
    caught = signal.sigwait(wanted)
    os.write(1, b"signal %d\n" % caught)  # in one piece: several may write to one pipe
    if caught == signal.SIGTERM and sys.argv[1:] != ["stay"]:
        sys.exit(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
