"""Leave orphans to PID 1, each of which leaves more, at the start and at each HUP, and print `done`: fork_bomb.py N ROUNDS."""

import os
import signal
import sys

wanted, rounds = int(sys.argv[1]), int(sys.argv[2])


def burst(depth: int) -> None:
    for _ in range(wanted):
        if os.fork() == 0:
            if depth:
                burst(depth - 1)
            os._exit(0)


signal.signal(signal.SIGHUP, lambda *_: None)
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
while True:
    parent = os.fork()
    if parent == 0:
        burst(rounds)
        os._exit(0)
    os.waitpid(parent, 0)
    os.write(1, b"done\n")
    signal.sigwait({signal.SIGHUP})
