from __future__ import annotations

import json
import os
import stat
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from supervisor.errors import Refused, TreeError
from supervisor.tree import Tree
from tests.conftest import needs_root
from tests.rooms.building import everything, generations, publish, seen, snapshot
from tests.rooms.building import opened as opened_as

opened = partial(opened_as, layout="files")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A configroot that came with the image, empty."""
    (tmp_path / "config").mkdir()
    return tmp_path / "config"


@pytest.fixture
def tree(root: Path) -> Iterator[Tree]:
    """Its tree, which puts plain files."""
    with opened(root) as tree:
        yield tree


def put(path: Path, text: str) -> Path:
    """Write a file that is not ours, with the folders on the way."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def names(root: Path) -> set[str]:
    """What lies in the configroot and is not hidden."""
    return {name for name in os.listdir(root) if not name.startswith("..")}


def inode(path: Path) -> int:
    """Which file it is."""
    return path.stat(follow_symlinks=False).st_ino


def hidden(root: Path) -> set[str]:
    """Every passing name of ours that is left below a folder."""
    return {path for path in everything(root) if any(name in path for name in ("..file-", "..link-", "..new-"))}


def test_there_are_plain_files_and_folders_only(root: Path, tree: Tree) -> None:
    """With their modes; the generation lies beside them."""
    publish(tree, {"a": "1", "d/e/b": b"\xff"}, mode=0o640)

    assert names(root) == {"a", "d"}
    assert (root / "d/e/b").read_bytes() == b"\xff"
    assert [stat.filemode(path.lstat().st_mode) for path in (root / "a", root / "d", root / "d/e", root / "d/e/b")] == [
        "-rw-r-----",
        "drwxr-xr-x",
        "drwxr-xr-x",
        "-rw-r-----",
    ]
    assert os.readlink(root / "..data") == generations(root)[0]


def test_files_are_not_those_of_the_generation(root: Path, tree: Tree) -> None:
    """An app that edits its file in place changes nothing of what we go back to."""
    good = publish(tree, {"a": "1"})
    tree.mark_good()
    (root / "a").write_text("edited by the app")
    publish(tree, {"a": "2"})
    assert tree.good
    tree.publish(tree.good)

    assert seen(root) == {"a": "1"}
    assert tree.live
    assert tree.live.revision == good.revision


def test_another_revision_takes_the_place_of_the_first(root: Path, tree: Tree) -> None:
    """What is gone disappears, with folders that are empty then."""
    publish(tree, {"stays": "1", "gone": "1", "d/stays": "1", "d/gone": "1", "e/f/gone": "1"})
    publish(tree, {"stays": "2", "fresh": "2", "d/stays": "1", "d/fresh": "2"})

    assert seen(root) == {"stays": "2", "fresh": "2", "d/stays": "1", "d/fresh": "2"}
    assert names(root) == {"stays", "fresh", "d"}
    publish(tree, {})
    assert names(root) == set()
    assert not (root / "..files").exists()


def test_what_did_not_change_is_not_touched(root: Path, tree: Tree) -> None:
    """Whoever watches such a file is not woken."""
    publish(tree, {"same": "1", "d/same": "1", "other": "1"})
    before = {path: everything(root)[path] for path in ("same", "d/same")}
    publish(tree, {"same": "1", "d/same": "1", "other": "2", "new": "2"})

    assert {path: everything(root)[path] for path in before} == before
    assert seen(root)["other"] == "2"


def test_another_mode_is_another_file(root: Path, tree: Tree) -> None:
    """The content is the same."""
    publish(tree, {"a": "1"}, mode=0o644)
    publish(tree, {"a": "1"}, mode=0o600)

    assert stat.S_IMODE((root / "a").stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"a": "1"}, {"a/b": "2"}),
        ({"a/b": "1"}, {"a": "2"}),
        ({"a/b": "1"}, {"a/b/c": "2"}),
        ({"a/b/c": "1", "a/d": "1"}, {"a": "2"}),
    ],
)
def test_a_file_can_become_a_folder_and_the_other_way_round(
    root: Path, tree: Tree, first: dict[str, str], second: dict[str, str]
) -> None:
    """As long as all that is in the way is ours."""
    publish(tree, first)
    publish(tree, second)
    assert seen(root) == second
    publish(tree, first)

    assert seen(root) == first


def test_a_reader_of_one_file_sees_all_old_or_all_new(root: Path, tree: Tree) -> None:
    """Who has it open reads on; who opens it anew reads the new one."""
    publish(tree, {"a": "old" * 1000})
    with (root / "a").open() as file:
        publish(tree, {"a": "new" * 1000})

        assert file.read() == "old" * 1000
    assert (root / "a").read_text() == "new" * 1000


# --- what is not ours


def test_foreign_files_are_left_alone(root: Path) -> None:
    """Also in folders that we made, which stay then."""
    foreign = [put(root / path, "foreign") for path in ("own", "conf.d/own", "..own")]
    with opened(root) as tree:
        publish(tree, {"a": "1", "conf.d/b": "1", "new.d/c": "1"})
        foreign.append(put(root / "new.d/own", "foreign"))
        publish(tree, {"a": "2"})
        assert names(root) == {"own", "conf.d", "new.d", "a"}
        publish(tree, {})

    assert {path.read_text() for path in foreign} == {"foreign"}
    assert names(root) == {"own", "conf.d", "new.d"}


