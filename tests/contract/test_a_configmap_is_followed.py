from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from tests.contract.conftest import App
from tests.stand_ins.client import Client

StartApp = Callable[..., App]


def test_it_is_followed_through_a_hundred_changes_deletion_and_recreation(client: Client, app: StartApp, name: str) -> None:
    """The app is told of each change that it is waited for, ends at the newest value, and is told of changes only."""
    client.create("ConfigMap", "default", name, {"key": "0"})
    running = app()
    running.wait_until_started_with("0")

    for number in range(1, 101):
        client.replace("ConfigMap", "default", name, {"key": str(number)})
        if number % 10 == 0:
            running.wait_until_told(str(number))
    client.delete("ConfigMap", "default", name)
    assert "was deleted: its last content stays" in running.running.wait_for_event("source.problem")["message"]
    client.create("ConfigMap", "default", name, {"key": "100"})
    running.running.wait_for_event("source.found", times=2)
    client.replace("ConfigMap", "default", name, {"key": "101"})
    running.wait_until_told("101")

    told = running.reloads()
    assert told == sorted(told, key=int)
    assert told[-2:] == ["100", "101"]
    assert len(told) <= 101, "more signals than changes"


def test_one_that_does_not_exist_is_waited_for(client: Client, app: StartApp, name: str) -> None:
    """The log says what is missing, once, and the command starts as soon as it is there."""
    running = app()
    message = running.running.wait_for_event("source.problem")["message"]
    client.create("ConfigMap", "default", name, {"key": "first"})

    running.wait_until_started_with("first")
    assert message == f"ConfigMap default/{name} does not exist: waiting for it"
    assert len(running.running.events("source.problem")) == 1


def test_bytes_are_exact(client: Client, app: StartApp, name: str, root: Path) -> None:
    """Text and binary data, the empty one, one without a final newline, and all bytes there are."""
    every_byte = bytes(range(256)) * 40
    client.create("ConfigMap", "default", name, {"key": "k", "empty": "", "text": "ü\r\n\tend"}, {"binary": every_byte})
    app().wait_until_started_with("k")

    assert (root / "binary").read_bytes() == every_byte
    assert (root / "text").read_bytes() == "ü\r\n\tend".encode()
    assert (root / "empty").read_bytes() == b""


def test_keys_come_and_go(client: Client, app: StartApp, name: str, root: Path) -> None:
    """A key that is gone leaves no file behind; files of others stay."""
    root.mkdir()
    (root / "mine.txt").write_text("foreign")
    client.create("ConfigMap", "default", name, {"key": "1", "old": "x"})
    running = app()
    running.wait_until_started_with("1")
    client.replace("ConfigMap", "default", name, {"key": "2", "new": "y"})
    running.wait_until_told("2")

    assert sorted(path.name for path in root.iterdir() if not path.name.startswith("..")) == ["key", "mine.txt", "new"]


def test_a_change_of_labels_alone_is_no_change(client: Client, app: StartApp, name: str, root: Path) -> None:
    """Neither written nor told."""
    client.create("ConfigMap", "default", name, {"key": "1"})
    running = app()
    running.wait_until_started_with("1")
    live = os.readlink(root / "..data")
    client.replace("ConfigMap", "default", name, {"key": "1"}, labels={"team": "blue"})
    client.replace("ConfigMap", "default", name, {"key": "2"}, labels={"team": "blue"})
    running.wait_until_told("2")

    assert running.reloads() == ["2"]
    assert (root / live).is_dir(), "the generation before is kept"


def test_another_object_of_the_namespace_is_none_of_our_business(client: Client, app: StartApp, name: str) -> None:
    """Only the one object is listed and watched."""
    client.create("ConfigMap", "default", name, {"key": "1"})
    running = app()
    running.wait_until_started_with("1")
    client.create("ConfigMap", "default", f"{name}-other", {"key": "wrong"})
    client.replace("ConfigMap", "default", name, {"key": "2"})
    running.wait_until_told("2")

    assert running.reloads() == ["2"]


def test_a_mebibyte_arrives(client: Client, app: StartApp, name: str, root: Path) -> None:
    """In one line of the watch."""
    client.create("ConfigMap", "default", name, {"key": "1"})
    running = app()
    running.wait_until_started_with("1")
    large = "<ü>" * 200_000
    client.replace("ConfigMap", "default", name, {"key": "2", "large": large})
    running.wait_until_told("2")

    assert (root / "large").read_text() == large


def test_the_same_content_after_a_restart_is_not_written(client: Client, app: StartApp, name: str, root: Path) -> None:
    """What is on disk is compared with what is wanted."""
    client.create("ConfigMap", "default", name, {"key": "1"})
    first = app()
    first.wait_until_started_with("1")
    first.running.stop()
    live = os.readlink(root / "..data")
    second = app()
    second.wait_until_started_with("1")

    assert second.running.wait_for_event("config.unchanged")["changed"] == []
    assert os.readlink(root / "..data") == live
