"""Print each signal that comes, by number. TERM ends it with the exit code that is given, 0 if none is."""

import signal
import sys

wanted = signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD}
for number in wanted:
    signal.signal(number, lambda *_: None)
signal.pthread_sigmask(signal.SIG_BLOCK, wanted)
print("ready", flush=True)
while True:
    caught = signal.sigwait(wanted)
    print(f"signal {int(caught)}", flush=True)
    if caught == signal.SIGTERM:
        sys.exit(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
