from __future__ import annotations

import json
import os
import re
import resource
import stat
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from supervisor.errors import Refused, StartError, TreeError
from supervisor.model import Listing, Refusal, Revision
from supervisor.tree import Tree
from tests.rooms.building import everything, generations, opened, publish, python, seen, snapshot

GENERATION = re.compile(r"\.\.[0-9a-f]{12}-[0-9a-f]{8}")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A configroot that came with the image, empty."""
    (tmp_path / "config").mkdir()
    return tmp_path / "config"


@pytest.fixture
def tree(root: Path) -> Iterator[Tree]:
    """Its tree."""
    with opened(root) as tree:
        yield tree


def put(path: Path, text: str) -> Path:
    """Write a file that is not ours, with the folders on the way."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def mode(path: Path) -> int:
    """The permission bits of what a path leads to."""
    return stat.S_IMODE(path.stat().st_mode)


def beside_root(root: Path) -> dict[str, tuple[object, ...]]:
    """All below a configroot. Its own times change with every attempt."""
    return {path: told for path, told in everything(root).items() if path != "."}


def what_is_live(tree: Tree) -> tuple[Revision, Listing]:
    """The revision that is live, and its files."""
    assert tree.live
    return tree.live.revision, tree.live.listing


def revision_of_live(tree: Tree) -> Revision | None:
    """The revision that is live, if there is one."""
    return tree.live.revision if tree.live else None


# --- the layout


def test_files_lie_in_a_generation_and_names_lead_through_data(root: Path, tree: Tree) -> None:
    """The kubelet's layout: `key → ..data/key`, and `..data` names the folder of the revision."""
    made = publish(tree, {"key": "1"})
    generation = os.readlink(root / "..data")

    assert os.readlink(root / "key") == "..data/key"
    assert GENERATION.fullmatch(generation)
    assert generation.startswith(f"..{made.revision}-")
    assert (root / generation / "key").read_text() == "1"
    assert sorted(os.listdir(root)) == sorted(["..data", generation, "key"])


@pytest.mark.parametrize(
    ("folders", "path", "link", "target"),
    [
        ([], "conf.d/a.conf", "conf.d", "..data/conf.d"),
        ([], "a/b/c/d", "a", "..data/a"),
        (["conf.d"], "conf.d/a.conf", "conf.d/a.conf", "../..data/conf.d/a.conf"),
        (["a"], "a/b/c/d", "a/b", "../..data/a/b"),
        (["a/b/c"], "a/b/c/d", "a/b/c/d", "../../../..data/a/b/c/d"),
        (["conf.d"], "other/x", "other", "..data/other"),
    ],
)
def test_a_link_stands_at_the_shallowest_free_name(root: Path, folders: list[str], path: str, link: str, target: str) -> None:
    """A folder that the image brought stays a real one, and links lie in it."""
    for folder in folders:
        (root / folder).mkdir(parents=True)
    with opened(root) as tree:
        publish(tree, {path: "1"})

    assert os.readlink(root / link) == target
    assert (root / path).read_text() == "1"
    assert all((root / folder).is_dir() and not (root / folder).is_symlink() for folder in folders)


def test_two_files_of_a_new_folder_share_its_link(root: Path, tree: Tree) -> None:
    """So a whole folder changes in one step."""
    publish(tree, {"conf.d/a": "1", "conf.d/b": "2", "top": "3"})

    assert {name for name in os.listdir(root) if not name.startswith("..")} == {"conf.d", "top"}
    assert seen(root) == {"conf.d/a": "1", "conf.d/b": "2", "top": "3"}


@pytest.mark.parametrize("content", [b"", b"\0\xff", b"x" * 2**20], ids=["nothing", "bytes", "a mebibyte"])
def test_content_is_written_as_it_is(root: Path, tree: Tree, content: bytes) -> None:
    """Down to the last byte."""
    publish(tree, {"key": content})

    assert (root / "key").read_bytes() == content


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077, 0o777])
def test_modes_are_these_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    """Of files as wanted; 0755 of folders, so that the app may be another user."""
    root = tmp_path / "config"
    before = os.umask(umask)
    try:
        with opened(root) as tree:
            publish(tree, {"a": "1", "d/e/b": "2"}, mode=0o640)
            publish(tree, {"a": "2", "d/e/b": "2"}, mode=0o666)
    finally:
        os.umask(before)

    assert {mode(root / path) for path in ("a", "d/e/b")} == {0o666}
    assert {mode(root / path) for path in ("", "..data", "d", "d/e")} == {0o755}
    assert mode(root / generations(root)[0] / "a") | mode(root / generations(root)[1] / "a") == 0o666 | 0o640


