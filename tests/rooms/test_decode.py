from __future__ import annotations

from typing import Any

import pytest

from supervisor.errors import SourceError
from supervisor.model import Origin
from supervisor.source.decode import config_object

APP = {"name": "app", "namespace": "prod", "resourceVersion": "42"}


def test_a_configmap_is_its_data() -> None:
    """Texts in UTF-8, and where they come from."""
    found = config_object("ConfigMap", {"metadata": APP, "data": {"a": "grün", "empty": ""}})

    assert found.origin == Origin("ConfigMap", "prod", "app", "42")
    assert found.data == {"a": "grün".encode(), "empty": b""}


def test_binary_data_is_base64() -> None:
    """As the API writes it, beside the texts."""
    found = config_object("ConfigMap", {"metadata": APP, "data": {"a": "1"}, "binaryData": {"b": "AP8="}})

    assert found.data == {"a": b"1", "b": b"\0\xff"}


def test_a_secret_is_base64() -> None:
    """Also where an editor has broken the lines."""
    found = config_object("Secret", {"metadata": APP, "data": {"a": "c2Vj\n  cmV0\n", "empty": ""}})

    assert found.data == {"a": b"secret", "empty": b""}


def test_string_data_of_a_secret_is_plain_and_wins() -> None:
    """As the API server does it when a Secret is written."""
    found = config_object("Secret", {"metadata": APP, "data": {"a": "b2xk", "b": "Yg=="}, "stringData": {"a": "new"}})

    assert found.data == {"a": b"new", "b": b"b"}


def test_binary_values_of_yaml_are_taken_as_they_are() -> None:
    """`!!binary` was decoded by the reader of the file."""
    assert config_object("Secret", {"metadata": APP, "data": {"a": b"\0\xff"}}).data == {"a": b"\0\xff"}


@pytest.mark.parametrize("nothing", [{}, {"data": None}, {"data": {}, "binaryData": None}])
def test_an_object_without_data_is_empty(nothing: dict[str, Any]) -> None:
    """Go writes null for nothing, or nothing at all."""
    assert config_object("ConfigMap", {"metadata": APP, **nothing}).data == {}


def test_an_object_without_namespace_gets_the_default() -> None:
    """In a file nobody has to write one; and it has no version."""
    written = {"metadata": {"name": "app"}}

    assert config_object("Secret", written).origin == Origin("Secret", "", "app", "")
    assert config_object("Secret", written, "here").origin == Origin("Secret", "here", "app", "")


def test_what_belongs_to_the_other_kind_is_not_read() -> None:
    """The `stringData` of a ConfigMap and the `binaryData` of a Secret mean nothing to the API either."""
    assert config_object("ConfigMap", {"metadata": APP, "stringData": {"a": "1"}}).data == {}
    assert config_object("Secret", {"metadata": APP, "binaryData": {"a": "1"}}).data == {}


@pytest.mark.parametrize(
    ("kind", "written", "message"),
    [
        ("ConfigMap", {}, "a ConfigMap has no name"),
        ("Secret", {"metadata": {}}, "a Secret has no name"),
        ("Secret", {"metadata": {"name": ""}}, "a Secret has no name"),
        ("Secret", {"metadata": {"name": 7}}, "a Secret has no name"),
        ("ConfigMap", {"metadata": "canary"}, "ConfigMap: metadata is not a mapping of names"),
        ("ConfigMap", {"metadata": APP, "data": "canary"}, "ConfigMap prod/app: data is not a mapping of names"),
        ("ConfigMap", {"metadata": APP, "data": ["canary"]}, "ConfigMap prod/app: data is not a mapping of names"),
        ("ConfigMap", {"metadata": APP, "data": {True: "canary"}}, "ConfigMap prod/app: data is not a mapping of names"),
        ("ConfigMap", {"metadata": APP, "data": {"a": 1}}, "ConfigMap prod/app: the value of 'a' is not a text: quote it"),
        ("ConfigMap", {"metadata": APP, "data": {"a": None}}, "ConfigMap prod/app: the value of 'a' is not a text: quote it"),
        (
            "ConfigMap",
            {"metadata": APP, "data": {"a": ["canary"]}},
            "ConfigMap prod/app: the value of 'a' is not a text: quote it",
        ),
        ("Secret", {"metadata": APP, "stringData": {"a": True}}, "Secret prod/app: the value of 'a' is not a text: quote it"),
        ("Secret", {"metadata": APP, "data": {"a": "canary!"}}, "Secret prod/app: the value of 'a' is not base64"),
        ("Secret", {"metadata": APP, "data": {"a": "canar"}}, "Secret prod/app: the value of 'a' is not base64"),
        ("Secret", {"metadata": APP, "data": {"a": "canarÿ=="}}, "Secret prod/app: the value of 'a' is not base64"),
        ("Secret", {"metadata": APP, "data": {"a": 17}}, "Secret prod/app: the value of 'a' is not base64"),
        ("ConfigMap", {"metadata": APP, "binaryData": {"a": {}}}, "ConfigMap prod/app: the value of 'a' is not base64"),
    ],
)
def test_what_cannot_be_decoded_is_named_and_not_shown(kind: str, written: dict[str, Any], message: str) -> None:
    """The object, the key and what is wrong; never the value, also not as the cause that a traceback would print."""
    with pytest.raises(SourceError) as caught:
        config_object(kind, written)

    assert str(caught.value) == message
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
