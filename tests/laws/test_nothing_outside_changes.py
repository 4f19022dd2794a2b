from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal

from hypothesis import event, given, settings
from hypothesis import strategies as st

from supervisor.errors import Refused, StartError, TreeError
from supervisor.items import lay_out
from supervisor.model import ConfigObject, Origin
from supervisor.settings import FileSettings
from supervisor.tree import Tree
from tests.laws.folders import passing_folder
from tests.rooms.building import everything

# What somebody who may write to the volume can leave there, by name: where a link leads, or a pipe, or a folder.
_TARGETS = [
    "/",
    "..",
    ".",
    "outside",
    "../outside",
    "../outside/precious",
    "../outside/folder",
    "/dev/null",
    "nowhere",
    "../new",
    "a",
    "..data",
]
_planted = st.dictionaries(
    st.sampled_from(
        ["a", "b", "d", "d/a", "d/e", "..data", "..good", "..refused", "..files", "..new-01234567", "..link-01234567"]
    ),
    st.sampled_from([*_TARGETS, "PIPE", "FOLDER", "FILE"]),
    max_size=5,
)
_KEYS = st.sampled_from(
    [
        "a",
        "b",
        "d__a",
        "d__e__f",
        "..",
        ".",
        "",
        "/",
        "../outside/precious",
        "/tmp/x",
        "..data",
        "..data/a",
        "a/../b",
        "a//b",
        "a\0b",
        "d",
    ]
)
_wanted = st.dictionaries(_KEYS, st.sampled_from(["1", "2"]), max_size=4)
Layout = Literal["atomic", "files"]
_layouts: st.SearchStrategy[Layout] = st.sampled_from(["atomic", "files"])


def plant(planted: Mapping[str, str], root: Path) -> None:
    """Put it there, as far as it goes."""
    for name, what in planted.items():
        if (root / name).parent.is_symlink():
            continue
        with suppress(OSError):
            (root / name).parent.mkdir(exist_ok=True)
            if what == "PIPE":
                os.mkfifo(root / name)
            elif what == "FOLDER":
                (root / name).mkdir()
            elif what == "FILE":
                with (root / name).open("x") as file:
                    file.write('{"folders": ["../outside/folder", "d"], "older": ["../outside"]}')
            else:
                (root / name).symlink_to(what)


@settings(max_examples=400)
@given(image=_planted, steps=st.lists(st.tuples(_layouts, _wanted, _planted), min_size=1, max_size=4))
def test_whatever_keys_say_and_whoever_has_planted_links(
    image: Mapping[str, str], steps: Sequence[tuple[Layout, Mapping[str, str], Mapping[str, str]]]
) -> None:
    """Nothing outside of the configroot is written, removed or copied in, and whatever cannot be is refused in our words."""
    with passing_folder() as place:
        root, outside = place / "config", place / "outside"
        (outside / "folder").mkdir(parents=True)
        (outside / "precious").write_text("precious")
        root.mkdir()
        plant(image, root)
        before = everything(outside)
        for layout, wanted, planted in steps:
            attempt(root, layout, wanted, planted)

        assert everything(outside) == before
        assert set(place.iterdir()) == {root, outside}
        copies = [path for path in root.rglob("*") if path.is_file() and not path.is_symlink() and "precious" in path.read_text()]
        assert [path for path in copies if outside not in path.resolve().parents] == []


def attempt(root: Path, layout: Layout, wanted: Mapping[str, str], planted: Mapping[str, str]) -> None:
    """A run: take up what is there, publish, and let somebody plant something before the next revision."""
    origin = Origin("ConfigMap", "ns", "one")
    try:
        tree = Tree(str(root), layout=layout)
    except StartError:
        event("no start")
        return
    try:
        for number in range(2):
            objects = [ConfigObject(origin, {key: f"{text}{number}".encode() for key, text in wanted.items()})]
            try:
                staged = tree.stage(lay_out(objects, FileSettings(key_separator="__")))
            except Refused:
                event("a key is refused")
                continue
            try:
                tree.publish(staged)
                tree.mark_good()
                event("published")
            except Refused:
                event("something is in the way")
                tree.discard(staged)
            except TreeError:
                event("the disk does not take it")
            with suppress(TreeError):
                tree.prune()
            plant(planted, root)
    finally:
        os.close(tree._disk.fd)
