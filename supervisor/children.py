"""What the kernel tells of our children: who has ended, who is stopped, who there is. Used by processes alone, under its lock."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


def stopped_by(pid: int) -> int:
    """The signal that has stopped a child, 0 if it is not stopped. It is only looked at: the state stays to be seen again."""
    try:
        info = os.waitid(os.P_PID, pid, os.WSTOPPED | os.WNOHANG | os.WNOWAIT)
    except (AttributeError, ChildProcessError):  # macOS has no waitid
        return 0
    return info.si_status if info else 0


def ended() -> Iterator[tuple[int, int]]:
    """Each child that has ended, with its wait status. All of them at each wake-up: SIGCHLDs merge."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        yield pid, status


def all_children() -> set[int]:
    """The processes whose parent we are, by proc(5); none where /proc is not ours."""
    children = set()
    try:
        names = os.listdir("/proc") if os.readlink("/proc/self") == str(os.getpid()) else []
    except OSError:
        names = []
    for name in names:
        try:
            with open(f"/proc/{name}/stat", "rb") as file:
                parent = int(file.read().rpartition(b")")[2].split()[1])
        except (OSError, IndexError):
            continue
        if parent == os.getpid():
            children.add(int(name))
    return children
