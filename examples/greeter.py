"""A small app with a configuration: it prints it at its start and on each SIGHUP, and leaves on SIGTERM or Ctrl-C."""

import os
import signal
import sys
from pathlib import Path


def show(reason: str) -> None:
    """Read the configuration anew and print it."""
    text = (Path(sys.argv[1]) / "greeting.conf").read_text()
    settings = dict(line.split(" = ", 1) for line in text.splitlines() if " = " in line)
    print(f"[greeter {os.getpid()}] {reason}: {settings.get('greeting')}, {settings.get('name')}!", flush=True)


def main() -> None:
    """Wait for signals, one at a time."""
    wanted = {signal.SIGHUP, signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, wanted)
    signal.signal(signal.SIGHUP, lambda *_: None)  # so that anybody can see that we handle it
    show("started")
    while signal.sigwait(wanted) == signal.SIGHUP:
        show("reloaded")
    print(f"[greeter {os.getpid()}] bye", flush=True)


main()
