from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import needs_root
from tests.faults.conftest import Tried
from tests.faults.test_cut_at_every_step import NAMES, NEW, OLD, Publisher, View, check_tidy, image, seen, view
from tests.laws.folders import passing_folder

LAYOUTS = ["atomic", "files"]
HAPPENED = "the old revision stays whole until the new one is; it is tried again"
WRITING = {"mkdir", "write", "fchmod", "rename", "symlink", "link"}


class FailingPublisher(Publisher):
    """The same, with a file system whose calls fail."""

    def fail(self, root: Path, wanted: dict[str, str], layout: str, cut: int = 0, number: int = 0, *, stays: bool = False) -> Any:
        """The number of calls, what a reader found after each failure, and whether it was done, and what failed."""
        words = {"layout": layout, "cut": cut, "fails": number, "stays": stays, "names": NAMES}
        answer = self.ask(root=str(root), wanted=wanted, **words)
        assert answer.startswith("["), f"call {cut} fails with {errno.errorcode.get(number)}: {answer}"
        return json.loads(answer)


@pytest.fixture(scope="module")
def publisher() -> Iterator[FailingPublisher]:
    """One for all tests."""
    made = FailingPublisher()
    yield made
    made.close()


def is_whole(found: View, old: View, new: View, layout: str) -> bool:
    """Whether a reader finds one revision; with plain files, of each file one."""
    return found in (old, new) if layout == "atomic" else all(found[name] in {old[name], new[name]} for name in NAMES)


@pytest.mark.slow
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("number", "stays"), [(errno.EIO, False), (errno.ENOSPC, True)], ids=["EIO once", "full for a while"])
def test_each_call_may_fail(publisher: FailingPublisher, layout: str, number: int, tried: Tried, *, stays: bool) -> None:
    """Every call of a start and a publish, one after the other: what a reader finds is whole, and the next try succeeds."""
    with passing_folder() as place:
        before = image(place / "before")
        publisher.fail(before, OLD, layout)
        old, new = seen(before), view(NEW)
        for cut in range(1, 2000):
            root = place / f"cut-{cut}"
            shutil.copytree(before, root, symlinks=True)
            calls, views, is_done, failed = publisher.fail(root, NEW, layout, cut, number, stays=stays)
            for found in views:
                assert is_whole(found, old, new, layout), f"after call {cut} failed"
            assert not is_done or seen(root) == new
            # What could not be removed is removed by the next run.
            if not is_done or failed not in WRITING or (stays and layout == "files"):
                publisher.fail(root, NEW, layout)
            check_tidy(root, NEW)
            shutil.rmtree(root)
            if calls < cut:
                break
        assert cut > 100
    what = "no space from each call on, for a while" if stays else "EIO at each call of a publication"
    tried(f"{what}, both layouts", HAPPENED, lost=0)


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """A file system in memory, with a limit that may be set anew."""
    place = tmp_path / "small"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,nr_inodes=1000", "tmpfs", str(place)], check=True)

    def limit(option: str) -> Path:
        subprocess.run(["mount", "-o", f"remount,{option}", str(place)], check=True)
        return place

    yield limit
    subprocess.run(["umount", "--lazy", str(place)], check=True)


@pytest.mark.slow
@needs_root
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("what", ["space", "inodes"])
def test_a_volume_with_room_for_so_much_and_no_more(
    publisher: FailingPublisher, small: Callable[[str], Path], layout: str, what: str, tried: Tried
) -> None:
    """For each file or page that still has room, until all of it has: the old revision is whole, and then the new one."""
    place = small("size=1m")
    before = image(place / "before")
    publisher.fail(before, OLD, layout)
    old, new = seen(before), view({**NEW, "a": "x" * 20_000})
    wanted = {**NEW, "a": "x" * 20_000}
    failures = 0
    for room in range(200):
        root = place / "root"
        small("size=2m,nr_inodes=1000")
        shutil.copytree(before, root, symlinks=True)
        status = os.statvfs(place)
        if what == "inodes":
            small(f"nr_inodes={status.f_files - status.f_ffree + room}")
        else:
            small(f"size={(status.f_blocks - status.f_bfree + room) * status.f_frsize}")
        views = tries(publisher, root, wanted, layout)
        assert all(is_whole(found, old, new, layout) for found in views), f"room for {room}"
        failures += bool(views)
        small("size=2m,nr_inodes=1000")
        publisher.fail(root, wanted, layout)
        assert seen(root) == new
        shutil.rmtree(root)
        if not views:
            break
    assert failures > (5 if what == "space" else 10)
    tried(f"no {what}, at each write step of a publication on a small tmpfs, both layouts", HAPPENED, lost=0)


def tries(publisher: FailingPublisher, root: Path, wanted: dict[str, str], layout: str) -> list[View]:
    """What a reader finds after each failure; none if there was room enough."""
    _, views, is_done, _ = publisher.fail(root, wanted, layout)
    return [*views, *([] if is_done else [seen(root)])]
