"""Python begins with this where the folder is in PYTHONPATH: faults of a program that knows nothing of them.

The files of the folder $FAULTS say which. `crash`: three words THREAD EVENT TEXT; the thread of that name fails at each audit event
that has the text in an argument. `clock`: so many seconds the time of day is off.
"""

import os
import sys
import time

place = os.environ["FAULTS"]
right_time = time.time
is_looking = False


def read(name: str) -> list[str]:
    global is_looking
    is_looking = True  # opening is an event too
    try:
        with open(f"{place}/{name}") as file:
            return file.read().split()
    except OSError:
        return []
    finally:
        is_looking = False


def hook(event: str, arguments: tuple[object, ...]) -> None:
    threading = sys.modules.get("threading")
    if is_looking or threading is None or not event.startswith(("os.", "open")):
        return
    found = read("crash")
    if found and threading.current_thread().name.startswith(found[0]) and event == found[1] and found[2] in repr(arguments):
        raise RuntimeError("injected")


def wrong_time() -> float:
    return right_time() + float((read("clock") or ["0"])[0])


sys.addaudithook(hook)
time.time = wrong_time
