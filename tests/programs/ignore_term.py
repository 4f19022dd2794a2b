"""An app that takes its time to stop: it notes TERM, and ends when it gets USR1."""

from __future__ import annotations

import signal

signal.signal(signal.SIGTERM, lambda *_: print("asked to stop", flush=True))
signal.signal(signal.SIGHUP, lambda *_: print("reloaded", flush=True))
print("ready", flush=True)
while True:
    signal.pause()
