from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Manifest, Start
from tests.faults.conftest import Tried
from tests.laws.folders import found_in
from tests.running import Running, eventually, program

WAY = "put right at the next change; the app is told"


def edit_in_place(root: Path) -> None:
    """Also of a file that is the same in the next revision."""
    for name in ("same", "d/same", "key"):
        (root / name).write_text("edited")


def edit_with_a_new_file(root: Path) -> None:
    """As `sed -i` does: a plain file takes the place of what stood there."""
    (root / "new").write_text("edited")
    (root / "new").rename(root / "same")


def delete_names(root: Path) -> None:
    """What an app opens."""
    (root / "same").unlink()
    (root / "key").unlink()


def delete_the_link_to_the_live_generation(root: Path) -> None:
    """Then no name leads anywhere, or nobody knows what is live."""
    (root / "..data").unlink()


def delete_all_generations(root: Path) -> None:
    """Also the good one, and the one that would be removed next."""
    for place in root.glob("..*-*"):
        shutil.rmtree(place, ignore_errors=True)  # one may be removed by us at the same time


def delete_everything(root: Path) -> None:
    """As `rm -rf` does."""
    rm = f"rm -rf {root}/* {root}/..?*"
    eventually(lambda: subprocess.run(rm, shell=True, check=False).returncode == 0, "nothing of ours came in between")


def delete_the_folder(root: Path) -> None:
    """The configroot itself."""
    # Of what is in it, something may be made or removed by us at the same time.
    eventually(lambda: subprocess.run(["rm", "-rf", root], check=False).returncode == 0, "it is gone")


def put_another_folder_in_its_place(root: Path) -> None:
    """An empty one; ours goes on to exist under another name."""
    root.rename(root.with_name("moved"))
    root.mkdir()


ACTS = [
    *(edit_in_place, edit_with_a_new_file, delete_names, delete_the_link_to_the_live_generation, delete_all_generations),
    *(delete_everything, delete_the_folder, put_another_folder_in_its_place),
]


@pytest.fixture(params=["atomic", "files"])
def running(request: pytest.FixtureRequest, start: Start, manifest: Manifest, root: Path) -> Running:
    """The program and an app, at its third revision."""
    path = manifest(key="1", same="s", d__same="s")
    started = start(
        *(f"--manifest={path}", f"--configroot={root}", f"--layout={request.param}", "--key-separator=__"),
        *("--reload-interval=0", "--settle=0"),
        command=program("show_config", f"{root}/key"),
    )
    started.out.wait_for("^started '1'$")
    for value in "23":
        change(started, manifest, root, value)
    return started


def change(running: Running, manifest: Manifest, root: Path, value: str) -> None:
    """One that arrives."""
    manifest(key=value, same="s", d__same="s")
    running.out.wait_for(f"^reloaded .* '{value}'$")
    eventually(lambda: (root / "..good").exists() and (root / "..good").readlink() == (root / "..data").readlink(), "it is good")


@pytest.mark.parametrize("act", ACTS, ids=lambda act: act.__name__)
def test_what_somebody_does_is_put_right_at_the_next_change(
    running: Running, manifest: Manifest, root: Path, act: Callable[[Path], None], tried: Tried
) -> None:
    """All of it, also what has not changed; and nothing piles up afterwards."""
    act(root)
    change(running, manifest, root, "4")
    assert found_in(root) == {"key": "4", "same": "s", "d/same": "s"}
    for value in "5678":
        change(running, manifest, root, value)

    assert found_in(root) == {"key": "8", "same": "s", "d/same": "s"}
    eventually(lambda: len(list(root.glob("..*-*"))) <= 2, "two generations")
    tried("somebody edits or deletes our files, generations, links, or the configroot itself", WAY, lost=0)


def test_a_way_back_that_somebody_has_removed_is_said(start: Start, manifest: Manifest, root: Path, tried: Tried) -> None:
    """The app keeps what it has, and the next revision that it takes mends all."""
    path = manifest(key="one")
    running = start(
        *(f"--manifest={path}", f"--configroot={root}", "--reload-interval=0", "--settle=0", "--confirm-within=0"),
        f"--confirm-command=grep -qv bad {root}/key",
        command=program("show_config", f"{root}/key"),
    )
    running.wait_for_event("config.applied")
    delete_all_generations(root)
    manifest(key="bad")
    message = running.wait_for_event("config.failed")["message"]
    assert (root / "key").read_text() == "bad"
    manifest(key="two")
    running.wait_for_event("config.applied", 2)

    assert "somebody has removed" in message
    assert (root / "key").read_text() == "two"
    tried("the good revision is deleted, then a bad one is wanted", "said; the bad one stays until the next good one", lost=0)


def test_a_configroot_that_becomes_a_link_is_not_followed(start: Start, manifest: Manifest, root: Path, tried: Tried) -> None:
    """Whoever may write beside it cannot lead us elsewhere; a folder in its place is ours again."""
    path = manifest(key="1")
    elsewhere = root.with_name("elsewhere")
    elsewhere.mkdir()
    running = start(
        *(f"--manifest={path}", f"--configroot={root}", "--reload-interval=0", "--settle=0"),
        command=program("show_config", f"{root}/key"),
    )
    running.wait_for_event("config.applied")
    root.rename(root.with_name("moved"))
    root.symlink_to(elsewhere)
    manifest(key="2")
    message = running.wait_for_event("config.failed")["message"]
    assert list(elsewhere.iterdir()) == []
    root.unlink()
    root.mkdir(exist_ok=True)  # if we were not faster
    running.out.wait_for("^reloaded .* '2'$")

    assert "has become a link" in message
    tried("a link takes the place of the configroot", "not followed, and said", lost=0)
