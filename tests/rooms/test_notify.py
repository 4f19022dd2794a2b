from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from threading import Thread

import pytest

from supervisor import notify
from supervisor.errors import SourceError
from supervisor.notify import Watch
from supervisor.source.folder import FolderSource
from tests.conftest import needs_root
from tests.rooms.building import REPOSITORY, within
from tests.running import eventually
from tests.stand_ins.kubelet import Mount

Step = Callable[[Path], object]


def put(path: Path, text: str = "new") -> None:
    """Write a file, with the folders on the way."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def put_by_rename(path: Path) -> None:
    """As an editor does."""
    put(path.with_name("passing"))
    path.with_name("passing").rename(path)


def relink(path: Path, target: str) -> None:
    """Exchange a link in one step."""
    path.with_name("passing").symlink_to(target)
    path.with_name("passing").rename(path)


def move_away_and_make_again(path: Path) -> None:
    """A folder, with the file in it."""
    path.parent.rename(path.parent.with_name("away"))
    put(path)


def nothing(path: Path) -> None:
    """Leave it as it is."""


def in_steps(*steps: Step) -> Step:
    """One after the other."""

    def all_of_them(path: Path) -> None:
        for step in steps:
            step(path)

    return all_of_them


FILES: dict[str, tuple[Step, Step]] = {
    "written in place": (put, put),
    "renamed into place": (put, put_by_rename),
    "removed": (put, Path.unlink),
    "made": (nothing, put),
    "made, with folders on the way": (lambda path: path.parent.rmdir(), put),
    "its folder moved away and made again": (put, move_away_and_make_again),
    "its folder removed": (put, lambda path: shutil.rmtree(path.parent)),
    "another mode": (put, lambda path: path.chmod(0o600)),
    "a link to another file": (lambda path: path.symlink_to("one"), lambda path: relink(path, "two")),
    "what the link leads to, written": (
        in_steps(lambda path: put(path.parent / "far/one"), lambda path: path.symlink_to("far/one")),
        lambda path: put(path.parent / "far/one"),
    ),
    "what a link to nothing leads to, made": (lambda path: path.symlink_to("far/one"), lambda path: put(path.parent / "far/one")),
    "a folder on the way that is a link": (
        in_steps(
            lambda path: put(path.parent / "x/app"),
            lambda path: put(path.parent / "y/app"),
            lambda path: path.symlink_to("z/app"),
            lambda path: (path.parent / "z").symlink_to("x"),
        ),
        lambda path: relink(path.parent / "z", "y"),
    ),
    "a mounted ConfigMap": (
        lambda path: Mount(path.parent).write({path.name: "1"}),
        in_steps(lambda path: put(path.parent / "..x" / path.name), lambda path: relink(path.parent / "..data", "..x")),
    ),
}
FOLDERS: dict[str, tuple[Step, Step]] = {
    "a file written in place": (put, put),
    "a file renamed into place": (put, put_by_rename),
    "a file made": (nothing, put),
    "a file removed": (put, Path.unlink),
    "a file in a new folder": (nothing, lambda path: put(path.parent / "d/e/f")),
    "a file in a folder that was there": (
        lambda path: put(path.parent / "d/e/f", "old"),
        lambda path: put(path.parent / "d/e/f"),
    ),
    "a folder moved in": (
        lambda path: put(path.parent.parent / "away/f"),
        lambda path: (path.parent.parent / "away").rename(path.parent / "d"),
    ),
    "itself removed": (put, lambda path: shutil.rmtree(path.parent)),
    "itself made": (lambda path: path.parent.rmdir(), put),
    "itself removed and made again": (put, in_steps(lambda path: shutil.rmtree(path.parent), put)),
    "itself moved away and made again": (put, move_away_and_make_again),
    "a mounted ConfigMap": FILES["a mounted ConfigMap"],
    "a mounted ConfigMap in it": (
        lambda path: Mount(path.parent / "m").write({"a": "1"}),
        in_steps(lambda path: put(path.parent / "m/..x/a"), lambda path: relink(path.parent / "m/..data", "..x")),
    ),
    "what a link to a file leads to": (
        in_steps(lambda path: put(path.parent.parent / "far/x"), lambda path: path.symlink_to("../far/x")),
        lambda path: put(path.parent.parent / "far/x"),
    ),
    "what a link to a folder leads to": (
        in_steps(lambda path: put(path.parent.parent / "far/d/x"), lambda path: path.symlink_to("../far")),
        lambda path: put(path.parent.parent / "far/d/x"),
    ),
}
CHANGES = [(name, False, *steps) for name, steps in FILES.items()] + [(name, True, *steps) for name, steps in FOLDERS.items()]
changes = pytest.mark.parametrize(
    ("is_folder", "before", "change"),
    [one[1:] for one in CHANGES],
    ids=[f"{'folder' if one[1] else 'file'}: {one[0]}" for one in CHANGES],
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file in a folder that is there; it is not."""
    (tmp_path / "conf").mkdir()
    return tmp_path / "conf/app"


