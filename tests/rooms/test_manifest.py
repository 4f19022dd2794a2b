from __future__ import annotations

from pathlib import Path

import pytest

from supervisor.errors import SourceError
from supervisor.model import Origin
from supervisor.source.manifest import ManifestSource
from tests.manifests import METADATA, NOTES

TWO = f"""
kind: ConfigMap
metadata: {{name: one, namespace: prod, annotations: {NOTES}}}
data: {{a: "1"}}
---
kind: Deployment
metadata: {{name: other}}
---
---
kind: Secret
metadata: {{name: two, annotations: {NOTES}}}
stringData: {{b: "2"}}
data: {{c: Mw==}}
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the manifest lies."""
    return tmp_path / "app.yaml"


def said(path: Path, **settings: bool) -> list[tuple[Origin, dict[str, bytes]]]:
    """The first word of the source."""
    heard = next(ManifestSource(str(path), "default", **settings).watch())
    assert not isinstance(heard, SourceError), heard
    return [(found.origin, dict(found.data)) for found in heard]


def problem(path: Path) -> str:
    """What keeps it from knowing what is wanted."""
    heard = next(ManifestSource(str(path), "default").watch())
    assert isinstance(heard, SourceError)
    return str(heard)


def test_configmaps_and_secrets_of_all_documents_count(path: Path) -> None:
    """Other kinds and empty documents do not. One without a namespace has the usual one."""
    path.write_text(TWO)

    assert said(path) == [
        (Origin("ConfigMap", "prod", "one", place=str(path)), {"a": b"1"}),
        (Origin("Secret", "default", "two", place=str(path)), {"b": b"2", "c": b"3"}),
    ]


@pytest.mark.parametrize("kind", ["List", "ConfigMapList"])
def test_items_of_a_list_count(path: Path, kind: str) -> None:
    """As `kubectl get -o yaml` writes them; also a list in a list."""
    one = f"{{kind: ConfigMap, metadata: {{name: %s, annotations: {NOTES}}}, data: {{a: x}}}}"
    path.write_text(f"kind: {kind}\nitems:\n- {one % 'a'}\n- {{kind: List, items: [{one % 'b'}]}}\n- {one % 'c'}\n")

    assert [origin.name for origin, _ in said(path)] == ["a", "b", "c"]


def test_anchors_merges_and_binaries_are_yaml_too(path: Path) -> None:
    """As people write them to repeat nothing."""
    path.write_text(
        f"kind: ConfigMap\nmetadata: {{name: a, annotations: {NOTES}}}\ndata: &all {{a: '1', b: '2'}}\n---\n"
        f"kind: List\nitems:\n"
        f"- &first {{kind: ConfigMap, metadata: {{name: b, annotations: &notes {NOTES}}}, data: &x {{a: '1'}}}}\n"
        "- {kind: ConfigMap, metadata: {name: c, annotations: *notes}, data: {<<: *x, b: '2'}}\n"
        "- {kind: Secret, metadata: {name: d, annotations: *notes}, data: {e: !!binary aGk=}}\n"
    )

    assert [data for _, data in said(path)] == [{"a": b"1", "b": b"2"}, {"a": b"1"}, {"a": b"1", "b": b"2"}, {"e": b"hi"}]


HEAD = f"kind: ConfigMap\nmetadata: {METADATA}\n"


@pytest.mark.parametrize(
    ("text", "where", "what"),
    [
        ("a: [1\nb: 2\n", "line 2, column 2", "did not find expected ',' or ']'"),
        (f"{HEAD}data:\n  a: 'canary\n", "line 5, column 1", "found unexpected end of stream"),
        (f"{HEAD}data:\n\ta: canary\n", "line 4, column 1", "found character that cannot start any token"),
        (
            f"{HEAD}data:\n  port: 8080\n",
            "line 4, column 9",
            "ConfigMap default/app: the value of 'port' is not a text: quote it",
        ),
        (f"{HEAD}data:\n  a: [canary]\n", "line 4, column 6", "ConfigMap default/app: the value of 'a' is not a text: quote it"),
        (f"{HEAD}data: [a]\n", "line 3, column 7", "ConfigMap default/app: data is not a mapping of names"),
        (f"{HEAD}data: {{1: x}}\n", "line 3, column 7", "ConfigMap default/app: data is not a mapping of names"),
        (f"{HEAD}binaryData:\n  a: canary!\n", "line 4, column 6", "ConfigMap default/app: the value of 'a' is not base64"),
        (f"kind: Secret\nmetadata: {METADATA}\ndata: {{a: canary!}}\n", "line 3, column 11", "the value of 'a' is not base64"),
        (f"{HEAD}data:\n  a: x\n  b: y\n  a: canary\n", "line 6, column 3", "the key 'a' stands twice in a mapping"),
        ("x: 1\n---\nkind: ConfigMap\ndata: {a: canary}\n", "line 3, column 1", "a ConfigMap has no name"),
        ("kind: ConfigMap\nmetadata:\n  name: 1\n  uid: canary\n", "line 3, column 3", "a ConfigMap has no name"),
        ("a: !!python/name:os.system canary\n", "line 1, column 4", "could not determine a constructor"),
        ("? [a]\n: b\n", "line 1, column 3", "found unhashable key"),
        ("[" * 5000, "line 1, column", "exceeded maximum nesting depth"),
    ],
)
def test_what_is_wrong_is_told_with_line_and_column(path: Path, text: str, where: str, what: str) -> None:
    """What the file cannot mean as well as what is no YAML. Never with the content."""
    path.write_text(text)
    message = problem(path)

    assert message.startswith(f"{path}, {where}")
    assert what in message
    assert "canary" not in message


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", " holds no ConfigMap and no Secret"),
        (b"just text", " holds no ConfigMap and no Secret"),
        (b"kind: Deployment", " holds no ConfigMap and no Secret"),
        (b"a: \xff canary", " is not YAML in UTF-8"),
        (b"\x00 canary", " is not YAML in UTF-8"),
        (b"kind: List\nitems: &x [{kind: List, items: *x}]", " holds more than 10000 objects"),
        (b"kind: List\nitems: &x [{kind: List, items: *x}, {kind: List, items: *x}]", " holds more than 10000 objects"),
    ],
)
def test_what_is_no_manifest_is_said(path: Path, content: bytes, message: str) -> None:
    """Empty, something else, or one that contains itself."""
    path.write_bytes(content)

    assert problem(path) == f"{path}{message}"


def test_a_file_that_cannot_be_read_is_said(path: Path) -> None:
    """It does not exist, or is a folder."""
    assert problem(path) == f"cannot read {path}: there is no such file"
    path.mkdir()
    assert problem(path) == f"cannot read {path}: Is a directory"


def test_a_file_that_may_be_missing_is_empty(path: Path) -> None:
    """As soon as it is there, it counts."""
    assert said(path, optional=True) == []
    path.write_text(TWO)
    assert len(said(path, optional=True)) == 2
