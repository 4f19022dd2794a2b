from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.running import program

View = dict[str, str | None]

OLD = {"a": "old a", "conf.d/x": "old x", "gone": "old", "real/stays": "old"}
NEW = {"a": "new a", "conf.d/x": "new x", "conf.d/y": "y", "fresh": "f", "real/z": "z", "shadow": "new", "deep/er/est": "d"}
OTHER = {"a": "other a", "conf.d/x": "new x", "shadow": "other"}
NAMES = sorted({*OLD, *NEW})


def publish(root: Path, snapshot: dict[str, str], cut: int = 0) -> int | None:
    """Publish in a process of its own, killed before change number `cut`. Returns the number of changes, None if killed."""
    done = subprocess.run(program("publish", str(root), json.dumps(snapshot), str(cut)), stdout=subprocess.PIPE, check=False)
    if done.returncode == -9:
        return None
    assert done.returncode == 0
    return int(done.stdout)


def image(root: Path) -> Path:
    """What came with the image: a real folder, a foreign file in it, and a plain file where a configured one will stand."""
    (root / "real").mkdir(parents=True)
    (root / "real" / "own").write_text("foreign")
    (root / "shadow").write_text("of the image")
    return root


def seen(root: Path) -> View:
    """What a reader gets by opening each name."""
    return {name: (root / name).read_text() if (root / name).exists() else None for name in NAMES}


def view(snapshot: dict[str, str], **more: str) -> View:
    """What a reader gets when a snapshot is live."""
    return {name: {**more, **snapshot}.get(name) for name in NAMES}


def check_tidy(root: Path, snapshot: dict[str, str]) -> None:
    """Exactly the wanted names, at most two generations, no leftovers, and what is foreign as it was."""
    assert seen(root) == view(snapshot)
    assert (root / "real" / "own").read_text() == "foreign"
    hidden = [path.name for folder in (root, root / "real") for path in folder.iterdir() if path.name.startswith("..")]
    generations = [name for name in hidden if name != "..data"]
    assert len(generations) <= 2
    assert all(len(name) == len("..0123456789ab-01234567") and (root / name).is_dir() for name in generations)
    names = {path.name for path in root.iterdir() if not path.name.startswith("..")}
    assert names == {name.split("/")[0] for name in snapshot} | {"real"}
    assert {path.name for path in (root / "real").iterdir()} == {"own"} | {
        name.removeprefix("real/") for name in snapshot if name.startswith("real/")
    }


@pytest.mark.parametrize("start_with", ["the image alone", "an old revision"])
def test_killed_at_any_step_a_reader_sees_all_old_or_all_new_and_the_next_run_heals(tmp_path: Path, start_with: str) -> None:
    """Every change of the file system, from the first to the last of a publish; then another revision is published in full."""
    before = image(tmp_path / "before")
    if start_with == "an old revision":
        publish(before, OLD)
    old = seen(before)
    assert old == view(OLD if start_with == "an old revision" else {}, shadow="of the image")
    views, cut = [], 0
    while True:
        cut += 1
        root = tmp_path / f"cut-{cut}"
        shutil.copytree(before, root, symlinks=True)
        changes = publish(root, NEW, cut)
        views.append(seen(root))
        assert views[-1] in (old, view(NEW)), f"torn by a cut before change {cut}"
        publish(root, OTHER if changes is None else NEW)
        check_tidy(root, OTHER if changes is None else NEW)
        shutil.rmtree(root)
        if changes is not None:
            break

    assert changes == cut - 1
    assert changes > 25
    assert views[0] == old
    assert views == sorted(views, key=lambda found: found != old), "the new one never turns back into the old one"


def test_the_run_that_follows_a_cut_finishes_the_same_revision(tmp_path: Path) -> None:
    """As a container does that is started again with the same ConfigMap."""
    before = image(tmp_path / "before")
    publish(before, OLD)
    for cut in range(1, 100):
        root = tmp_path / f"cut-{cut}"
        shutil.copytree(before, root, symlinks=True)
        changes = publish(root, NEW, cut)
        publish(root, NEW)
        check_tidy(root, NEW)
        shutil.rmtree(root)
        if changes is not None:
            return
    pytest.fail("it never finished")