def test_a_folder_of_the_image_stays_when_it_is_empty(root: Path) -> None:
    """We did not make it."""
    (root / "conf.d").mkdir()
    with opened(root) as tree:
        publish(tree, {"conf.d/a": "1"})
        publish(tree, {})

    assert names(root) == {"conf.d"}


def test_what_somebody_has_written_at_a_place_of_ours_is_not_removed(root: Path, tree: Tree) -> None:
    """The key is gone, but the file is no longer what we wrote. As long as the key is wanted, it is put right."""
    publish(tree, {"edited": "1", "replaced": "1", "wanted": "1"})
    (root / "edited").write_text("by hand")
    (root / "replaced").unlink()
    put(root / "replaced", "by hand")
    put(root / "wanted", "by hand")
    publish(tree, {"wanted": "1", "other": "2"})

    assert seen(root) == {"edited": "by hand", "replaced": "by hand", "wanted": "1", "other": "2"}


def test_a_link_of_the_image_is_replaced_and_what_it_led_to_is_not(tmp_path: Path, root: Path) -> None:
    """Nothing is ever written through a link."""
    precious = put(tmp_path / "precious", "precious")
    (root / "a").symlink_to(precious)
    (root / "b").symlink_to("../precious")
    with opened(root) as tree:
        publish(tree, {"a": "1", "b": "2"})
        publish(tree, {})

    assert precious.read_text() == "precious"
    assert names(root) == set()


@pytest.mark.parametrize(
    ("plant", "place", "path", "words"),
    [
        (lambda path: put(path, "file"), "a", "a/b", "/a is in the way of 'a/b': remove it, or choose another name"),
        (lambda path: put(path, "file"), "d/a", "d/a/b/c", "/d/a is in the way of 'd/a/b/c'"),
        (lambda path: path.mkdir(), "a", "a", "/a is a folder that we did not make, but a file is wanted there"),
        (lambda path: put(path / "x", ""), "a", "a", "/a is a folder that we did not make, but a file is wanted there"),
        (os.mkfifo, "a", "a", "/a is in the way of 'a'"),
        (os.mkfifo, "a", "a/b", "/a is in the way of 'a/b'"),
        (lambda path: path.symlink_to("/tmp"), "a", "a/b", "/a is in the way of 'a/b'"),
        (lambda path: path.symlink_to("/tmp"), "a", "a", "/a is in the way of 'a'"),
        (lambda path: path.symlink_to("nowhere"), "a", "a/b", "/a is in the way of 'a/b'"),
    ],
)
def test_what_is_in_the_way_is_named_and_nothing_changes(
    root: Path, plant: Callable[[Path], object], place: str, path: str, words: str
) -> None:
    """What was live still is; and when the way is free, the same revision becomes live."""
    with opened(root) as tree:
        live = publish(tree, {"live": "1"})
        (root / place).parent.mkdir(exist_ok=True)
        plant(root / place)
        before = {name: told for name, told in everything(root).items() if name != "."}
        staged = tree.stage(snapshot({"live": "2", "another/new": "2", path: "2"}))
        with pytest.raises(Refused) as caught:
            tree.publish(staged)
        tree.discard(staged)

        assert words in str(caught.value)
        assert {name: told for name, told in everything(root).items() if name != "."} == before
        assert tree.live
        assert tree.live.revision == live.revision
        (root / place).rename(root.parent / "taken away")
        publish(tree, {"live": "2", path: "2"})
        assert seen(root) == {"live": "2", path: "2"}


@needs_root
@pytest.mark.parametrize("layout", ["files", "atomic"])
def test_a_file_that_is_mounted_by_itself_is_named(root: Path, tmp_path: Path, layout: str) -> None:
    """As a volume's subPath is: nobody can rename onto it. What was live still is."""
    put(root / "a", "mounted")
    with opened_as(root, layout=layout) as tree:
        publish(tree, {"b": "1"})
        subprocess.run(["mount", "--bind", str(put(tmp_path / "source", "source")), str(root / "a")], check=True)
        try:
            with pytest.raises(Refused, match=f"^{root}/a is a mount of its own and cannot be replaced: mount the folder"):
                publish(tree, {"a": "2", "b": "2"})
            assert (root / "b").read_text() == "1"
        finally:
            subprocess.run(["umount", str(root / "a")], check=True)


# --- a run after another


def test_what_an_earlier_run_left_is_live(root: Path) -> None:
    """The same content is no change, and nothing is written."""
    with opened(root) as tree:
        made = publish(tree, {"a": "1", "d/b": "2"}, mode=0o640)
    before = {path: told for path, told in everything(root).items() if path != "."}
    with opened(root) as tree:
        assert tree.live
        assert tree.live.revision == made.revision

    assert {path: told for path, told in everything(root).items() if path != "."} == before


