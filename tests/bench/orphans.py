"""Leave orphans, and print how many ms it takes from the end of all of them at once until PID 1 has taken all away.

orphans.py dying NUMBER      they live, as orphans, and then all end
orphans.py inherited NUMBER  they have ended already, as their parent's zombies, and then it ends
"""

import os
import sys
import time

_LOOK_S = 0.0002

kind, wanted = sys.argv[1], int(sys.argv[2])
told, tell = os.pipe()  # its end is the word to go
numbers_out, numbers_in = os.pipe()

if os.fork() == 0:
    os.close(tell)
    pids = []
    for _ in range(wanted):
        pid = os.fork()
        if pid == 0:
            if kind == "dying":
                os.read(told, 1)
            os._exit(0)
        pids.append(pid)
    if kind == "inherited":
        for pid in pids:
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    with open(numbers_in, "wb") as numbers:
        numbers.write(b"%d %d\n" % (os.getpid(), len(pids)) + b"".join(b"%d\n" % pid for pid in pids))
    if kind == "inherited":
        os.read(told, 1)
    os._exit(0)

os.close(numbers_in)
os.close(told)


def is_there(pid: int) -> bool:
    """Whether the process lives, or is a zombie."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


with open(numbers_out, "rb") as lines:
    parent, count = map(int, lines.readline().split())
    pids = [int(lines.readline()) for _ in range(count)]
assert len(pids) == wanted
if kind == "dying":
    os.waitpid(parent, 0)
began = time.monotonic()
os.close(tell)
if kind == "inherited":
    os.waitpid(parent, 0)
while pids:
    while pids and not is_there(pids[-1]):
        pids.pop()
    if pids:
        time.sleep(_LOOK_S)
os.write(1, b"%f\n" % ((time.monotonic() - began) * 1000))
