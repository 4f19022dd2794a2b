from __future__ import annotations

import pytest

from supervisor.errors import Refused
from supervisor.items import lay_out
from supervisor.model import Origin
from supervisor.settings import FileSettings
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
