from __future__ import annotations

import gzip
import os
from dataclasses import replace
from typing import Any

import pytest

from supervisor.errors import Refused
from supervisor.items import lay_out
from supervisor.model import ConfigObject, Origin
from supervisor.settings import FileSettings, Item, ObjectName
from tests.rooms.building import wanted

CONFIGMAP, SECRET = Origin("ConfigMap", "ns", "one", "7"), Origin("Secret", "ns", "two", "8")


def test_each_key_is_a_file_of_that_name() -> None:
    """With the object's bytes, as they are."""
    made = lay_out([wanted({"a.conf": "1", "rules.d/b": b"\xff\0"}, CONFIGMAP)], FileSettings())

    assert {file.path: file.content for file in made.files} == {"a.conf": b"1", "rules.d/b": b"\xff\0"}


def test_secrets_have_a_mode_of_their_own() -> None:
    """As the settings say, for each kind."""
    objects = [wanted({"a": ""}, CONFIGMAP), wanted({"b": ""}, SECRET)]

    assert {file.path: file.mode for file in lay_out(objects, FileSettings()).files} == {"a": 0o666, "b": 0o640}
    settings = FileSettings(mode=0o604, secret_mode=0o600)
    assert {file.path: file.mode for file in lay_out(objects, settings).files} == {"a": 0o604, "b": 0o600}


def test_origins_are_kept_in_order() -> None:
    """Also of an object that holds nothing."""
    assert lay_out([wanted({}, SECRET), wanted({"a": ""}, CONFIGMAP)], FileSettings()).origins == (SECRET, CONFIGMAP)


def test_no_objects_are_an_empty_folder() -> None:
    """Which is a revision like any other."""
    assert lay_out([], FileSettings()).files == ()


@pytest.mark.parametrize("key", ["../../etc/passwd", "/etc/passwd", "..data", "", "a/../b"])
def test_a_key_that_leads_elsewhere_is_refused(key: str) -> None:
    """And all that comes with it: a revision is whole or not at all."""
    with pytest.raises(Refused, match="cannot be a file name"):
        lay_out([wanted({"fine": "", key: ""}, CONFIGMAP)], FileSettings())


def test_one_key_in_two_objects_is_refused() -> None:
    """Naming both."""
    with pytest.raises(Refused, match="'a' is wanted by both ConfigMap ns/one and Secret ns/two"):
        lay_out([wanted({"a": "1"}, CONFIGMAP), wanted({"a": "1"}, SECRET)], FileSettings())


def test_no_message_holds_content() -> None:
    """Whatever is refused, and why."""
    with pytest.raises(Refused) as caught:
        lay_out([wanted({"a": "canary", "a/b": "canary"}, SECRET)], FileSettings())

    assert "canary" not in str(caught.value)


# --- names onto paths


def paths(*objects: ConfigObject, **settings: Any) -> dict[str, bytes]:
    """The paths and contents of these objects."""
    return {file.path: file.content for file in lay_out(objects, FileSettings(**settings)).files}


ONE, TWO = ObjectName("ns", "one"), ObjectName("ns", "two")


def test_items_are_the_only_keys_that_are_wanted() -> None:
    """At their paths; a key may stand at two of them."""
    found = wanted({"a": "1", "b": "2", "c": "3"}, CONFIGMAP)
    items = (Item(None, "a", "x/y.conf"), Item(None, "b", "z"), Item(None, "a", "again"))

    assert paths(found, items=items) == {"x/y.conf": b"1", "z": b"2", "again": b"1"}


def test_an_item_of_one_object_leaves_the_others_whole() -> None:
    """Which are named by the template."""
    objects = wanted({"a": "1", "b": "2"}, CONFIGMAP), wanted({"a": "3"}, SECRET)

    assert paths(*objects, items=(Item(ONE, "a", "x"),), template="{name}/{key}") == {"x": b"1", "two/a": b"3"}


def test_an_item_without_object_means_all_of_them() -> None:
    """Each needs only one that has the key."""
    objects = wanted({"a": "1", "b": "2"}, CONFIGMAP), wanted({"c": "3", "b": "4"}, SECRET)

    assert paths(*objects, items=(Item(None, "a", "x"), Item(None, "c", "y"))) == {"x": b"1", "y": b"3"}


