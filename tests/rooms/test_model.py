from __future__ import annotations

import dataclasses

import pytest

from supervisor.errors import Refused
from supervisor.model import (
    Change,
    ConfigObject,
    Entry,
    File,
    Origin,
    Outcome,
    Revision,
    Snapshot,
    Verdict,
    changes,
    entry_of,
    revision_of,
)
from tests.rooms.building import snapshot


@pytest.mark.parametrize(
    "path",
    [
        *("key", "rules.d/a.yml", "a/b/c/d", ".hidden", "a..b", "a..", "with space", "ключ", "-rf", "a\nb", "\udcff"),
        *("x" * 255, "/".join(["x" * 127] * 8)),
    ],
)
def test_a_path_that_lies_inside_is_taken(path: str) -> None:
    """Odd names are names too."""
    assert File(path, b"", 0o666).path == path


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("", "a part of it is empty or a dot"),
        ("/", "a part of it is empty or a dot"),
        ("/etc/passwd", "a part of it is empty or a dot"),
        ("a/", "a part of it is empty or a dot"),
        ("a//b", "a part of it is empty or a dot"),
        (".", "a part of it is empty or a dot"),
        ("a/./b", "a part of it is empty or a dot"),
        ("..", "a part of it begins with two dots"),
        ("../a", "a part of it begins with two dots"),
        ("a/../../b", "a part of it begins with two dots"),
        ("a/..", "a part of it begins with two dots"),
        ("..data", "a part of it begins with two dots"),
        ("..data/key", "a part of it begins with two dots"),
        ("...", "a part of it begins with two dots"),
        ("a/..link-01234567", "a part of it begins with two dots"),
        ("a\0b", "it holds a NUL"),
        ("\ud800", "it is no valid text"),
        ("x" * 256, "a part of it is longer than 255 bytes"),
        ("é" * 128, "a part of it is longer than 255 bytes"),
        ("a/" + "x" * 256, "a part of it is longer than 255 bytes"),
        ("/".join(["x" * 127] * 8) + "/y", "it is longer than 1024 bytes"),
    ],
)
def test_a_path_that_could_lead_elsewhere_is_refused(path: str, reason: str) -> None:
    """The message names the path and says what is wrong with it."""
    with pytest.raises(Refused) as caught:
        File(path, b"", 0o666)

    assert str(caught.value) == f"{path!r} cannot be a file name: {reason}"


def test_no_repr_shows_content() -> None:
    """Neither of a file, nor of an object, nor of what is known of a file."""
    file = File("key", b"canary", 0o666)
    shown = [
        repr(file),
        repr(ConfigObject(Origin("Secret", "ns", "a"), {"canary": b"canary"})),
        repr(entry_of(file)),
        repr(snapshot({"a": "canary"})),
    ]

    assert [text for text in shown if "canary" in text] == []
    assert entry_of(file).digest.hex() not in repr(entry_of(file))


