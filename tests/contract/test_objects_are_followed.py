from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.contract.conftest import App, Watched
from tests.running import eventually
from tests.stand_ins.api import StandInApi
from tests.stand_ins.client import Api, Client, path_of

Follow = Callable[..., App]
by_name = pytest.mark.parametrize("watched", ["ConfigMap", "Secret"], indirect=True)
by_label = pytest.mark.parametrize("watched", ["ConfigMap by label", "Secret by label"], indirect=True)


@by_name
def test_one_that_is_named_is_followed_through_a_hundred_changes_deletion_and_recreation(
    watched: Watched, follow: Follow
) -> None:
    """The app is told of each change that it is waited for, ends at the newest value, and is told of changes only."""
    watched.create({"key": "0"})
    running = follow()
    running.wait_until_started_with("0")

    for number in range(1, 101):
        watched.replace({"key": str(number)})
        if number % 10 == 0:
            running.wait_until_told(str(number))
    watched.delete()
    assert "was deleted: its last content stays" in running.running.wait_for_event("source.problem")["message"]
    watched.create({"key": "100"})
    running.running.wait_for_event("source.found", times=2)
    watched.replace({"key": "101"})
    running.wait_until_told("101")

    told = running.reloads()
    assert told == sorted(told, key=int)
    assert told[-2:] == ["100", "101"]
    assert len(told) <= 101, "more signals than changes"


@by_name
def test_one_that_does_not_exist_is_waited_for(watched: Watched, follow: Follow) -> None:
    """The log says what is missing, once, and the command starts as soon as it is there."""
    running = follow()
    message = running.running.wait_for_event("source.problem")["message"]
    watched.create({"key": "first"})

    running.wait_until_started_with("first")
    assert message == f"{watched.kind} default/{watched.name} does not exist: waiting for it"
    assert len(running.running.events("source.problem")) == 1


def test_bytes_are_exact(watched: Watched, follow: Follow, root: Path) -> None:
    """Text and binary data, the empty one, one without a final newline, and all bytes there are."""
    every_byte = bytes(range(256)) * 40
    watched.create({"key": "k", "empty": "", "text": "ü\r\n\tend"}, {"binary": every_byte})
    follow().wait_until_started_with("k")

    assert (root / "binary").read_bytes() == every_byte
    assert (root / "text").read_bytes() == "ü\r\n\tend".encode()
    assert (root / "empty").read_bytes() == b""


def test_keys_come_and_go(watched: Watched, follow: Follow, root: Path) -> None:
    """A key that is gone leaves no file behind; files of others stay."""
    root.mkdir()
    (root / "mine.txt").write_text("foreign")
    watched.create({"key": "1", "old": "x"})
    running = follow()
    running.wait_until_started_with("1")
    watched.replace({"key": "2", "new": "y"})
    running.wait_until_told("2")

    assert sorted(path.name for path in root.iterdir() if not path.name.startswith("..")) == ["key", "mine.txt", "new"]


def test_a_change_of_labels_alone_is_no_change(watched: Watched, follow: Follow, root: Path) -> None:
    """Neither written nor told."""
    watched.create({"key": "1"})
    running = follow()
    running.wait_until_started_with("1")
    live = os.readlink(root / "..data")
    watched.replace({"key": "1"}, labels={"team": "blue"})
    watched.replace({"key": "2"}, labels={"team": "blue"})
    running.wait_until_told("2")

    assert running.reloads() == ["2"]
    assert (root / live).is_dir(), "the generation before is kept"


def test_another_object_of_the_namespace_is_none_of_our_business(client: Client, watched: Watched, follow: Follow) -> None:
    """Only what is named or has the label is listed and watched."""
    watched.create({"key": "1"})
    running = follow()
    running.wait_until_started_with("1")
    client.create(watched.kind, "default", f"{watched.name}-other", {"key": "wrong"})
    watched.replace({"key": "2"})
    running.wait_until_told("2")

    assert running.reloads() == ["2"]


def test_a_mebibyte_arrives(watched: Watched, follow: Follow, root: Path) -> None:
    """In one line of the watch."""
    watched.create({"key": "1"})
    running = follow()
    running.wait_until_started_with("1")
    large = "<ü>" * 200_000
    watched.replace({"key": "2", "large": large})
    running.wait_until_told("2")

    assert (root / "large").read_text() == large


