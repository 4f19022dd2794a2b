"""Leave N orphans that end at once, wait until PID 1 has taken them all away, and leave with the exit code that is given."""

import os
import sys
from pathlib import Path

wanted, code = int(sys.argv[1]), int(sys.argv[2])
for _ in range(wanted):
    if os.fork() == 0:
        if os.fork() == 0:
            os._exit(0)
        os._exit(0)
    os.wait()


def others() -> list[str]:
    return [name for name in os.listdir("/proc") if name.isdigit() and name not in {"1", str(os.getpid())}]


while any("(zombie)" in Path(f"/proc/{pid}/status").read_text() for pid in others() if Path(f"/proc/{pid}").exists()):
    pass
print("all reaped", flush=True)
sys.exit(code)
