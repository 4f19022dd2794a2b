"""As show_signals, while a process beside it makes orphans that end at once."""

import os
import signal
import sys
import time
from pathlib import Path

if os.fork() == 0:
    while os.getppid() != 1:
        if os.fork() == 0:
            if os.fork() == 0:
                os._exit(0)
            os._exit(0)
        os.wait()
        time.sleep(0.001)
    os._exit(0)
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
os.execv(sys.executable, [sys.executable, str(Path(__file__).with_name("show_signals.py"))])