# --- one revision after another


def test_another_revision_takes_the_place_of_the_first(root: Path, tree: Tree) -> None:
    """What is new appears, what is gone disappears, what stays is new inside."""
    publish(tree, {"stays": "1", "gone": "1", "d/stays": "1", "d/gone": "1", "e/gone": "1"})
    publish(tree, {"stays": "2", "fresh": "2", "d/stays": "1", "d/fresh": "2"})

    assert seen(root) == {"stays": "2", "fresh": "2", "d/stays": "1", "d/fresh": "2"}
    assert {name for name in os.listdir(root) if not name.startswith("..")} == {"stays", "fresh", "d"}


def test_links_in_a_real_folder_disappear_with_their_files(root: Path) -> None:
    """The folder stays, it is not ours."""
    (root / "conf.d").mkdir()
    with opened(root) as tree:
        publish(tree, {"conf.d/a": "1", "conf.d/b": "1"})
        publish(tree, {"conf.d/b": "2"})
        assert os.listdir(root / "conf.d") == ["b"]
        publish(tree, {})

    assert os.listdir(root / "conf.d") == []


@pytest.mark.parametrize(
    ("first", "second"), [({"a": "1"}, {"a/b": "2"}), ({"a/b": "1"}, {"a": "2"}), ({"a/b": "1"}, {"a/b/c": "2"})]
)
def test_a_file_can_become_a_folder_and_the_other_way_round(
    root: Path, tree: Tree, first: dict[str, str], second: dict[str, str]
) -> None:
    """Behind a link of ours that is one step like any other."""
    publish(tree, first)
    publish(tree, second)

    assert seen(root) == second


def test_an_empty_revision_leaves_no_name(root: Path, tree: Tree) -> None:
    """All keys were removed: so are the names."""
    publish(tree, {"a": "1", "d/b": "2"})
    publish(tree, {})

    assert seen(root) == {}
    assert {name for name in os.listdir(root) if not name.startswith("..")} == set()


def test_two_generations_are_kept(root: Path, tree: Tree) -> None:
    """The live one and the one before it, whose files may still be open in the app."""
    made = [publish(tree, {"key": str(number)}) for number in range(4)]

    assert {name[2:14] for name in generations(root)} == {one.revision for one in made[-2:]}
    assert os.readlink(root / "..data")[2:14] == made[-1].revision


def test_a_reader_who_holds_the_folder_sees_one_revision(root: Path, tree: Tree) -> None:
    """Through `..data` opened once, also while the next one becomes live."""
    publish(tree, {"a": "1", "b": "1"})
    held = os.open(root / "..data", os.O_RDONLY)
    publish(tree, {"a": "2", "b": "2"})
    texts = [Path(f"/proc/self/fd/{held}/{name}").read_text() for name in ("a", "b")]
    os.close(held)

    assert texts == ["1", "1"]
    assert seen(root) == {"a": "2", "b": "2"}


def test_nothing_is_seen_of_a_staged_revision(root: Path, tree: Tree) -> None:
    """Until it is published; and nothing is left of one that is discarded."""
    publish(tree, {"key": "1"})
    before = beside_root(root)
    staged = tree.stage(snapshot({"key": "2", "fresh": "2"}))

    assert seen(root) == {"key": "1"}
    assert len(generations(root)) == 2
    tree.discard(staged)
    assert beside_root(root) == before


def test_the_tree_tells_what_is_live(tree: Tree) -> None:
    """Nothing at first; then the last revision, and its files without their contents."""
    assert tree.live is None
    made = publish(tree, {"a": "1", "d/b": "22"})

    assert what_is_live(tree) == (made.revision, made.listing)


def test_a_link_that_somebody_removed_comes_back_with_the_next_revision(root: Path, tree: Tree) -> None:
    """And one that somebody has replaced by a file, as `sed -i` does."""
    publish(tree, {"removed": "1", "edited": "1"})
    (root / "removed").unlink()
    (root / "edited").unlink()
    put(root / "edited", "by hand")
    publish(tree, {"removed": "2", "edited": "2"})

    assert seen(root) == {"removed": "2", "edited": "2"}
    assert os.readlink(root / "edited") == "..data/edited"


