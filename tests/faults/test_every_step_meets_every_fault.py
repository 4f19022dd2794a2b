from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.conftest import Manifest, Start, needs_root
from tests.running import PROGRAMS, Running, begun_by, eventually, group, program

pytestmark = [pytest.mark.slow, needs_root]

STEPS = ["check", "splay", "published", "deliver", "confirm", "back"]

# What is live when the command has died, or we were asked to stop, in the middle of a step of the change from `one` to `two`.
# Before the app was told of it nothing is known of `two`: where it is published it stays, and the next start tries it.
DIED = {"check": "one", "splay": "one", "published": "two", "deliver": "one", "confirm": "one", "back": "one"}
STOPPED = {"check": "one", "splay": "one", "published": "two", "deliver": "two", "confirm": "two", "back": "one"}
# What is live when the step's hook said no, or nothing at all.
FAILED = {"check": "one", "published": "one", "deliver": "one", "confirm": "one", "back": "one"}
HUNG = {"check": "one", "published": "one", "deliver": "two", "confirm": "two", "back": "one"}


class Stage:
    """The program in the middle of a step: a hook that stands at its gate, or a splay that is not over."""

    def __init__(self, start: Start, manifest: Manifest, root: Path, step: str) -> None:
        self.root = root
        self.want = manifest
        self.step = step
        self._start = start
        self._gates = root.parent
        gate = f"{PROGRAMS}/gate.sh {self._gates}"
        self._options = {
            "check": [f"--validate={gate} check '' {{}}"],
            "splay": ["--splay=3"],
            "published": [f"--validate={gate} published"],
            "deliver": [f"--reload-command={gate} deliver"],
            "confirm": [f"--confirm-command={gate} confirm", "--confirm-within=0"],
            "back": [f"--reload-command={gate} back {root}/key"],
        }[step]

    def run(self, *options: str) -> Running:
        """Start the program with an app that takes everything. Not as PID 1, whose end would take the hooks along."""
        common = [f"--manifest={self._gates}/manifest.yaml", f"--configroot={self.root}", "--reload-interval=0", "--settle=0.1"]
        return self._start(
            *common,
            "--reload-retries=0",
            *self._options,
            *options,
            command=program("picky_app", f"{self.root}/key"),
            environment=begun_by("longest_splay"),
        )

    def enter(self, running: Running) -> None:
        """Want `two`, and wait until the step has begun."""
        running.wait_for_event("config.applied")
        self._path("armed").touch()
        self.want(key="two")
        if self.step == "splay":
            eventually(lambda: "two" in self._contents(), "it is staged")
        else:
            eventually(self._path("here").exists, "the hook is at its gate")

    def _contents(self) -> list[str]:
        found = []
        for place in self.root.glob("..*-*"):
            with suppress(FileNotFoundError):  # it is new, and has got its name, or old, and is gone
                found.append((place / "key").read_text())
        return found

    def open(self, code: int = 0) -> None:
        """Let the hook leave with a code, and all hooks after it pass."""
        self._path("armed").unlink()
        self._path("open").write_text(str(code))

    def disarm(self) -> None:
        """Let all later hooks pass, and the one that waits stay where it is."""
        self._path("armed").unlink(missing_ok=True)

    def _path(self, what: str) -> Path:
        return self._gates / f"{self.step}.{what}"

    @property
    def live(self) -> str:
        """What a reader finds."""
        return (self.root / "key").read_text()

    def is_good(self) -> bool:
        """Whether the app has taken what is live."""
        return (self.root / "..good").readlink() == (self.root / "..data").readlink()

    def reaches(self, running: Running, word: str) -> None:
        """Want a word, and see it arrive, be taken and be confirmed."""
        self.want(key=word)
        eventually(lambda: self.live == word and self.is_good(), f"{word} is live and good")
        running.out.wait_for("took")

    def check_left(self, running: Running, code: int) -> None:
        """The program has left at once, with this code, and nothing of it is left."""
        began = time.monotonic()
        assert running.wait() == code
        assert time.monotonic() - began < 5
        if self._path("here").exists():
            leader = int(self._path("here").read_text())
            eventually(lambda: not group(leader), "the hook is gone", 5)