@changes
def test_a_change_ends_the_wait(file: Path, is_folder: bool, before: Step, change: Step) -> None:
    """Whatever way it comes; before it nothing has happened."""
    before(file)
    with Watch(str(file.parent if is_folder else file), below=is_folder) as watch:
        assert watch.problem == ""
        assert watch.is_quiet()
        change(file)

        within(watch.wait)


@changes
def test_a_change_before_the_wait_is_not_missed(file: Path, is_folder: bool, before: Step, change: Step) -> None:
    """As it may come while the file is read: then it is read again."""
    before(file)
    with Watch(str(file.parent if is_folder else file), below=is_folder) as watch:
        change(file)

        assert not within(watch.is_quiet)


@pytest.mark.parametrize(
    "other",
    [
        lambda path: put(path.parent / "other"),
        lambda path: put(path.parent.parent / "other"),
        lambda path: put(path.parent / "d/app"),
        lambda path: path.read_text(),
        lambda path: os.listdir(path.parent),
    ],
)
def test_what_happens_beside_a_file_wakes_nobody(file: Path, other: Step) -> None:
    """Other names in the same folders, and reading."""
    put(file)
    (file.parent / "d").mkdir()
    with Watch(str(file)) as watch:
        other(file)

        assert watch.is_quiet()


def test_what_happens_outside_of_a_folder_wakes_nobody(file: Path) -> None:
    """Beside it, and reading all of it."""
    put(file.parent / "d/e")
    with Watch(str(file.parent), below=True) as watch:
        put(file.parent.parent / "other")
        FolderSource(str(file.parent))._read()

        assert watch.is_quiet()


def test_nothing_stays_open(file: Path) -> None:
    """A watch is made again after each change."""

    def instances() -> int:  # not all descriptors: pipes of tests before this one may be closed meanwhile
        found = 0
        for path in Path("/proc/self/fd").iterdir():
            with suppress(FileNotFoundError):
                found += "inotify" in os.readlink(path)
        return found

    before = instances()
    for below in (False, True):
        with Watch(str(file), below=below):
            assert instances() > before

    assert instances() == before


# --- what is mounted


