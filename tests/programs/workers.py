"""A master with workers, all of one name, as nginx is: prints who gets SIGHUP.

workers.py NAME COUNT PID_FILE
"""

import os
import signal
import sys
from pathlib import Path

name, count, pid_file = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
Path("/proc/self/comm").write_text(name)
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
signal.signal(signal.SIGHUP, lambda *_: None)
who = "master"
for number in range(count):
    if os.fork() == 0:
        who = f"worker {number}"
        break
if who == "master":
    pid_file.write_text(f"{os.getpid()}\n")
os.write(1, f"{who} is ready\n".encode())  # in one piece: they share the pipe
while True:
    signal.sigwait({signal.SIGHUP})
    os.write(1, f"{who} got it\n".encode())
