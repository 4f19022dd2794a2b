"""Python begins with this where the folder is in PYTHONPATH: a fork, once begun, waits until another thread has imported logging.

os.fork waits for the lock of all imports after its first hooks and before the fork itself. A thread that imports logging takes
that lock, and a fork is let go on then. One who does not come is not waited for long.
"""

import _imp
import sys
from _thread import allocate_lock, get_ident

WAIT_S = 0.3  # for one who does not come, when all is right; shorter than a log waits at its end
main = get_ident()
importing, forking, imported = allocate_lock(), allocate_lock(), allocate_lock()
importing.acquire()
forking.acquire()


def hook(event: str, arguments: tuple[object, ...]) -> None:
    if event == "os.fork":
        if importing.acquire(timeout=WAIT_S):
            forking.release()  # from here to the lock of all imports, no other thread runs
    elif event == "import" and arguments[0] == "logging" and get_ident() != main and imported.acquire(blocking=False):
        _imp.acquire_lock()
        importing.release()
        forking.acquire(timeout=WAIT_S)
        import logging  # noqa: F401  (that is what it is about)

        _imp.release_lock()


sys.setswitchinterval(10)
sys.addaudithook(hook)
