"""How large the bundle is, and how fast and light beside a plain installation of the same program. Prints JSON.

    python -m tests.images.figures KUBECONFIG FOLDER PLAIN...

Run where the bundle lies in its place, as test_the_bundle_costs_nothing.py sees to. PLAIN is the command line of the plain
installation. The two take turns, so that the machine's moods meet both.
"""

from __future__ import annotations

import json
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

from tests.images.engine import BUNDLE, ENTRY
from tests.running import eventually

# A plain init starts in 20 ms, which a busy machine doubles at times: of few rounds the median says nothing.
_ROUNDS = {"init": 100, "with a ConfigMap": 21}


def main() -> None:
    """Measure what the command line names."""
    kubeconfig, folder, plain = sys.argv[1], Path(sys.argv[2]), sys.argv[3:]
    programs = {"bundle": [ENTRY], "plain": plain}
    options = {"init": [], "with a ConfigMap": [f"--kubeconfig={kubeconfig}", "--configmap=app", f"--configroot={folder}"]}
    figures: dict[str, object] = {"size_mb": size_mb(Path(BUNDLE))}
    for mode, given in options.items():
        starts = {name: [] for name in programs}  # type: dict[str, list[float]]
        for _ in range(_ROUNDS[mode]):
            for name, words in programs.items():
                starts[name].append(start_ms([*words, *given]))
        figures[mode] = {
            name: {"start_ms": round(statistics.median(starts[name]), 1), "memory_mb": memory_mb([*words, *given])}
            for name, words in programs.items()
        }
    print(json.dumps(figures))


def size_mb(folder: Path) -> float:
    """What a folder takes on the disk."""
    return round(sum(path.lstat().st_blocks for path in folder.rglob("*")) * 512 / 1e6, 1)


def start_ms(words: list[str]) -> float:
    """From starting the program to the end of a command that ends at once."""
    began = time.perf_counter()
    subprocess.run([*words, "--", "true"], check=True, stderr=subprocess.DEVNULL)
    return (time.perf_counter() - began) * 1e3


def memory_mb(words: list[str]) -> float:
    """The resident memory of a program at rest: all of it, because others that run the same Python are not always there."""
    with subprocess.Popen([*words, "--", "sleep", "60"], stderr=subprocess.DEVNULL) as process:
        try:
            eventually(lambda: b"sleep" in commands_of_children(process.pid), "the command runs")
            eventually(lambda: is_at_rest(process.pid), "the program rests")
            text = Path(f"/proc/{process.pid}/smaps_rollup").read_text()
        finally:
            process.terminate()
    return round(int(re.findall(r"^Rss: +(\d+) kB", text, re.MULTILINE)[0]) / 1e3, 1)


def commands_of_children(pid: int) -> list[bytes]:
    """The first words of the children of a process."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")[0] for child in children]


def is_at_rest(pid: int) -> bool:
    """Whether a process uses no processor time for a moment."""

    def ticks() -> list[str]:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]

    before = ticks()
    time.sleep(0.5)  # the moment itself
    return ticks() == before


if __name__ == "__main__":
    main()
