"""Python begins with this where the folder is in PYTHONPATH: faults of a program that knows nothing of them.

The files of the folder $FAULTS say which. `crash`: three words THREAD EVENT TEXT; the thread of that name fails at each audit
event that has the text in an argument. `hang`, the same: it stands still there as long as the file exists. `slow`, the same: it
takes a little longer there. `clock`: so many seconds the time of day is off.
"""

import os
import sys
import time
from _thread import get_ident

SLOW_S = 0.02
place = os.environ["FAULTS"]
right_time = time.time
looking: set[int] = set()  # threads that read a fault just now: opening is an event too


def read(name: str) -> list[str]:
    looking.add(get_ident())
    try:
        with open(f"{place}/{name}") as file:
            return file.read().split()
    except OSError:
        return []
    finally:
        looking.discard(get_ident())


def hook(event: str, arguments: tuple[object, ...]) -> None:
    current_thread = getattr(sys.modules.get("threading"), "current_thread", None)
    if get_ident() in looking or current_thread is None or not event.startswith(("os.", "open")):
        return
    thread = current_thread().name
    while is_meant(read("hang"), thread, event, repr(arguments)):
        time.sleep(0.01)
    if is_meant(read("slow"), thread, event, repr(arguments)):
        time.sleep(SLOW_S)
    if is_meant(read("crash"), thread, event, repr(arguments)):
        raise RuntimeError("injected")


def is_meant(words: list[str], thread: str, event: str, arguments: str) -> bool:
    return bool(words) and thread.startswith(words[0]) and event == words[1] and words[2] in arguments


def wrong_time() -> float:
    return right_time() + float((read("clock") or ["0"])[0])


sys.addaudithook(hook)
time.time = wrong_time
