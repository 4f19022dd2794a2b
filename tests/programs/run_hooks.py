"""Run N hooks, one after another beside the main loop that reaps, and print what each came to, as JSON.

Each hook is `sh -c SCRIPT` with NUMBER in its environment: run_hooks.py N TIMEOUT_S SCRIPT
"""

import json
import os
import sys
import threading
from pathlib import Path

from supervisor.inbox import Applied, Inbox
from supervisor.processes import HookTimeout, Processes

count, timeout_s, script = int(sys.argv[1]), float(sys.argv[2]), sys.argv[3]
inbox = Inbox()
processes = Processes(inbox.given_mask)


def run() -> None:
    """One hook after another, then tell the main thread."""
    for number in range(count):
        try:
            code, output = processes.run_hook(["sh", "-c", script], timeout_s, {"NUMBER": str(number)})
            print(json.dumps({"code": code, "output": output.decode()}), flush=True)
        except HookTimeout as timeout:
            print(json.dumps({"timeout": True, "output": timeout.output.decode()}), flush=True)
        except OSError as error:
            print(json.dumps({"error": str(error)}), flush=True)
    inbox.post(Applied())


threading.Thread(target=run, daemon=True).start()
is_over = False
while not is_over:
    is_over = isinstance(inbox.wait(), Applied)
    processes.reap()


def zombies() -> set[str]:
    """The children that have ended and are not reaped."""
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return {child for child in children if ") Z " in Path(f"/proc/{child}/stat").read_text()}


ended = zombies()  # by now: another one may end at any moment
processes.reap()
left = ended & zombies()
descriptors = len(os.listdir("/proc/self/fd"))
print(json.dumps({"orphans": processes.orphans_reaped, "zombies": len(left), "descriptors": descriptors}), flush=True)