def test_an_item_of_another_namespace_means_another_object() -> None:
    """A folder has none, and is meant by its name alone."""
    folder = Origin("Folder", "", "one", place="/etc/one")
    item = Item(ObjectName("elsewhere", "one"), "a", "x")

    assert paths(wanted({"a": "1"}, CONFIGMAP), items=(item,), items_optional=True) == {"a": b"1"}
    assert paths(wanted({"a": "1"}, folder), items=(item,)) == {"x": b"1"}


def test_an_item_whose_key_does_not_exist_is_refused() -> None:
    """All of them are named; unless they are optional."""
    items = (Item(None, "a", "x"), Item(ONE, "b", "y"), Item(TWO, "a", "z"))
    found = wanted({"a": "1"}, CONFIGMAP)

    with pytest.raises(Refused) as caught:
        paths(found, items=items)
    assert str(caught.value) == "there is no such key: --item=ns/one:b=y, --item=ns/two:a=z"
    assert paths(found, items=items, items_optional=True) == {"x": b"1"}


@pytest.mark.parametrize(
    ("template", "path"),
    [
        ("{key}", "app.conf"),
        ("{namespace}/{name}/{key}", "ns/one/app.conf"),
        ("conf.d/{name}-{key}", "conf.d/one-app.conf"),
        ("{name}.conf", "one.conf"),
        ("{key}/{key}", "app.conf/app.conf"),
    ],
)
def test_a_template_gives_the_path(template: str, path: str) -> None:
    """From namespace, name and key of the object."""
    assert paths(wanted({"app.conf": "1"}, CONFIGMAP), template=template) == {path: b"1"}


def test_a_key_is_not_taken_for_a_part_of_the_template() -> None:
    """Files of a folder may have any name."""
    assert paths(wanted({"{name}": "1"}, CONFIGMAP), template="{name}/{key}") == {"one/{name}": b"1"}


def test_text_in_keys_can_stand_for_a_slash() -> None:
    """Wherever it stands, but not in the path of an item."""
    found = wanted({"rules.d__a__b.yml": "1", "c": "2"}, CONFIGMAP)

    assert paths(found, key_separator="__") == {"rules.d/a/b.yml": b"1", "c": b"2"}
    assert paths(found, key_separator="__", items=(Item(None, "rules.d__a__b.yml", "x__y"),)) == {"x__y": b"1"}


@pytest.mark.parametrize("key", ["__a", "a__", "a____b", "__..__a", "a__.__b"])
def test_a_separator_leads_nowhere_else(key: str) -> None:
    """What it makes of a key is a path like any other."""
    with pytest.raises(Refused, match=r"ConfigMap ns/one: .* cannot be a file name"):
        paths(wanted({key: "1"}, CONFIGMAP), key_separator="__")


@pytest.mark.parametrize(
    ("data", "settings", "message"),
    [
        ({"a": "1", "a.gz": gzip.compress(b"2", mtime=0)}, {"gunzip": True}, "'a' is wanted by two keys of ConfigMap ns/one"),
        ({"a": "1", "b": "2"}, {"template": "x"}, "'x' is wanted by two keys of ConfigMap ns/one"),
        ({"a": "1", "a__b": "2"}, {"key_separator": "__"}, "'a' of ConfigMap ns/one cannot be a file: 'a/b' of ConfigMap ns/one"),
        ({"a": "1"}, {"items": (Item(None, "a", "x"), Item(None, "a", "x/y"))}, "'x' of ConfigMap ns/one cannot be a file"),
    ],
)
def test_two_keys_that_want_one_place_are_refused(data: dict[str, str], settings: dict[str, Any], message: str) -> None:
    """Also if only the settings bring them there."""
    with pytest.raises(Refused) as caught:
        paths(wanted(data, CONFIGMAP), **settings)

    assert str(caught.value).startswith(message)


def test_an_object_that_two_sources_have_found_counts_once() -> None:
    """One by its name and one by its labels. Of the first source, until the other has heard of the same."""
    old, new = CONFIGMAP, replace(CONFIGMAP, version="8")

    assert paths(wanted({"a": "1"}, old), wanted({"a": "2"}, new)) == {"a": b"1"}
    assert len(lay_out([wanted({"a": "1"}, old), wanted({"a": "2"}, new)], FileSettings()).origins) == 1