@pytest.fixture
def small_root(root: Path) -> Iterator[Path]:
    """A configroot with room for a few files."""
    root.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k,nr_inodes=60", "tmpfs", str(root)], check=True)
    yield root
    subprocess.run(["umount", "--lazy", str(root)], check=True)


@pytest.fixture
def stage(start: Start, manifest: Manifest, root: Path) -> Callable[[str], Stage]:
    """Make the program ready for one of the steps."""

    def make(step: str) -> Stage:
        manifest(key="one")
        return Stage(start, manifest, root, step)

    return make


Make = Callable[[str], Stage]
every_step = pytest.mark.parametrize("step", STEPS)
every_hook = pytest.mark.parametrize("step", [step for step in STEPS if step != "splay"])


@every_hook
def test_a_hook_fails(stage: Make, step: str) -> None:
    """It is the app's no: what was good is live, and the next revision arrives."""
    place = stage(step)
    running = place.run()
    place.enter(running)
    place.open(3)

    event = {"check": "refused", "back": "failed"}.get(step, "rolled_back")
    running.wait_for_event(f"config.{event}")
    assert place.live == FAILED[step]
    place.reaches(running, "three")


@every_hook
def test_a_hook_hangs(stage: Make, step: str) -> None:
    """It is killed, and has said nothing: what was published before it was asked stays, and the next revision arrives."""
    place = stage(step)
    running = place.run("--hook-timeout=1")
    place.enter(running)
    place.disarm()

    assert "out of time" in running.wait_for_event("config.failed")["message"]
    assert place.live == HUNG[step]
    place.reaches(running, "three")


@every_step
def test_the_command_dies(stage: Make, step: str) -> None:
    """We leave at once with its code; the next run has what is wanted, or what was good, and reaches the next revision."""
    place = stage(step)
    running = place.run()
    place.enter(running)
    child = next(pid for pid in running.child_pids() if b"picky_app" in Path(f"/proc/{pid}/cmdline").read_bytes())
    os.kill(child, signal.SIGKILL)
    place.check_left(running, 137)
    assert place.live == DIED[step]
    assert (place.root / "..refused").exists() == (step in {"deliver", "confirm", "back"})

    place.disarm()
    again = place.run()
    again.out.wait_for(f"took '{DIED[step] if step in {'deliver', 'confirm', 'back'} else 'two'}'")
    place.reaches(again, "three")


@every_step
def test_we_are_asked_to_stop(stage: Make, step: str) -> None:
    """At once, and nothing is judged: the next run tries what is wanted."""
    place = stage(step)
    running = place.run()
    place.enter(running)
    running.send(signal.SIGTERM)
    place.check_left(running, 143)
    assert place.live == STOPPED[step]
    assert (place.root / "..refused").exists() == (step == "back")

    place.disarm()
    again = place.run()
    again.out.wait_for("took 'one'" if step == "back" else "took 'two'")
    place.reaches(again, "three")


@every_step
def test_something_newer_is_wanted(stage: Make, step: str) -> None:
    """It is reached, whatever becomes of the older one."""
    place = stage(step)
    running = place.run()
    place.enter(running)
    place.want(key="three")
    place.open()

    place.reaches(running, "three")
    assert running.child_pids()


@pytest.mark.usefixtures("small_root")
@every_step
def test_the_disk_is_full(stage: Make, step: str) -> None:
    """The app goes on with one whole revision; with room again, what is wanted arrives without another change."""
    place = stage(step)
    running = place.run()
    place.enter(running)
    fill = [place.root / f"fill-{number}" for number in range(100)]
    with suppress(OSError):
        for path in fill:
            path.touch()
    place.want(key="three")
    place.open()
    if step == "splay":
        time.sleep(3)  # it has to be over
    running.wait_for_event("config.failed")
    assert place.live in {"one", "two"}
    assert running.child_pids()
    for path in fill:
        path.unlink(missing_ok=True)

    eventually(lambda: place.live == "three" and place.is_good(), "it arrives")
