"""Print a file at the start and on each SIGHUP, with the moment of the signal: `started …`, then `reloaded NANOSECONDS …`."""

import signal
import sys
import time
from pathlib import Path

times: list[int] = []
signal.signal(signal.SIGHUP, lambda *_: times.append(time.monotonic_ns()))
file = Path(sys.argv[1])


def content() -> str:
    return repr(file.read_text()) if file.exists() else "nothing"


print(f"started {content()}", flush=True)
while True:
    # Blocked but for the wait: none can come between looking and sleeping.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    while times:
        print(f"reloaded {times.pop(0)} {content()}", flush=True)
    signal.sigwait({signal.SIGHUP})
    times.append(time.monotonic_ns())
