from __future__ import annotations

import itertools
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.conftest import Tried
from tests.laws.folders import passing_folder
from tests.running import program

View = dict[str, str | None]

OLD = {"a": "old a", "conf.d/x": "old x", "gone": "old", "real/stays": "old", "was/a/folder": "old", "was_file": "old"}
NEW = {
    "a": "new a",
    "conf.d/x": "new x",
    "conf.d/y": "y",
    "fresh": "f",
    "real/z": "z",
    "shadow": "new",
    "deep/er/est": "d",
    "real/stays": "old",
    "was": "file",
    "was_file/a": "folder",
}
OTHER = {"a": "other a", "conf.d/x": "new x", "shadow": "other"}
NAMES = sorted({*OLD, *NEW})


class Publisher:
    """Publishes in processes of their own."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(program("publish"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, **words: object) -> str:
        """Say what is to be published, and how; the answer of tests/programs/publish.py."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(words) + "\n")
        self._process.stdin.flush()
        return self._process.stdout.readline().strip()

    def publish(
        self, root: Path, wanted: dict[str, str], layout: str = "atomic", cut: int = 0, *, at_once: bool = False
    ) -> int | None:
        """Publish, killed before change number `cut`. Returns the number of changes, None if killed."""
        answer = self.ask(root=str(root), wanted=wanted, layout=layout, cut=cut, at_once=at_once)
        return None if answer == "killed" else int(answer)

    def close(self) -> None:
        """End it."""
        self._process.communicate()