# --- what the image brought


def test_foreign_files_are_left_alone(root: Path) -> None:
    """At the top, in a folder that we share, under hidden names, and whatever is published around them."""
    foreign = [put(root / path, "foreign") for path in ("own", "conf.d/own", "sub/deep/own", "..own", "..data-own")]
    os.symlink("own", root / "link")
    before = beside_root(root)
    with opened(root) as tree:
        for files in ({"a": "1", "conf.d/b": "1", "sub/deep/c": "1"}, {"conf.d/own2": "2"}, {}):
            publish(tree, files)
            assert {path.read_text() for path in foreign} == {"foreign"}
    with opened(root):
        pass

    kept = {path: told for path, told in beside_root(root).items() if path in before}
    # A folder's own times change when a link is put into it.
    assert {path: told for path, told in kept.items() if path not in {"conf.d", "sub/deep"}} == {
        path: told for path, told in before.items() if path not in {"conf.d", "sub/deep"}
    }


def test_a_plain_file_of_the_image_is_replaced(root: Path) -> None:
    """A sample configuration at the place of the real one, at the top or in a folder of the image."""
    put(root / "app.conf", "sample")
    put(root / "conf.d/a.conf", "sample")
    with opened(root) as tree:
        publish(tree, {"app.conf": "real", "conf.d/a.conf": "real"})

    assert seen(root) == {"app.conf": "real", "conf.d/a.conf": "real"}
    assert os.readlink(root / "app.conf") == "..data/app.conf"
    assert os.readlink(root / "conf.d/a.conf") == "../..data/conf.d/a.conf"


def test_a_link_of_the_image_is_replaced_and_what_it_led_to_is_not(tmp_path: Path, root: Path) -> None:
    """Nothing is ever written through a link: it may lead anywhere."""
    precious = put(tmp_path / "precious", "precious")
    os.symlink(precious, root / "absolute")
    os.symlink("../precious", root / "relative")
    os.symlink("no/such/file", root / "dangling")
    os.symlink("/dev/null", root / "masked")
    before = precious.lstat()
    with opened(root) as tree:
        publish(tree, {"absolute": "1", "relative": "2", "dangling": "3", "masked": "4"})

    assert seen(root) == {"absolute": "1", "relative": "2", "dangling": "3", "masked": "4"}
    assert precious.read_text() == "precious"
    assert precious.lstat() == before


WATCHER = """
    import json, os, sys
    from supervisor.model import File, Origin, Snapshot
    from supervisor.tree import Tree

    root, wanted = sys.argv[1], json.loads(sys.argv[2])
    views, looking = [], False

    def hook(event, arguments):  # before each step
        global looking
        if event in {"os.rename", "os.symlink", "os.remove", "os.mkdir", "os.rmdir"} and not looking:
            looking = True
            views.append({path: open(os.path.join(root, path)).read() for path in wanted})
            looking = False

    files = [File(path, text.encode(), 0o666) for path, text in wanted.items()]
    tree = Tree(root)
    sys.addaudithook(hook)
    tree.publish(tree.stage(Snapshot([(Origin("ConfigMap", "", "app"), files)])))
    print(json.dumps(views))
"""


def test_a_file_of_the_image_is_readable_until_the_swap_shows_the_real_one(root: Path) -> None:
    """Looked at before every step: all of the image or all of the revision, and no name is ever missing."""
    image = {"a": "image", "conf.d/b": "image", "c": "image"}
    real = dict.fromkeys(image, "real")
    for path, text in image.items():
        put(root / path, text)
    views = json.loads(python(WATCHER, str(root), json.dumps(real))[0])

    assert len(views) > 8
    assert [view for view in views if view not in (image, real)] == []
    assert views[0] == image
    assert views == sorted(views, key=lambda view: view == real), "it never turns back"
    assert seen(root) == real


def make_fifo(path: Path) -> None:
    """Something that is neither file, folder nor link."""
    os.mkfifo(path)


def lead_elsewhere(path: Path) -> None:
    """A link to a folder outside."""
    outside = path.parent.parent / "outside"
    outside.mkdir()
    path.symlink_to(outside)


def lead_to_a_fifo(path: Path) -> None:
    """A link to something whose reading may never end."""
    os.mkfifo(path.parent.parent / "fifo")
    path.symlink_to("../fifo")