def test_the_same_content_after_a_restart_is_not_written(watched: Watched, follow: Follow, root: Path) -> None:
    """What is on disk is compared with what is wanted."""
    watched.create({"key": "1"})
    first = follow()
    first.wait_until_started_with("1")
    first.running.stop()
    live = os.readlink(root / "..data")
    second = follow()
    second.wait_until_started_with("1")

    assert second.running.wait_for_event("config.unchanged")["changed"] == []
    assert os.readlink(root / "..data") == live


# --- by label


@by_label
def test_objects_come_change_lose_the_label_and_go(client: Client, watched: Watched, follow: Follow, root: Path) -> None:
    """The folder is what those with the label hold, at each moment; none is listed again for it."""
    labels, others = {"app.example.com/name": watched.name}, [f"{watched.name}-{letter}" for letter in "abc"]
    watched.create({"key": "1"})
    running = follow()
    running.wait_until_started_with("1")
    for number, name in enumerate(others):
        client.create(watched.kind, "default", name, {f"file{number}": "1"}, labels=labels)
    client.replace(watched.kind, "default", others[0], {"file0": "2"}, labels=labels)
    client.replace(watched.kind, "default", others[1], {"file1": "1"})  # loses the label
    client.delete(watched.kind, "default", others[2])
    watched.replace({"key": "2"})
    running.wait_until_told("2")

    eventually(lambda: names_in(root) == ["file0", "key"], "two of them are left")
    assert (root / "file0").read_text() == "2"
    client.replace(watched.kind, "default", others[1], {"file1": "3"}, labels=labels)  # has it again
    eventually(lambda: names_in(root) == ["file0", "file1", "key"], "it is back")


@by_label
def test_when_the_last_one_goes_the_folder_is_empty(watched: Watched, follow: Follow, root: Path) -> None:
    """The log says so; and it is not the end."""
    watched.create({"key": "1"})
    running = follow("--reload-none")
    running.wait_until_started_with("1")
    watched.delete()
    eventually(lambda: names_in(root) == [], "nothing is left")
    watched.create({"key": "2"})
    eventually(lambda: names_in(root) == ["key"], "it is back")

    problem = running.running.wait_for_event("source.problem")["message"]
    assert problem.startswith(f"no {watched.kind} has the labels of {watched.kind}s default/{watched.selector} any more")


@by_label
def test_none_at_all_is_a_state_too(watched: Watched, follow: Follow) -> None:
    """The command starts, for nobody knows whether there will ever be one; the log says that there is none."""
    running = follow()
    running.running.out.wait_for("^started nothing$")
    watched.create({"key": "1"})
    running.wait_until_told("1")

    assert "has the labels of" in running.running.wait_for_event("source.problem")["message"]


@by_label
def test_more_than_a_page_of_them(client: Client, api: Api, watched: Watched, follow: Follow, root: Path) -> None:
    """501 objects come in two pages; the change of one is no reason to list them again."""
    labels = {"app.example.com/name": watched.name}
    for number in range(501):
        client.create(
            watched.kind, "default", f"{watched.name}-{number}", {"key" if number == 0 else f"file{number}": "1"}, labels=labels
        )
    running = follow()
    running.wait_until_started_with("1")
    assert len(names_in(root)) == 501
    if isinstance(api, StandInApi):
        api.requests.clear()
    client.replace(watched.kind, "default", f"{watched.name}-0", {"key": "2"}, labels=labels)
    running.wait_until_told("2")

    assert len(names_in(root)) == 501
    if isinstance(api, StandInApi):
        assert [request.path for request in api.requests if request.method == "GET"] == []
    else:  # it lives on
        client.request("DELETE", f"{path_of(watched.kind, 'default')}?labelSelector={watched.selector}")


# --- what does not exist


@by_name
def test_what_does_not_exist_is_empty_if_it_is_optional(watched: Watched, follow: Follow, root: Path) -> None:
    """At the start, and when it is deleted later."""
    running = follow("--optional")
    running.running.out.wait_for("^started nothing$")
    watched.create({"key": "1"})
    running.wait_until_told("1")
    watched.delete()

    eventually(lambda: names_in(root) == [], "nothing is left")


def names_in(root: Path) -> list[str]:
    """The names in a folder that are not hidden."""
    return sorted(path.name for path in root.iterdir() if not path.name.startswith(".."))