def run_alone(code: str, *arguments: str) -> str:
    """What a piece of Python prints that may mount what it likes."""
    words = ["unshare", "--mount", sys.executable, "-c", code, *arguments]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(words, capture_output=True, text=True, timeout=30, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


WATCH = """
import subprocess, sys
from pathlib import Path
from threading import Thread
from supervisor.notify import Watch

def mount(source, place):
    subprocess.run(["mount", "--bind", str(source), str(place)], check=True)

base, change, below = Path(sys.argv[1]), sys.argv[2], sys.argv[3] == "True"
one, two = base / "one", base / "two"
for folder in (one, two):
    folder.mkdir()
    (folder / "app").write_text(folder.name)
place = base / "place"
place.mkdir()
(place / "app").write_text("below")
if change != "mount":
    mount(one, place)
if change == "file from the other side":
    mount(one / "app", place / "app")
with Watch(str(place if below else place / "app"), below=below) as watch:
    assert watch.is_quiet()
    {
        "mount": lambda: mount(one, place),
        "another": lambda: mount(two, place),
        "away": lambda: subprocess.run(["umount", str(place)], check=True),
        "file from the other side": lambda: (one / "app").write_text("changed"),
        "file over it": lambda: mount(two / "app", place / "app"),
    }[change]()
    waiting = Thread(target=watch.wait, daemon=True)
    waiting.start()
    waiting.join(10)
    print(waiting.is_alive(), (place / "app").read_text())
"""


@needs_root
@pytest.mark.parametrize("below", [False, True])
@pytest.mark.parametrize(
    ("change", "text"),
    [("mount", "one"), ("another", "two"), ("away", "below"), ("file from the other side", "changed"), ("file over it", "two")],
)
def test_something_mounted_over_it_is_a_change(tmp_path: Path, change: str, text: str, below: bool) -> None:
    """Over the folder or the file, or taken away; and one that is mounted by itself, changed where it comes from."""
    assert run_alone(WATCH, str(tmp_path), change, str(below)) == f"False {text}\n"


@needs_root
def test_what_is_mounted_elsewhere_wakes_nobody(tmp_path: Path) -> None:
    """Other containers of a node come and go."""
    code = """
import subprocess, sys
from pathlib import Path
from supervisor.notify import Watch

base = Path(sys.argv[1])
for folder in ("conf", "other", "conf2"):
    (base / folder).mkdir()
with Watch(str(base / "conf"), below=True) as watch:
    for place in ("other", "conf2"):
        subprocess.run(["mount", "--bind", str(base / "other"), str(base / place)], check=True)
    print(watch.is_quiet())
    subprocess.run(["mount", "--bind", str(base / "other"), str(base / "conf")], check=True)
    print(watch.is_quiet())
"""
    assert run_alone(code, str(tmp_path)) == "True\nFalse\n"


@needs_root
@pytest.mark.parametrize("limit", ["max_inotify_instances", "max_inotify_watches"])
def test_without_inotify_it_looks_now_and_then_and_says_why(tmp_path: Path, limit: str) -> None:
    """The limits are shared by all containers of a user on a node."""
    code = """
import sys
from pathlib import Path
Path("/proc/sys/user", sys.argv[2]).write_text("0")
from supervisor import notify
notify._POLL_S = 0.02
path = Path(sys.argv[1], "app")
path.write_text("1")
with notify.Watch(str(path)) as watch:
    print(watch.problem, watch.is_quiet())
    path.write_text("22")
    print(watch.is_quiet())
    watch.wait()
"""
    words = ["unshare", "--user", "--map-root-user", sys.executable, "-c", code, str(tmp_path), limit]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(words, capture_output=True, text=True, timeout=30, env=environment, check=False)
    if "Operation not permitted" in done.stderr:
        pytest.skip("needs the right to make user namespaces")
    name = limit.replace("max_inotify", "inotify.max_user")

    assert done.stdout.splitlines() == [
        f"cannot watch {tmp_path}/app with inotify: the limit fs.{name} is reached; looking every 0.02 s True",
        "False",
    ], done.stderr


# --- bursts


class Listener:
    """Collects the words of a source, in a thread of its own."""

    def __init__(self, place: Path) -> None:
        self.heard: list[dict[str, bytes] | str] = []
        Thread(target=self._listen, args=(place,), daemon=True).start()

    def _listen(self, place: Path) -> None:
        for heard in FolderSource(str(place)).watch():
            self.heard.append(str(heard) if isinstance(heard, SourceError) else dict(heard[0].data))


def test_a_burst_of_edits_is_one_word(file: Path) -> None:
    """Two hundred files, written one after the other, in new folders too. A pause of the writer is the end of one."""
    listener = Listener(file.parent)
    eventually(lambda: listener.heard == [{}], "the first word: nothing")
    moments = [time.monotonic()]
    for number in range(200):
        put(file.parent / f"d{number % 3}/f{number}", str(number))
        moments.append(time.monotonic())
    eventually(lambda: isinstance(listener.heard[-1], dict) and len(listener.heard[-1]) == 200, "all of them")

    pauses = sum(later - earlier > notify._QUIET_S / 2 for earlier, later in pairwise(moments))
    noisy = int((moments[-1] - moments[0]) / notify._NOISE_S)  # times that it was not waited for quiet any longer
    assert len(listener.heard) <= 2 + pauses + noisy


def test_every_state_of_a_mounted_configmap_is_one_word(file: Path) -> None:
    """Of one revision, however fast they come; the last one gets through."""
    mount = Mount(file.parent)
    mount.write({"a": "0"})
    listener = Listener(file.parent)
    eventually(lambda: listener.heard == [{"a": b"0"}], "the first word")
    for number in range(1, 100):
        mount.write({name: str(number) for name in ("a", "b", f"c{number}")})
    eventually(lambda: listener.heard[-1] == {"a": b"99", "b": b"99", "c99": b"99"}, "the last state")

    for word in listener.heard:
        assert isinstance(word, dict), word
        assert len(set(word.values())) == 1, "two revisions in one word"