def test_values_cannot_be_changed() -> None:
    """They travel between threads."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        File("key", b"", 0o666).path = "other"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("origin", "text"),
    [
        (Origin("ConfigMap", "prod", "app", "17"), "ConfigMap prod/app"),
        (Origin("Secret", "", "app"), "Secret app"),
    ],
)
def test_an_origin_reads_as_people_say_it(origin: Origin, text: str) -> None:
    """Local files have no namespace."""
    assert str(origin) == text


def test_a_revision_is_twelve_hexadecimal_digits() -> None:
    """It is the name of a folder and stands in log lines. This one must stay: folders of earlier runs are compared with it."""
    assert snapshot({"a": "1", "b": "2"}).revision == "a10ea329d116"
    assert snapshot({}).revision == "e3b0c44298fc"


@pytest.mark.parametrize(
    "other",
    [
        snapshot({"a": "1", "b": "3"}),
        snapshot({"a": "1", "c": "2"}),
        snapshot({"a": "1"}),
        snapshot({"a": "2", "b": "1"}),
        snapshot({"a": "1", "b": "2", "c": ""}),
        snapshot({"a": "1", "b": "2"}, mode=0o640),
    ],
)
def test_another_content_name_or_mode_is_another_revision(other: Snapshot) -> None:
    """Whatever an app could see of a file."""
    assert other.revision != snapshot({"a": "1", "b": "2"}).revision


def test_the_order_and_the_origin_do_not_matter_to_a_revision() -> None:
    """Only what is written does."""
    elsewhere = Origin("Secret", "prod", "other", "99")
    split = Snapshot([(elsewhere, [File("b", b"2", 0o666)]), (Origin("ConfigMap", "", "x"), [File("a", b"1", 0o666)])])

    assert split.revision == snapshot({"a": "1", "b": "2"}).revision
    assert revision_of(split.listing) == split.revision


def test_a_snapshot_tells_its_files_and_origins() -> None:
    """Two objects make one snapshot; the listing describes each file."""
    first, second = Origin("ConfigMap", "ns", "one"), Origin("Secret", "ns", "two")
    made = Snapshot([(first, [File("a", b"xyz", 0o666)]), (second, [File("d/b", b"", 0o640)])])

    assert made.origins == (first, second)
    assert [file.path for file in made.files] == ["a", "d/b"]
    assert [(path, entry.size, entry.mode) for path, entry in made.listing.items()] == [("a", 3, 0o666), ("d/b", 0, 0o640)]


def test_two_objects_that_want_one_place_are_refused() -> None:
    """The message names the path and both."""
    one, two = Origin("ConfigMap", "ns", "one"), Origin("Secret", "other", "two")
    with pytest.raises(Refused) as caught:
        Snapshot([(one, [File("key", b"", 0o666)]), (two, [File("key", b"", 0o666)])])

    assert str(caught.value) == "'key' is wanted by both ConfigMap ns/one and Secret other/two"


@pytest.mark.parametrize(("first", "second"), [("a", "a/b"), ("a/b", "a"), ("a/b", "a/b/c/d"), ("a/b/c/d", "a")])
def test_a_file_where_another_needs_a_folder_is_refused(first: str, second: str) -> None:
    """At any depth and in any order; the message names both and says which cannot be."""
    one, two = Origin("ConfigMap", "ns", "one"), Origin("ConfigMap", "ns", "two")
    with pytest.raises(Refused) as caught:
        Snapshot([(one, [File(first, b"", 0o666)]), (two, [File(second, b"", 0o666)])])

    folder, path = sorted([first, second], key=len)
    assert f"{folder!r} of ConfigMap ns/" in str(caught.value)
    assert f"cannot be a file: {path!r} of ConfigMap ns/" in str(caught.value)


def test_names_that_only_begin_alike_do_not_clash() -> None:
    """`a` and `ab/c`, `a/b` and `a.b`."""
    assert len(snapshot({"a": "", "ab/c": "", "d/b": "", "d.b": ""}).files) == 4


def test_changes_are_told_by_path_and_size() -> None:
    """Added, changed, removed; what is the same is not told."""
    old = snapshot({"same": "1", "edited": "1", "gone": "1"}).listing
    new = snapshot({"same": "1", "edited": "22", "fresh": "333"}).listing

    assert changes(old, new) == (Change("fresh", "added", 3), Change("edited", "changed", 2), Change("gone", "removed", 0))
    assert changes(new, new) == ()


def test_another_mode_is_a_change() -> None:
    """The content may be the same."""
    assert changes(snapshot({"a": "1"}).listing, snapshot({"a": "1"}, mode=0o640).listing) == (Change("a", "changed", 1),)


def test_an_entry_describes_content_without_holding_it() -> None:
    """SHA-256, size and mode."""
    entry = entry_of(File("key", b"abc", 0o640))

    assert entry == Entry(bytes.fromhex("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"), 3, 0o640)


def test_an_outcome_says_no_more_than_it_must() -> None:
    """Without changes and reason: nothing changed, and there is none to give."""
    outcome = Outcome(Revision("x"), Verdict.UNCHANGED, 0.1, ())

    assert (outcome.changed, outcome.reason) == ((), "")
