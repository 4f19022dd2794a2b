from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread

from hypothesis import event, given, settings
from hypothesis import strategies as st

from supervisor.desired import Desired
from supervisor.errors import Refused
from supervisor.items import lay_out
from supervisor.model import ConfigObject, Origin
from supervisor.settings import FileSettings
from supervisor.tree import Tree
from tests.laws.folders import found_in, passing_folder
from tests.rooms.building import generations, opened
from tests.running import eventually

# What one source wants: objects by name, each with its keys. Few of all, so that they meet.
State = dict[str, dict[str, str]]
_KEYS = st.sampled_from(["a", "b", "c__d", "c", "e.gz", ".f"])
_states = st.dictionaries(
    st.sampled_from(["one", "two"]), st.dictionaries(_KEYS, st.sampled_from(["", "1", "2\n", "ü"]), max_size=4), max_size=2
)
_SOURCES = ("first", "second")
_words = st.tuples(st.sampled_from(_SOURCES), _states)
_templates = st.sampled_from(["{key}", "{name}/{key}", "x/{key}", "{name}-{key}"])
_layouts = st.sampled_from(["atomic", "files"])
RESTART = None


def merged(newest: Mapping[str, State], template: str) -> dict[str, str] | None:
    """Every wanted file by its path, written down without the program; None if two want one place."""
    files: dict[str, str] = {}
    for state in newest.values():
        for name, data in state.items():
            for key, text in data.items():
                path = template.replace("{name}", name).replace("{key}", key.replace("__", "/"))
                if path in files:
                    return None
                files[path] = text
    if any(path.startswith(f"{other}/") for path in files for other in files):
        return None
    return files


@settings(max_examples=200)
@given(
    template=_templates, steps=st.lists(_words | st.just(RESTART), max_size=8), layouts=st.lists(_layouts, min_size=1, max_size=3)
)
def test_whatever_the_sources_say_one_after_another(
    template: str, steps: Sequence[tuple[str, State] | None], layouts: Sequence[str]
) -> None:
    """A plain reader finds the merge of the newest states, or, where that cannot be, the last one that could."""
    file_settings = FileSettings(template=template, key_separator="__")
    newest: dict[str, State] = {source: {} for source in _SOURCES}
    expected: dict[str, str] = {}
    rest, number = list(steps), 0
    with passing_folder() as place:
        while True:
            with opened(place / "config", layout=layouts[number % len(layouts)]) as tree:
                assert found_in(place / "config") == expected
                desired = desired_of(newest)
                while rest and (step := rest.pop(0)) is not RESTART:
                    newest[step[0]] = step[1]
                    put(desired, *step)
                    expected = publish(tree, desired, file_settings, merged(newest, template), expected)
                    assert found_in(place / "config") == expected
                    assert len(generations(place / "config")) <= 2
            number += 1
            if not rest:
                return


def desired_of(newest: Mapping[str, State]) -> Desired:
    """What is wanted after a restart: all sources say it again."""
    desired = Desired(_SOURCES)
    for source, state in newest.items():
        put(desired, source, state)
    return desired


def put(desired: Desired, source: str, state: State) -> None:
    """Let a source speak."""
    desired.put(
        source,
        tuple(
            ConfigObject(Origin("ConfigMap", source, name), {key: text.encode() for key, text in data.items()})
            for name, data in state.items()
        ),
    )


def publish(
    tree: Tree, desired: Desired, file_settings: FileSettings, wanted: dict[str, str] | None, live: dict[str, str]
) -> dict[str, str]:
    """Publish what is wanted, as sync does; returns what a reader should find."""
    _, objects = desired.wait(0)
    assert objects is not None
    try:
        snapshot = lay_out(objects, file_settings)
        staged = tree.stage(snapshot)
    except Refused:
        event("refused")
        assert wanted is None
        return live
    assert wanted is not None
    tree.publish(staged)
    tree.prune()
    return wanted


@contextmanager
def reading(root: Path) -> Iterator[list[str]]:
    """Somebody who reads two files through one opened `..data`, again and again; what is wrong is in the list."""
    stop, torn, views = Event(), list[str](), 0

    def read() -> None:
        nonlocal views
        while not stop.is_set():
            with suppress(FileNotFoundError):  # the generation is gone: two newer ones are there
                folder = os.open(root / "..data", os.O_RDONLY)
                try:
                    texts = [read_at(name, folder) for name in ("a", "d/b")]
                    views += 1
                    if texts[0] != texts[1]:
                        torn.append(f"{texts[0]} and {texts[1]}")
                finally:
                    os.close(folder)

    thread = Thread(target=read)
    thread.start()
    try:
        eventually(lambda: views, "a first look")
        yield torn
    finally:
        stop.set()
        thread.join()


def read_at(name: str, folder: int) -> str:
    """The content of a file below an opened folder."""
    with open(os.open(name, os.O_RDONLY, dir_fd=folder)) as file:
        return file.read()


@settings(max_examples=20)
@given(texts=st.lists(st.sampled_from(["1", "2", "3" * 10_000]), min_size=5, max_size=30), layout=_layouts)
def test_who_reads_through_one_opened_data_never_sees_two_revisions(texts: list[str], layout: str) -> None:
    """However fast they follow each other, and whatever of them is taken over from the one before."""
    with passing_folder() as place, opened(place / "config", layout=layout) as tree:
        desired = Desired(("first",))
        publish_text(tree, desired, "0")
        with reading(place / "config") as torn:
            for text in texts:
                publish_text(tree, desired, text)

        assert torn == []


def publish_text(tree: Tree, desired: Desired, text: str) -> None:
    """Publish two files of the same content, and one that stays."""
    put(desired, "first", {"one": {"a": text, "d__b": text, "same": "same"}})
    publish(tree, desired, FileSettings(key_separator="__"), {}, {})
