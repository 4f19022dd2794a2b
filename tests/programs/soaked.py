"""An app for the soak, soaked.py FILE TOOK: HUP is a reload, of which it writes what it read; USR1 leaves fifty orphans."""

import os
import signal
import sys

signals = {signal.SIGHUP, signal.SIGUSR1}
for number in signals:
    signal.signal(number, lambda *_: None)
signal.pthread_sigmask(signal.SIG_BLOCK, signals)


def take() -> None:
    with open(sys.argv[1]) as file, open(sys.argv[2] + ".new", "w") as took:
        took.write(file.read())
    os.rename(sys.argv[2] + ".new", sys.argv[2])


def leave_orphans() -> None:
    parent = os.fork()
    if parent == 0:
        for _ in range(50):
            if os.fork() == 0:
                os._exit(0)
        os._exit(0)
    os.waitpid(parent, 0)


take()
while True:
    if signal.sigwait(signals) == signal.SIGHUP:
        take()
    else:
        leave_orphans()
