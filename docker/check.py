"""Import all that the bundled program imports anywhere, late imports too. Run by the bundle's own Python, in an empty image."""

from __future__ import annotations

import ast
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import supervisor

if TYPE_CHECKING:
    from collections.abc import Iterator


def main() -> None:
    """Leave with 1 and the names of what is missing."""
    modules = sorted(
        {name for path in Path(supervisor.__path__[0]).rglob("*.py") for name in imported(ast.parse(path.read_text()))}
    )
    missing = [f"{name}: {problem}" for name in modules if (problem := problem_of(name))]
    print(f"{len(modules)} names are imported by the program", *missing, sep="\n")
    sys.exit(bool(missing))


def imported(node: ast.AST) -> Iterator[str]:
    """The names that are imported below a node when the program runs; `a:b` for the name b of module a."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    if isinstance(node, ast.ImportFrom):
        yield from (f"{node.module}:{alias.name}" for alias in node.names)
    if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        return
    for child in ast.iter_child_nodes(node):
        yield from imported(child)


def problem_of(name: str) -> str:
    """Why something cannot be imported; empty if it can."""
    module, _, member = name.partition(":")
    try:
        found = import_module(module)
        if member and not hasattr(found, member):
            import_module(f"{module}.{member}")
    except Exception as error:  # whatever it is, it is the answer
        return f"{type(error).__name__}: {error}"
    return ""


if __name__ == "__main__":
    main()