@pytest.mark.parametrize(
    ("plant", "place", "path", "words"),
    [
        (lambda path: put(path, "file"), "a", "a/b", "/a is in the way of 'a/b': remove it, or choose another name"),
        (lambda path: put(path, "file"), "d/a", "d/a/b/c", "/d/a is in the way of 'd/a/b/c'"),
        (lambda path: path.mkdir(), "a", "a", "/a is a folder that we did not make, but a file is wanted there"),
        (lambda path: (path / "x").mkdir(parents=True), "a", "a/x", "/a/x is a folder that we did not make"),
        (make_fifo, "a", "a", "/a is in the way of 'a'"),
        (make_fifo, "a", "a/b", "/a is in the way of 'a/b'"),
        (lead_elsewhere, "a", "a/b", "/a is in the way of 'a/b'"),
        (lead_elsewhere, "a", "a", "/a is in the way of 'a'"),
        (lead_to_a_fifo, "a", "a", "/a is in the way of 'a'"),
        (lambda path: path.symlink_to("a"), "a", "a", "/a is in the way of 'a'"),
        (lambda path: path.symlink_to("nowhere"), "a", "a/b", "/a is in the way of 'a/b'"),
        (lambda path: path.symlink_to("."), "a", "a/b", "/a is in the way of 'a/b'"),
        (lambda path: path.symlink_to("..data/b"), "a", "a/b", "/a is in the way of 'a/b'"),
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
        before = {name: told for name, told in everything(root.parent).items() if name not in {".", "config"}}
        staged = tree.stage(snapshot({"live": "2", "another/new": "2", path: "2"}))
        with pytest.raises(Refused) as caught:
            tree.publish(staged)
        tree.discard(staged)

        assert words in str(caught.value)
        assert {name: told for name, told in everything(root.parent).items() if name not in {".", "config"}} == before
        assert what_is_live(tree) == (live.revision, live.listing)

        (root / place).rename(root.parent / "taken away")
        publish(tree, {"live": "2", path: "2"})
        assert seen(root)["live"] == seen(root)[path] == "2"


# --- a run after another


def test_what_an_earlier_run_left_is_live(root: Path) -> None:
    """Read back from the disk, modes and all: so the same content is no change."""
    with opened(root) as tree:
        publish(tree, {"a": "0"})
        made = publish(tree, {"a": "1", "d/b": "2", "\udcff": "3"}, mode=0o640)
    before = beside_root(root)
    with opened(root) as tree:
        found = what_is_live(tree)

    assert found == (made.revision, made.listing)
    assert beside_root(root) == before


@pytest.mark.parametrize(
    "tear",
    [
        lambda folder: (folder / "a").write_text(""),
        lambda folder: (folder / "a").write_text("2"),
        lambda folder: (folder / "a").unlink(),
        lambda folder: (folder / "a").chmod(0o600),
        lambda folder: put(folder / "more", ""),
        lambda folder: put(folder / "d/more", ""),
    ],
    ids=["emptied", "changed", "gone", "another mode", "one more", "one more below"],
)
def test_what_a_power_cut_tore_is_not_what_was_wanted(root: Path, tear: Callable[[Path], object]) -> None:
    """Whatever differs makes another revision of it, and the next publish heals it."""
    files = {"a": "1", "d/b": "2"}
    with opened(root) as tree:
        made = publish(tree, files)
    tear(root / "..data")
    with opened(root) as tree:
        assert revision_of_live(tree) != made.revision
        publish(tree, files)

    assert seen(root) == files
    with opened(root) as tree:
        assert revision_of_live(tree) == made.revision


def test_a_link_that_leads_to_a_generation_that_is_gone_counts_for_nothing(root: Path) -> None:
    """Somebody cleaned up: all is written again."""
    with opened(root) as tree:
        publish(tree, {"a": "1"})
        os.rename(root / os.readlink(root / "..data"), root.parent / "taken away")
    with opened(root) as tree:
        assert tree.live is None
        publish(tree, {"a": "1"})

    assert seen(root) == {"a": "1"}


def test_leftovers_of_a_killed_run_are_swept(root: Path) -> None:
    """Unfinished generations and passing links, also in real folders where links of ours lie or have lain."""
    put(root / "conf.d/own", "foreign")
    put(root / "old.d/own", "foreign")
    with opened(root) as tree:
        publish(tree, {"a": "1", "old.d/b": "1"})
        publish(tree, {"a": "1", "conf.d/b": "1"})
    put(root / "..new-01234567/d/half", "unfinished")
    for folder in ("", "conf.d", "old.d"):
        os.symlink("..data/x", root / folder / "..link-89abcdef")
    with opened(root):
        pass

    left = {path for path in everything(root) if "..link-" in path or "..new-" in path}
    assert left == set()
    assert seen(root) == {"a": "1", "conf.d/b": "1", "conf.d/own": "foreign", "old.d/own": "foreign"}


@pytest.mark.parametrize(
    "name", ["..link-0123456", "..link-0123456g", "..link-012345678", "..new-0123", "..new-x", "..goods", "..01234"]
)
def test_names_that_only_look_like_leftovers_stay(root: Path, name: str) -> None:
    """Files that we did not write are never removed."""
    put(root / name, "foreign")
    with opened(root) as tree:
        publish(tree, {"a": "1"})
        publish(tree, {"a": "2"})
        publish(tree, {"a": "3"})

    assert (root / name).read_text() == "foreign"


def test_links_that_a_killed_run_could_not_remove_go_at_the_next_start(root: Path) -> None:
    """It had published, and was killed before the names that are gone lost their links."""
    (root / "conf.d").mkdir()
    with opened(root) as tree:
        publish(tree, {"a": "1", "gone": "1", "conf.d/gone": "1"})
        publish(tree, {"a": "2"})
    os.symlink("..data/gone", root / "gone")
    os.symlink("../..data/conf.d/gone", root / "conf.d/gone")
    with opened(root):
        pass

    assert seen(root) == {"a": "2"}
    assert not (root / "gone").is_symlink()
    assert not (root / "conf.d/gone").is_symlink()


def test_links_of_a_revision_that_never_became_live_go_at_the_next_start(root: Path) -> None:
    """It was killed between the links for new names and the swap."""
    with opened(root) as tree:
        publish(tree, {"a": "1"})
        tree.stage(snapshot({"a": "2", "fresh": "2", "d/fresh": "2"}))
    os.symlink("..data/fresh", root / "fresh")
    os.symlink("..data/d", root / "d")
    with opened(root) as tree:
        assert revision_of_live(tree) == snapshot({"a": "1"}).revision

    assert {name for name in os.listdir(root) if not name.startswith("..")} == {"a"}


def test_links_that_were_lost_are_put_at_the_next_start(root: Path) -> None:
    """The content is what is wanted, so nothing will be published: the names must be there now."""
    (root / "conf.d").mkdir()
    with opened(root) as tree:
        publish(tree, {"a": "1", "conf.d/b": "1"})
    (root / "a").unlink()
    (root / "conf.d/b").unlink()
    with opened(root):
        pass

    assert seen(root) == {"a": "1", "conf.d/b": "1"}


def test_at_most_two_generations_are_left_by_the_next_start(root: Path) -> None:
    """The live one is among them, however many were left behind."""
    with opened(root) as tree:
        publish(tree, {"a": "1"})
        for number in range(5):
            tree.stage(snapshot({"a": f"never {number}"}))
        live = os.readlink(root / "..data")
    with opened(root):
        pass

    assert len(generations(root)) == 2
    assert live in generations(root)
    assert seen(root) == {"a": "1"}


def test_something_in_the_way_of_what_is_live_is_said_with_the_next_revision(root: Path) -> None:
    """A new image brings a file where a folder was: the start goes on, nothing counts as live, and publishing says why not."""
    with opened(root) as tree:
        publish(tree, {"conf.d/a": "1"})
    (root / "conf.d").unlink()
    put(root / "conf.d", "a file now")
    with opened(root) as tree:
        assert tree.live is None
        with pytest.raises(Refused, match=r"/conf.d is in the way of 'conf.d/a'"):
            publish(tree, {"conf.d/a": "1"})
        (root / "conf.d").unlink()
        publish(tree, {"conf.d/a": "1"})

    assert seen(root) == {"conf.d/a": "1"}


# --- the configroot itself


def test_a_configroot_that_is_missing_is_made(tmp_path: Path) -> None:
    """With the folders on the way."""
    with opened(tmp_path / "a" / "b") as tree:
        publish(tree, {"key": "1"})

    assert (tmp_path / "a/b/key").read_text() == "1"


def test_a_configroot_may_be_reached_by_a_link(tmp_path: Path, root: Path) -> None:
    """As a mount point may be."""
    (tmp_path / "link").symlink_to(root)
    with opened(tmp_path / "link") as tree:
        publish(tree, {"key": "1"})

    assert (root / "key").read_text() == "1"


def test_a_configroot_that_is_there_keeps_its_mode(root: Path) -> None:
    """It is the image's, or the volume's."""
    root.chmod(0o2770)
    with opened(root) as tree:
        publish(tree, {"key": "1"})

    assert mode(root) == 0o2770


def test_a_second_supervisor_is_kept_out(root: Path, tree: Tree) -> None:
    """It says so, and changes nothing; when the first has ended it may."""
    publish(tree, {"key": "1"})
    before = everything(root)
    with pytest.raises(StartError) as caught:
        Tree(str(root))

    assert str(caught.value) == f"another config-supervisor already writes to {root}: give each its own --configroot"
    assert caught.value.exit_code == 125
    assert everything(root) == before


def test_the_lock_ends_with_its_holder(root: Path) -> None:
    """However it ended."""
    for number in range(2):
        with opened(root) as tree:
            publish(tree, {"key": str(number)})

    assert seen(root) == {"key": "1"}


@pytest.mark.parametrize("is_link", [False, True])
def test_a_configroot_that_is_no_folder_is_said(tmp_path: Path, is_link: bool) -> None:
    """A file, or a link that leads nowhere; and what to change."""
    place = tmp_path / "config"
    if is_link:
        place.symlink_to("nowhere")
    else:
        place.touch()
    with pytest.raises(StartError, match=f"cannot write to --configroot {place}: "):
        Tree(str(place))


@pytest.mark.parametrize("place", ["/proc", "/proc/config", "/proc/self/fdinfo"])
def test_a_configroot_that_cannot_be_written_is_said(place: str) -> None:
    """Also to root: /proc is nobody's to write."""
    with pytest.raises(StartError, match=f"cannot write to --configroot {place}: ") as caught:
        Tree(place)

    assert caught.value.exit_code == 125


@pytest.mark.parametrize(
    "plant", [lambda path: path.mkdir(), lambda path: path.symlink_to("..2026_11_24_12_00_00.1"), lambda path: path.touch()]
)
def test_a_configroot_of_somebody_else_is_left_alone(root: Path, plant: Callable[[Path], object]) -> None:
    """Its `..data` is no link of ours: perhaps a mounted ConfigMap, which the kubelet keeps."""
    plant(root / "..data")
    put(root / "..2026_11_24_12_00_00.1/key", "kubelet's")
    before = beside_root(root)
    with pytest.raises(StartError, match=r"/\.\.data was not made by config-supervisor: choose another --configroot"):
        Tree(str(root))

    assert beside_root(root) == before


# --- the disk


@contextmanager
def files_up_to(size: int) -> Iterator[None]:
    """A disk that takes no larger files, for this process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_revision_that_the_disk_does_not_take_leaves_nothing(root: Path, tree: Tree) -> None:
    """What is live stays, and the message names folder and reason."""
    publish(tree, {"key": "1"})
    before = beside_root(root)
    with files_up_to(1000), pytest.raises(TreeError) as caught:
        tree.stage(snapshot({"d/small": "2", "large": "x" * 2000}))

    assert str(caught.value) == f"cannot write in {root}: File too large"
    assert beside_root(root) == before
    assert revision_of_live(tree) == snapshot({"key": "1"}).revision


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


@pytest.mark.parametrize("large", [{"large": "x" * 50_000}, {f"n{number}": "" for number in range(20)}], ids=["bytes", "names"])
def test_a_full_disk_keeps_what_is_live(small_disk: Path, large: dict[str, str]) -> None:
    """Whether it lacks bytes or names; nothing is left of the attempt, and a smaller revision is taken."""
    with opened(small_disk / "config") as tree:
        live = publish(tree, {"key": "x" * 20_000})
        before = generations(small_disk / "config")
        with pytest.raises(TreeError, match="No space left on device"):
            tree.stage(snapshot(large))
        assert (generations(small_disk / "config"), revision_of_live(tree)) == (before, live.revision)
        assert seen(small_disk / "config") == {"key": "x" * 20_000}

        publish(tree, {"key": "2"})
        assert seen(small_disk / "config") == {"key": "2"}


# --- going back


def test_the_generation_before_can_be_published_again(root: Path, tree: Tree) -> None:
    """Names that came with the newer one go, names that it had taken away are back."""
    publish(tree, {"a": "1", "old": "1"})
    tree.mark_good()
    publish(tree, {"a": "2", "new": "2"})
    assert tree.good
    tree.publish(tree.good)
    tree.prune()

    assert seen(root) == {"a": "1", "old": "1"}
    assert tree.live == tree.good


def test_the_good_generation_is_kept_however_many_are_tried(root: Path, tree: Tree) -> None:
    """Two are kept: the live one, and the one to go back to."""
    publish(tree, {"a": "good"})
    tree.mark_good()
    for number in range(5):
        publish(tree, {"a": f"tried {number}"})
    assert len(generations(root)) == 2
    assert tree.good
    tree.publish(tree.good)

    assert seen(root) == {"a": "good"}


def test_what_is_good_and_what_was_refused_is_known_to_the_next_run(root: Path) -> None:
    """Also that what is live is not what was good."""
    with opened(root) as tree:
        good = publish(tree, {"a": "good"})
        tree.mark_good()
        bad = publish(tree, {"a": "bad"})
        tree.refuse(Refusal(bad.revision, "the app says: no\n"))
    with opened(root) as tree:
        assert tree.good
        assert (revision_of_live(tree), tree.good.revision) == (bad.revision, good.revision)
        assert tree.refusal == Refusal(bad.revision, "the app says: no\n")
        tree.publish(tree.good)
        publish(tree, {"a": "better"})
        tree.mark_good()
    with opened(root) as tree:
        assert tree.refusal is None
        assert tree.live == tree.good

    assert sorted(path.name for path in root.iterdir() if not GENERATION.fullmatch(path.name)) == ["..data", "..good", "a"]


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"revision": 1', '"text"', "\0"])
def test_a_refusal_that_cannot_be_read_counts_for_nothing(root: Path, text: str) -> None:
    """A disk that lost power may hold anything."""
    put(root / "..refused", text)
    with opened(root) as tree:
        assert tree.refusal is None
        tree.refuse(Refusal(Revision("0123456789ab"), "no"))
    with opened(root) as tree:
        assert tree.refusal == Refusal(Revision("0123456789ab"), "no")


def inodes(root: Path, tree: Tree) -> dict[str, int]:
    """Of the file `key` in each generation that is not live."""
    live = tree.live.folder if tree.live else ""
    return {name: (root / name / "key").stat().st_ino for name in generations(root) if name != live}


def test_every_generation_that_was_live_is_let_go(tree: Tree, root: Path) -> None:
    """Also the good one, when others were live since; its content stays, and what is live is left alone."""
    publish(tree, {"key": "1", "same": "1"})
    tree.mark_good()
    publish(tree, {"key": "2", "same": "1"})
    publish(tree, {"key": "3", "same": "1"})
    before, live, same = inodes(root, tree), (root / "key").stat().st_ino, (root / "same").stat().st_ino
    tree.let_go()

    after = inodes(root, tree)
    assert tree.good
    assert tree.good.folder in after
    assert {name for name in after if after[name] == before[name]} == set()
    assert (root / tree.good.folder / "key").read_text() == "1"
    assert ((root / "key").stat().st_ino, (root / "same").stat().st_ino) == (live, same)
    assert not tree.has_to_let_go


def test_the_next_run_lets_go_of_what_was_live(root: Path) -> None:
    """It cannot know whether the one before has done so."""
    with opened(root) as tree:
        publish(tree, {"key": "1"})
        publish(tree, {"key": "2"})
    with opened(root) as tree:
        before = inodes(root, tree)
        tree.let_go()
        after = inodes(root, tree)
        assert [before[name] != after[name] for name in before] == [True]


def test_what_somebody_has_touched_is_not_taken_for_ours(tree: Tree, root: Path) -> None:
    """In a generation that is kept: it is not given a new stamp, and so is not taken over when that is live again."""
    publish(tree, {"key": "1", "other": "1"})
    tree.mark_good()
    old = tree.good
    assert old
    publish(tree, {"key": "2", "other": "1"})
    (root / old.folder / "key").write_text("touched")
    tree.let_go()
    tree.publish(old)
    publish(tree, {"key": "1", "other": "2"})
    assert seen(root) == {"key": "1", "other": "2"}
