"""Leave N processes that have ended to PID 1, all at once, and wait until it has taken them away: make_orphans.py N CODE.

Prints how many ms that takes, and leaves with the code.
"""

import os
import signal
import sys
import time

wanted, code = int(sys.argv[1]), int(sys.argv[2])
numbers, write_numbers = os.pipe()
parent = os.fork()
if parent == 0:
    pids = []
    for _ in range(wanted):
        pid = os.fork()
        if pid == 0:
            os._exit(0)
        pids.append(pid)
    for pid in pids:
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)  # it has ended, and stays
    with open(write_numbers, "w") as file:
        file.write(" ".join(map(str, pids)))
    os.kill(os.getpid(), signal.SIGSTOP)
os.close(write_numbers)
with open(numbers) as file:
    left = [int(pid) for pid in file.read().split()]
assert len(left) == wanted


def exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


os.waitid(os.P_PID, parent, os.WSTOPPED)
began = time.monotonic()
os.kill(parent, signal.SIGKILL)
os.waitpid(parent, 0)
while left:
    while left and not exists(left[-1]):
        left.pop()
    time.sleep(0.0005)
os.write(1, b"took %.1f\n" % ((time.monotonic() - began) * 1000))
sys.exit(code)
