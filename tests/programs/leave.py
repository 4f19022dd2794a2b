"""Leave a process behind that shows its signals, in a session of its own, print its number, and exit with 3."""

import os
import signal
import sys
from pathlib import Path

signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())  # it loses none, also while it starts
pid = os.fork()
if pid == 0:
    os.setsid()
    os.execv(sys.executable, [sys.executable, str(Path(__file__).with_name("show_signals.py")), *sys.argv[1:]])
os.write(1, b"left %d\n" % pid)
sys.exit(3)