def test_what_somebody_did_to_our_files_is_put_right_at_the_next_start(root: Path) -> None:
    """Edited, removed, replaced by a link: they are what is live again."""
    files = {"a": "1", "d/b": "2", "c": "3"}
    with opened(root) as tree:
        publish(tree, files)
    (root / "a").write_text("edited")
    (root / "d/b").unlink()
    (root / "c").unlink()
    (root / "c").symlink_to("a")
    with opened(root) as tree:
        assert tree.live

    assert seen(root) == files
    assert not (root / "c").is_symlink()


def test_a_generation_that_a_power_cut_tore_is_not_copied_over_good_files(root: Path) -> None:
    """What is live is then what is torn, so the next revision is published in full."""
    with opened(root) as tree:
        made = publish(tree, {"a": "1", "b": "2"})
    (root / "..data/a").write_text("")
    with opened(root) as tree:
        assert seen(root) == {"a": "1", "b": "2"}
        assert tree.live
        assert tree.live.revision != made.revision


@pytest.mark.parametrize(
    "journal",
    ["", "{", "[]", '{"folders": 1, "older": []}', '{"folders": ["../x", "/x", 7], "older": ["../x", 7]}'],
)
def test_a_journal_that_cannot_be_read_counts_for_nothing(tmp_path: Path, root: Path, journal: str) -> None:
    """Nor does one that somebody else has written: nothing outside is touched."""
    (tmp_path / "x").mkdir()
    with opened(root) as tree:
        publish(tree, {"d/a": "1"})
    put(root / "..files", journal)
    with opened(root) as tree:
        publish(tree, {"b": "1"})

    assert seen(root) == {"b": "1"}
    assert (tmp_path / "x").is_dir()


# --- from one layout to the other


FILES = {"a": "1", "d/b": "2", "d/e/c": "3", "real/x": "4"}


@pytest.mark.parametrize("second", [FILES, {"a": "1", "d/b": "5"}, {}, {"d": "6"}, {"a/b": "7", "real/y": "8"}])
@pytest.mark.parametrize(("before", "after"), [("atomic", "files"), ("files", "atomic")])
def test_the_layout_can_be_changed_between_two_runs(root: Path, before: str, after: str, second: dict[str, str]) -> None:
    """The same content is at once what the other layout makes of it; another one takes its place as usual, both ways."""
    put(root / "real/own", "foreign")
    with opened_as(root, layout=before) as tree:
        publish(tree, FILES)
    with opened_as(root, layout=after) as tree:
        assert seen(root) == {**FILES, "real/own": "foreign"}
        assert tree.live
        assert tree.live.revision == snapshot(FILES).revision
        assert [(root / path).is_symlink() or (root / path).parent.is_symlink() for path in ("a", "real/x")] == [
            after == "atomic"
        ] * 2
        publish(tree, second)
        assert seen(root) == {**second, "real/own": "foreign"}
    with opened_as(root, layout=before) as tree:
        publish(tree, FILES)

    assert seen(root) == {**FILES, "real/own": "foreign"}
    assert len(generations(root)) <= 2


def test_no_plain_file_is_left_behind_by_the_other_layout(root: Path) -> None:
    """It removes what the journal and the generations say is ours."""
    with opened(root) as tree:
        publish(tree, FILES)
    with opened_as(root) as tree:
        assert not (root / "..files").exists()
        publish(tree, {})

    assert seen(root) == {}


# --- the disk


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system with 64 KiB and 24 names."""
    place = tmp_path / "disk"
    place.mkdir()
    mounting = ["mount", "-t", "tmpfs", "-o", "size=64k,nr_inodes=24", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(mounting, stderr=subprocess.DEVNULL, check=False).returncode:
        pytest.skip("needs root and the right to mount, for a small file system")
    yield place
    subprocess.run(["umount", str(place)], check=True)


@pytest.mark.parametrize("large", [{"large": "x" * 30_000}, {f"n{number}": "" for number in range(9)}], ids=["bytes", "names"])
def test_a_full_disk_leaves_the_old_files(small_disk: Path, large: dict[str, str]) -> None:
    """It takes the generation, but not the copies: no file is of the new revision then. A smaller one is taken."""
    root = small_disk / "config"
    with opened(root) as tree:
        live = publish(tree, {"key": "1", "old": "1"})
        staged = tree.stage(snapshot({"key": "2", **large}))
        with pytest.raises(TreeError, match="No space left on device"):
            tree.publish(staged)
        assert seen(root) == {"key": "1", "old": "1"}
        assert hidden(root) == set()
        assert tree.live
        assert tree.live.revision == live.revision
        tree.discard(staged)

        publish(tree, {"key": "3"})
        assert seen(root) == {"key": "3"}


def test_the_journal_says_what_may_have_to_be_removed(root: Path, tree: Tree) -> None:
    """Which folders are ours; and, only while a revision is put in place, which generation was before."""
    publish(tree, {"d/e/a": "1", "b": "1"})

    assert json.loads((root / "..files").read_text()) == {"folders": ["d", "d/e"], "older": []}
