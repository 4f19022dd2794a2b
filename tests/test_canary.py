"""Every ConfigMap and Secret that a test writes by hand holds the canary; those of the shared helpers do anyway."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

FILES = sorted({*Path(__file__).parent.rglob("*.py")} - {Path(__file__)})
# An object in YAML, or in JSON; and what puts a canary into it.
WRITTEN = re.compile(r"kind['\"]?: ?['\"]?(ConfigMap|Secret)\b")
MARK = re.compile(r"canary|CANARY|LAST_APPLIED|METADATA|NOTES|\*notes")


def without_canary(text: str) -> list[int]:
    """The lines of a module where an object begins in which there is no canary."""
    return sorted(part.lineno for part in _written(ast.parse(text)) if _objects(part) > len(MARK.findall(ast.unparse(part))))


def _written(node: ast.AST) -> Iterator[ast.expr]:
    """Texts and mappings, the outermost ones: sums and templates of texts as a whole."""
    if isinstance(node, (ast.Constant, ast.JoinedStr, ast.BinOp, ast.Dict)):
        yield node
    else:
        for below in ast.iter_child_nodes(node):
            yield from _written(below)


def _objects(node: ast.expr) -> int:
    """How many ConfigMaps and Secrets are in it, by their kind; in a mapping only beside metadata: an origin has a kind too."""
    whole = ast.unparse(node)
    return len(WRITTEN.findall(whole)) if not isinstance(node, ast.Dict) or "'metadata'" in whole else 0


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(FILES[0].parent)))
def test_no_object_is_without_it(file: Path) -> None:
    """Where the test is of a text that a canary would spoil, it takes the place of a value."""
    assert without_canary(file.read_text()) == []


@pytest.mark.parametrize(
    "text",
    [
        'a = "kind: ConfigMap\\nmetadata: {name: a}\\n"',
        'a = f"kind: Secret\\nmetadata: {{name: {name}}}\\n"',
        'put("kind: ConfigMap\\n" f"metadata: {METADATA}\\n---\\nkind: Secret\\nmetadata: {{name: b}}\\n")',
        'a = b\'{"object": {"kind": "ConfigMap", "metadata": {"name": "%s"}}}\' % name',
        'a = {"kind": "ConfigMap", "metadata": {"name": "app"}, "data": data}',
        'a = {"items": [{"kind": "Secret", "metadata": {"name": "app"}}]}',
        '@pytest.mark.parametrize("text", ["kind: ConfigMap"])\ndef test(): ...',
    ],
)
def test_one_without_it_is_seen(text: str) -> None:
    """In YAML and JSON, as a text, bytes, a template, a mapping; one of two."""
    assert without_canary(text) == [1]


@pytest.mark.parametrize(
    "text",
    [
        'a = f"kind: Secret\\nmetadata: {METADATA}\\n"',
        'a = {"kind": "ConfigMap", "metadata": {"name": "app", "annotations": LAST_APPLIED}, "data": data}',
        'a = "kind: ConfigMap\\ndata: [canary"',
        'a = "kind: Deployment\\nmetadata: {name: a}\\n"',
        'assert origin == {"kind": "ConfigMap", "namespace": "default", "name": "app"}',
    ],
)
def test_the_others_are_left_alone(text: str) -> None:
    """Those with it, other kinds, and what only names an object."""
    assert without_canary(text) == []
