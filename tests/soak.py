"""Hours of a bad day in minutes: `python -m tests.soak MINUTES` changes a ConfigMap five times a second, with random faults.

Two programs follow it, each as PID 1: one tells its app by a signal and runs to the end, one starts its command anew and is
started again when that was killed, as a kubelet does. Prints what was done and how much of everything there is after a tenth of
the time and at the end, and fails if anything has grown or the end is not right. As root, with KUBEBUILDER_ASSETS.
"""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import NamedTuple

from tests.running import Running, eventually, program
from tests.stand_ins.client import ApiError, Client
from tests.stand_ins.real_api import RealApi

_CHANGES_PER_S = 5
_RECOVERY_S = 60.0
_CLIENT_S = 2.0
# What Python's allocator may keep more than before; and descriptors of a connection that was renewed just then.
_MORE_PSS_KB, _MORE_DESCRIPTORS = 4096, 3


class Sizes(NamedTuple):
    """How much there is of everything that could grow."""

    pss_kb: int
    descriptors: int
    threads: int
    inotify: int
    zombies: int
    files: int


class Follower:
    """The program with its app, in a folder with a small volume of its own."""

    def __init__(self, kubeconfig: Path, place: Path, *options: str) -> None:
        self._place = place
        self._root = place / "config"
        self._root.mkdir(parents=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(self._root)], check=True)
        self._options = [
            f"--listen=unix:{place}/socket",
            f"--kubeconfig={kubeconfig}",
            "--configmap=app",
            f"--configroot={self._root}",
            "--settle=0.01",
            *options,
        ]
        self.starts = 0
        self.running = self._start()

    def _start(self) -> Running:
        self.starts += 1
        command = program("soaked", f"{self._root}/key", f"{self._place}/took")
        options = [*self._options, "--validate=grep -qv refuse {}/key", "--reload-interval=0.1", "--startup-timeout=0"]
        return Running(options, command=command, as_pid1=True)

    def close(self) -> None:
        """End it."""
        self.running.__exit__()
        subprocess.run(["umount", "--lazy", str(self._root)], check=True)

    def start_again(self) -> None:
        """If it has ended, as a kubelet does."""
        if self.running._process.poll() is not None:
            self.running = self._start()

    def took(self) -> str:
        """What the app has read last."""
        with suppress(FileNotFoundError):
            return (self._place / "took").read_text()
        return ""

    def fill(self) -> None:
        """Leave no space on the volume."""
        with suppress(OSError), open(self._root / "ballast", "wb") as file:
            while True:
                file.write(b"x" * 4096)
                file.flush()

    def empty(self) -> None:
        """Give it back."""
        (self._root / "ballast").unlink(missing_ok=True)

    def command(self) -> int | None:
        """The command's process ID."""
        with suppress(OSError):
            for pid in self.running.child_pids():
                if b"soaked" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    return pid
        return None

    def sizes(self) -> Sizes:
        """Of now."""
        own = Path(f"/proc/{self.running.pid}")
        targets = []
        for link in (own / "fd").iterdir():
            with suppress(FileNotFoundError):
                targets.append(os.readlink(link))
        pss = re.search(r"^Pss:\s+(\d+)", (own / "smaps_rollup").read_text(), re.MULTILINE)
        assert pss
        return Sizes(
            int(pss[1]),
            len(targets),
            len(list((own / "task").iterdir())),
            sum("inotify" in target for target in targets),
            self._zombies(),
            sum(len(folders) + len(names) for _, folders, names in os.walk(self._root)),  # some may go meanwhile
        )

    def _zombies(self) -> int:
        states = []
        for pid in self.running.child_pids():
            with suppress(OSError):
                states.append(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0])
        return states.count("Z")