@pytest.fixture(scope="module")
def publisher() -> Iterator[Publisher]:
    """One for all tests."""
    made = Publisher()
    yield made
    made.close()


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder in memory: there are thousands of runs."""
    with passing_folder() as folder:
        yield folder


def image(root: Path) -> Path:
    """What came with the image: a real folder, a foreign file in it, and a plain file where a configured one will stand."""
    (root / "real").mkdir(parents=True)
    (root / "real" / "own").write_text("foreign")
    (root / "shadow").write_text("of the image")
    return root


def seen(root: Path) -> View:
    """What a reader gets by opening each name."""
    return {name: (root / name).read_text() if (root / name).is_file() else None for name in NAMES}


def view(snapshot: dict[str, str], **more: str) -> View:
    """What a reader gets when a snapshot is live."""
    return {name: {**more, **snapshot}.get(name) for name in NAMES}


def check_tidy(root: Path, snapshot: dict[str, str]) -> None:
    """Exactly the wanted names, at most two generations, no leftovers, and what is foreign as it was."""
    assert seen(root) == view(snapshot)
    assert (root / "real" / "own").read_text() == "foreign"
    hidden = {path.name for path in root.rglob("..*") if path.parent.name[:2] != ".."}
    generations = hidden - {"..data", "..good", "..files"}
    assert len(generations) <= 2
    assert all(re.fullmatch(r"\.\.[0-9a-f]{12}-[0-9a-f]{8}", name) and (root / name).is_dir() for name in generations)
    names = {path.name for path in root.iterdir() if not path.name.startswith("..")}
    assert names == {name.split("/")[0] for name in snapshot} | {"real"}
    assert {path.name for path in (root / "real").iterdir()} == {"own"} | {
        name.removeprefix("real/") for name in snapshot if name.startswith("real/")
    }


@pytest.mark.parametrize("at_once", [False, True], ids=["told", "watching"])
@pytest.mark.parametrize("start_with", ["the image alone", "an old revision"])
def test_killed_at_any_step_a_reader_sees_all_old_or_all_new_and_the_next_run_heals(
    place: Path, publisher: Publisher, start_with: str, *, at_once: bool
) -> None:
    """Every change of the file system, from the first to the last of a publish; then another revision is published in full."""
    before = image(place / "before")
    if start_with == "an old revision":
        publisher.publish(before, OLD)
    old = seen(before)
    assert old == view(OLD if start_with == "an old revision" else {}, shadow="of the image")
    views, cut = [], 0
    while True:
        cut += 1
        root = place / f"cut-{cut}"
        shutil.copytree(before, root, symlinks=True)
        changes = publisher.publish(root, NEW, cut=cut, at_once=at_once)
        views.append(seen(root))
        assert views[-1] in (old, view(NEW)), f"torn by a cut before change {cut}"
        publisher.publish(root, OTHER if changes is None else NEW)
        check_tidy(root, OTHER if changes is None else NEW)
        shutil.rmtree(root)
        if changes is not None:
            break

    assert changes == cut - 1
    assert changes > 25
    assert views[0] == old
    assert views == sorted(views, key=lambda found: found != old), "the new one never turns back into the old one"


# Before, at the cut, and after it. A container keeps its layout, or is started anew with another one.
ONES = [("atomic",) * 3, ("files",) * 3, ("atomic", "files", "files"), ("files", "atomic", "atomic")]
OTHERS = sorted(set(itertools.product(["atomic", "files"], repeat=3)) - set(ONES))


@pytest.mark.parametrize("layouts", [*ONES, *(pytest.param(one, marks=pytest.mark.slow) for one in OTHERS)], ids="-".join)
@pytest.mark.parametrize("then", [NEW, OTHER], ids=["the same again", "another one"])
def test_killed_at_any_step_the_next_run_finishes(
    place: Path, publisher: Publisher, layouts: tuple[str, str, str], then: dict[str, str], tried: Tried
) -> None:
    """The same revision, as a restarted container does, or another one; with either layout, before, at the cut and after it."""
    before_layout, layout, next_layout = layouts
    before = image(place / "before")
    publisher.publish(before, OLD, before_layout)
    for cut in range(1, 300):
        root = place / f"cut-{cut}"
        shutil.copytree(before, root, symlinks=True)
        changes = publisher.publish(root, NEW, layout, cut)
        publisher.publish(root, then, next_layout)
        check_tidy(root, then)
        shutil.rmtree(root)
        if changes is not None:
            tried("kill -9 before each change of a publication, both layouts, also changing", "the next run finishes", lost=0)
            return
    pytest.fail("it never finished")


@pytest.mark.parametrize(
    ("layout", "at_once"),
    [("atomic", False), ("atomic", True), ("files", False)],
    ids=["told", "watching", "plain files, where nothing is let go"],
)
def test_killed_at_any_step_nothing_is_left_of_many_files(
    place: Path, publisher: Publisher, layout: str, *, at_once: bool
) -> None:
    """These are written in a folder of their own, from which they come to their place."""
    before, many = image(place / "before"), {f"many/{number}": str(number) for number in range(20)}
    publisher.publish(before, {**OLD, **dict.fromkeys(many, "old")}, layout)
    for cut in range(1, 500):
        root = place / f"cut-{cut}"
        shutil.copytree(before, root, symlinks=True)
        changes = publisher.publish(root, {**NEW, **many}, layout, cut, at_once=at_once)
        publisher.publish(root, {**NEW, **many}, layout)
        check_tidy(root, {**NEW, **many})
        assert {f"many/{path.name}": path.read_text() for path in (root / "many").iterdir()} == many
        shutil.rmtree(root)
        if changes is not None:
            assert changes > (60 if layout == "files" else 80)
            return
    pytest.fail("it never finished")


def test_killed_at_any_step_each_plain_file_is_old_or_new(place: Path, publisher: Publisher) -> None:
    """One that both revisions have is never missing, and none is torn. What the image brought is there until it is replaced."""
    before = image(place / "before")
    publisher.publish(before, OLD, "files")
    old, new = seen(before), view(NEW)
    for cut in range(1, 300):
        root = place / f"cut-{cut}"
        shutil.copytree(before, root, symlinks=True)
        changes = publisher.publish(root, NEW, "files", cut)
        found = seen(root)
        for name in NAMES:
            assert found[name] in {old[name], new[name]}, f"{name} after a cut before change {cut}"
        assert (root / "real/own").read_text() == "foreign"
        shutil.rmtree(root)
        if changes is not None:
            return
    pytest.fail("it never finished")