def test_an_object_that_two_files_hold_is_refused() -> None:
    """Nobody knows which of them is meant; both files are named."""
    first, second = (Origin("ConfigMap", "ns", "one", place=place) for place in ("/a.yaml", "/b.yaml"))
    with pytest.raises(Refused, match=r"'a' is wanted by both ConfigMap ns/one \(/a.yaml\) and ConfigMap ns/one \(/b.yaml\)"):
        paths(wanted({"a": "1"}, first), wanted({"a": "1"}, second))


# --- contents


def test_what_is_packed_is_unpacked_and_loses_its_ending() -> None:
    """If that is asked for; at the path of an item it stands as that says."""
    packed = gzip.compress(b"\xff unpacked")
    found = wanted({"a.gz": packed, "b.d__c.gz": packed, "gz": "1"}, CONFIGMAP)

    assert paths(found) == {"a.gz": packed, "b.d__c.gz": packed, "gz": b"1"}
    unpacked = b"\xff unpacked"
    assert paths(found, gunzip=True, key_separator="__") == {"a": unpacked, "b.d/c": unpacked, "gz": b"1"}
    assert paths(found, gunzip=True, items=(Item(None, "a.gz", "x.gz"),)) == {"x.gz": unpacked}


def test_the_revision_is_that_of_the_unpacked_bytes() -> None:
    """Packed anew, with another time in its head, it is the same content."""
    first, second = (wanted({"a.gz": gzip.compress(b"1", mtime=time)}, CONFIGMAP) for time in (1, 2))
    settings = FileSettings(gunzip=True)

    assert lay_out([first], settings).revision == lay_out([second], settings).revision
    assert lay_out([first], FileSettings()).revision != lay_out([second], FileSettings()).revision


def test_all_that_is_unpacked_counts_for_the_limit() -> None:
    """A bomb may be in many parts."""
    packed = gzip.compress(b"\0" * (20 * 2**20))
    objects = [wanted({f"{number}.gz": packed for number in range(2)}, Origin("ConfigMap", "ns", name)) for name in ("a", "b")]

    assert len(lay_out(objects[:1], FileSettings(gunzip=True)).files) == 2
    with pytest.raises(Refused, match=r"ConfigMap ns/b: '1.gz': unpacked, the files of this revision are larger than 64 MiB"):
        lay_out(
            [wanted(dict(one.data), replace(one.origin)) for one in objects], FileSettings(gunzip=True, template="{name}/{key}")
        )


def test_a_key_that_cannot_be_unpacked_is_named() -> None:
    """And the object."""
    with pytest.raises(Refused, match=r"^Secret ns/two: 'a.gz': it is not a gzip file, or is damaged$"):
        paths(wanted({"a.gz": "canary"}, SECRET), gunzip=True)


def test_variables_are_expanded_in_texts_of_all_objects() -> None:
    """Also in what was unpacked."""
    found = wanted({"a": "$(A)", "b.gz": gzip.compress(b"$(A)"), "c": b"\0$(A)"}, CONFIGMAP)

    assert paths(found, gunzip=True, expand={"A": "1"}) == {"a": b"1", "b": b"1", "c": b"\0$(A)"}
    with pytest.raises(Refused, match=r"ConfigMap ns/one: 'a': \$\(A\) in line 1 is not set in the environment"):
        paths(found, expand={})
    with pytest.raises(Refused, match=r"Secret ns/two: 'a': \$\(…\) in line 1"):
        paths(wanted({"a": "$(A)"}, SECRET), expand={})


@pytest.mark.parametrize("content", ["", "no newline", "\r\n\ufeff", os.urandom(1000), b"x" * 2**20])
def test_bytes_are_exact_otherwise(content: str | bytes) -> None:
    """Whatever they are; with all settings that do not concern them."""
    expected = content.encode() if isinstance(content, str) else content

    assert paths(wanted({"a": content}, CONFIGMAP)) == {"a": expected}
    assert paths(wanted({"a": content}, CONFIGMAP), gunzip=True, key_separator="__") == {"a": expected}


def test_five_hundred_keys_are_no_matter() -> None:
    """Each is a file."""
    assert len(paths(wanted({f"key{number}": "" for number in range(500)}, CONFIGMAP))) == 500