class Soak:
    """One run."""

    def __init__(self, api: RealApi, steady: Follower, restarted: Follower, seed: int) -> None:
        self._api = api
        self._steady, self._restarted = steady, restarted
        self._random = random.Random(seed)
        self._client: Client | None = None
        self._number = 0
        self.done: Counter[str] = Counter()

    def run(self, seconds: float) -> list[Sizes]:
        """Change and break for so long; the sizes after a tenth of it and at the end."""
        began = time.monotonic()
        found = []
        for share in (0.1, 1.0):
            while time.monotonic() < began + share * seconds:
                self._break()
            self._heal()
            found.append(self._steady.sizes())
        return found

    def _change(self, value: str = "") -> bool:
        self._number += 1
        text = value or f"{self._number}{' refuse' if self._random.random() < 0.1 else ''}"
        try:
            self._client = self._client or self._api.client(_CLIENT_S)
            self._client.apply("ConfigMap", "default", "app", {"key": text, "filling": "x" * self._random.randrange(20_000)})
        except (OSError, ApiError):
            self._client = None
            self.done["changes that the API did not take"] += 1
            return False
        self.done["refused by the app's check" if "refuse" in text else "changes"] += 1
        return True

    def _go_on_for(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            began = time.monotonic()
            self._change()
            self._restarted.start_again()
            time.sleep(max(0.0, 1 / _CHANGES_PER_S - (time.monotonic() - began)))

    def _break(self) -> None:
        name = self._random.choice(["api killed", "api frozen", "disk full", "command killed", "storm of HUP", "orphans", "none"])
        lasts_s = self._random.uniform(0.5, 4)
        self.done[name] += 1
        if name == "api killed":
            self._api.kill()
        elif name == "api frozen":
            self._api.freeze()
        elif name == "disk full":
            self._steady.fill()
            self._restarted.fill()
        elif name == "command killed":
            pid = self._restarted.command()
            if pid:
                with suppress(ProcessLookupError):  # it has just been restarted
                    os.kill(pid, signal.SIGKILL)
        elif name == "storm of HUP":
            for _ in range(500):
                self._steady.running.send(signal.SIGHUP)
        elif name == "orphans":
            self._steady.running.send(signal.SIGUSR1)
        self._go_on_for(lasts_s)
        self._mend()
        self._go_on_for(1)

    def _mend(self) -> None:
        self._api.start()
        self._steady.empty()
        self._restarted.empty()

    def _heal(self) -> None:
        """End all faults, and see the last change arrive in both apps."""
        self._mend()
        self._restarted.start_again()
        last = f"last {self._number}"
        eventually(lambda: self._change(last), "the API takes a change", _RECOVERY_S)
        began = time.monotonic()
        for follower in (self._steady, self._restarted):
            self._wait_for(follower, last)
        print(f"the last change is in both apps after {time.monotonic() - began:.1f} s", flush=True)
        eventually(lambda: self._steady._zombies() == 0, "no zombie is left")

    def _wait_for(self, follower: Follower, value: str) -> None:
        def has_arrived() -> bool:
            follower.start_again()
            return follower.took() == value

        try:
            eventually(has_arrived, "the last change arrives", _RECOVERY_S)
        except AssertionError:
            print(*follower.running.err.all()[-3:], f"took {follower.took()!r}, not {value!r}", follower.sizes(), sep="\n")
            raise


def soak(minutes: float, seed: int) -> None:
    """Run it, print the figures and fail if they are bad."""
    with tempfile.TemporaryDirectory(prefix="soak-") as name, ExitStack() as stack:
        place = Path(name)
        api = stack.enter_context(RealApi(Path(os.environ["KUBEBUILDER_ASSETS"]), place / "api"))
        api.client().create("ConfigMap", "default", "app", {"key": "0"})
        kubeconfig = api.write_kubeconfig(place / "kubeconfig")
        steady = Follower(kubeconfig, place / "steady")
        stack.callback(steady.close)
        restarted = Follower(kubeconfig, place / "restarted", "--reload-restart")
        stack.callback(restarted.close)
        for follower in (steady, restarted):
            eventually(follower.took, "it has begun")
        run = Soak(api, steady, restarted, seed)
        before, after = run.run(minutes * 60)
        events = Counter(event["event"] for event in steady.running.events())
        print(f"seed {seed}, {minutes:g} minutes:", ", ".join(f"{times} × {what}" for what, times in run.done.items()))
        print(f"containers started again: {restarted.starts - 1}; of the other one:", dict(events))
        for field, first, last in zip(Sizes._fields, before, after, strict=True):
            print(f"{field:<12} {first:>7} → {last:>7}")
        assert steady.starts == 1
        assert steady.running._process.poll() is None
        assert events["thread.crashed"] == 0
        assert after.zombies == 0
        assert (after.threads, after.inotify) == (before.threads, before.inotify)
        eventually(lambda: steady.sizes().files <= before.files, "what is old is gone: it tidies up after the app was told")
        assert after.descriptors <= before.descriptors + _MORE_DESCRIPTORS
        assert after.pss_kb <= before.pss_kb + _MORE_PSS_KB


if __name__ == "__main__":
    soak(float(sys.argv[1]), random.randrange(10**6))
