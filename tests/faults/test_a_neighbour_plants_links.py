from __future__ import annotations

import os
import stat
import subprocess
import time
from collections import Counter
from contextlib import suppress
from itertools import count
from pathlib import Path

import pytest

from supervisor.errors import Refused, TreeError
from tests.faults.conftest import Tried
from tests.laws.folders import passing_folder
from tests.rooms.building import everything, opened, publish
from tests.running import DEADLINE_S, Lines, program


@pytest.mark.parametrize("layout", ["atomic", "files"])
def test_a_folder_that_becomes_a_link_at_any_moment_leads_nowhere(layout: str, tried: Tried) -> None:
    """A neighbour in a shared volume exchanges a folder for a link to another, again and again, while we write into it."""
    with passing_folder() as place:
        root, outside = place / "config", place / "outside"
        (root / "d").mkdir(parents=True)
        (outside / "e").mkdir(parents=True)
        (outside / "precious").write_text("precious")
        before = everything(outside)
        neighbour = subprocess.Popen(program("swap_for_a_link", str(root / "d"), "../outside"), stdout=subprocess.PIPE)
        try:
            assert neighbour.stdout
            Lines(neighbour.stdout).wait_for("ready")
            outcomes = Counter(attempts(root, layout))
        finally:
            neighbour.kill()
            neighbour.wait()

        assert everything(outside) == before
        assert len(outcomes) > 1, f"the neighbour was never in the way: {outcomes}"
    tried("a neighbour exchanges a folder for a link, again and again", "nothing is written outside")


def attempts(root: Path, layout: str) -> list[str]:
    """What became of many revisions; on a busy machine of more, until the neighbour had its turn."""
    outcomes: list[str] = []
    end = time.monotonic() + DEADLINE_S
    with opened(root, layout=layout) as tree:
        for number in count():
            if number >= 400 and (len(set(outcomes)) > 1 or time.monotonic() > end):
                break
            try:
                publish(tree, {"d/precious": str(number), "d/e/f": str(number % 2), f"d/{number % 3}": ""})
                outcomes.append("published")
            except (Refused, TreeError) as error:
                outcomes.append(type(error).__name__)
                with suppress(TreeError):
                    tree.prune()
    return outcomes


@pytest.mark.parametrize("layout", ["atomic", "files"])
@pytest.mark.parametrize("target", ["/etc/passwd", "../secret", "/dev/zero", "/proc/self/environ"])
def test_what_a_planted_link_leads_to_is_not_read(tmp_path: Path, layout: str, target: str, tried: Tried) -> None:
    """It may be a file that only we can read: no copy of it gets into the volume, not even for a moment."""
    root = tmp_path / "config"
    root.mkdir()
    (tmp_path / "secret").write_text("secret")
    (root / "a").symlink_to(target)
    kept = []

    with opened(root, layout=layout) as tree:
        swap = tree._swap
        tree._swap = lambda folder: (kept.append(texts_in(root)), swap(folder))[1]  # type: ignore[method-assign,func-returns-value]
        with suppress(Refused):
            publish(tree, {"a": "1", "b": "2"})

    assert {text for found in [*kept, texts_in(root)] for text in found} <= {b"1", b"2"}
    tried("planted links to /etc/passwd, devices, /proc", "never read, never written through")


def texts_in(root: Path) -> list[bytes]:
    """The contents of all plain files below a folder, hidden ones too."""
    files = [Path(folder, name) for folder, _, names in os.walk(root) for name in names]
    return [path.read_bytes() for path in files if stat.S_ISREG(path.lstat().st_mode)]
