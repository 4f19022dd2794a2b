from __future__ import annotations

import os
from pathlib import Path

import pytest

from supervisor.errors import SourceError
from supervisor.model import Origin
from supervisor.source.folder import FolderSource
from tests.rooms.building import within
from tests.stand_ins.kubelet import Mount


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """The folder that is watched."""
    (tmp_path / "conf").mkdir()
    return tmp_path / "conf"


def said(place: Path, **settings: bool) -> dict[str, bytes]:
    """What the first word of the source holds, by key."""
    heard = within(lambda: next(FolderSource(str(place), **settings).watch()))
    assert not isinstance(heard, SourceError), heard
    (found,) = heard
    assert found.origin == Origin("Folder", "", place.name, place=str(place))
    return dict(found.data)


def problem(place: Path) -> str:
    """What keeps it from knowing what is wanted."""
    heard = within(lambda: next(FolderSource(str(place)).watch()))
    assert isinstance(heard, SourceError)
    return str(heard)


def test_paths_below_it_are_keys(place: Path) -> None:
    """With the bytes of each file; hidden ones too, but not those that begin with two dots."""
    (place / "d/e").mkdir(parents=True)
    (place / "empty").mkdir()
    for path in ("a", ".b", "d/c", "d/e/f", "..g", "d/..h"):
        (place / path).write_bytes(path.encode() + b"\xff")

    assert said(place) == {path: path.encode() + b"\xff" for path in ("a", ".b", "d/c", "d/e/f")}


def test_an_empty_folder_holds_nothing(place: Path) -> None:
    """Which is a word, and no problem."""
    assert said(place) == {}


def test_a_mounted_configmap_is_read_through_its_link(place: Path) -> None:
    """Its names, each once, also in a folder of folders."""
    Mount(place / "one").write({"a": "1", "d/b": "2"})
    Mount(place / "two").write({"a": "3"})
    (place / "c").write_text("4")

    assert said(place / "one") == {"a": b"1", "d/b": b"2"}
    assert said(place) == {"one/a": b"1", "one/d/b": b"2", "two/a": b"3", "c": b"4"}


def test_a_mounted_configmap_is_one_revision_while_it_changes(place: Path) -> None:
    """Between the exchange of its link and the new names, the names say nothing: only the link does."""
    mount = Mount(place)
    mount.write({"old": "1", "both": "1"})
    (place / "..new").mkdir()
    (place / "..new/both").write_text("2")
    (place / "..new/new").write_text("2")
    (place / "..link").symlink_to("..new")
    (place / "..link").rename(place / "..data")

    assert said(place) == {"both": b"2", "new": b"2"}


def test_links_are_followed(tmp_path: Path, place: Path) -> None:
    """To files and folders, inside and outside; those that lead nowhere or in a circle hold nothing."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/x").write_text("x")
    (place / "file").symlink_to(tmp_path / "outside/x")
    (place / "folder").symlink_to("../outside")
    (place / "again").symlink_to("folder")
    (place / "nowhere").symlink_to("no/such/file")
    (place / "self").symlink_to("self")
    (place / "up").symlink_to(".")
    (tmp_path / "outside/back").symlink_to(place)

    assert said(place) == {"file": b"x", "folder/x": b"x", "again/x": b"x"}


def test_what_is_no_plain_file_is_left_out(place: Path) -> None:
    """To read a pipe would wait for ever, and a device has no end."""
    os.mkfifo(place / "pipe")
    (place / "device").symlink_to("/dev/zero")
    (place / "file").write_text("1")

    assert said(place) == {"file": b"1"}


def test_a_folder_that_is_missing_is_waited_for_unless_it_is_optional(tmp_path: Path) -> None:
    """A file at its place is something else."""
    assert problem(tmp_path / "conf") == f"folder {tmp_path}/conf does not exist: waiting for it"
    assert said(tmp_path / "conf", optional=True) == {}
    (tmp_path / "conf").touch()
    assert problem(tmp_path / "conf") == f"cannot read {tmp_path}/conf: Not a directory"


def test_a_folder_that_is_too_large_is_said(place: Path) -> None:
    """Somebody watches the wrong one: it shall not fill the memory."""
    (place / "large").write_text("")
    os.truncate(place / "large", 2**40)

    assert problem(place) == f"{place}/large: there are more than 256 MiB or 10000 files in that folder"
