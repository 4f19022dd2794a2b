"""Which modules belong into the bundle: all that the program imports, at its start or late, and all that these import."""

from __future__ import annotations

import pkgutil
from fnmatch import fnmatchcase
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.metadata import distributions
from modulefinder import ModuleFinder
from pathlib import Path
from typing import Any

# Imports that stand in the code and are not made by this program, with all below them (`a.*`: only those). That nothing of
# it is missed is seen by check.py, while the image is built, and by the tests that run against the bundle.
NEVER = {
    "kubernetes.aio": "its asyncio half; we use threads",
    "kubernetes.client.api.*": "generated calls; we call paths",
    "kubernetes.client.models.*": "generated classes for their answers; we read JSON",
    "test": "Python's own tests, by multiprocessing",
    "doctest": "by heapq and others when they are run as programs",
    "unittest": "by doctest",
    "pdb": "a debugger needs a terminal and sources",
    "pydoc_data": "pydoc's texts on Python",
    "tkinter": "windows",
    "curses": "full-screen terminals, by pydoc",
    "readline": "the interpreter's prompt",
    "idlelib": "an editor",
    "ensurepip": "nothing is installed here",
    "psutil.tests": "tests",
    "psutil._psaix": "another system, as the next ones",
    "psutil._psbsd": "",
    "psutil._psosx": "",
    "psutil._pssunos": "",
    "psutil._pswindows": "",
}
# Imports that no bytecode shows.
ALSO = [
    "os",  # the landmark by which Python finds its library
    "certifi",  # the authorities for images that have none
    # by name, at Python's start or by socket (idna), json and yaml (Unicode's), zipfile (cp437)
    *(f"encodings.{name}" for name in ("aliases", "ascii", "cp437", "idna", "latin_1", "punycode", "raw_unicode_escape")),
    *(f"encodings.{name}" for name in ("unicode_escape", "utf_16", "utf_16_be", "utf_16_le", "utf_32", "utf_8", "utf_8_sig")),
]
DATA = ["certifi/cacert.pem"]


def find_modules(path: list[Path]) -> list[Path]:
    """The files of all modules that belong into the bundle, found by reading bytecode; nothing is run."""
    finder = _Finder([str(folder) for folder in path])
    supervisor = [module.name for module in pkgutil.walk_packages([str(path[0] / "supervisor")], "supervisor.")]
    # pydoc, which the kubernetes library imports, asks sysconfig, and that reads a module whose name tells the system.
    build = [file.stem for folder in path for file in folder.glob("_sysconfigdata_*.py")]
    for name in [*supervisor, *build, *ALSO]:
        finder.import_hook(name)
    files = [getattr(module, "__file__", None) for module in finder.modules.values()]
    return sorted(Path(file) for file in files if file and Path(file).exists())


class _Finder(ModuleFinder):
    """Finds the imports of a program, those of functions too, but for those in NEVER."""

    def find_module(self, name: str, path: Any, parent: Any = None) -> Any:
        full = f"{parent.__name__}.{name}" if parent is not None else name
        if any(fnmatchcase(full, never) or fnmatchcase(full, f"{never}.*") for never in NEVER):
            raise ImportError(full)
        return super().find_module(name, path, parent)


def find_rest(packages: Path, modules: list[Path]) -> list[Path]:
    """Of each distribution that has one of `modules`: its data, its metadata, and what its C code may import unseen."""
    names = {str(path.relative_to(packages)) for path in modules if path.is_relative_to(packages)}
    rest = []
    for distribution in distributions(path=[str(packages)]):
        files = {str(file) for file in distribution.files or ()}
        if files & names:
            rest += [packages / file for file in files - names if _belongs(file)]
    return sorted(rest)


def _belongs(file: str) -> bool:
    """Whether a file of a distribution that is used is needed, though nothing imports it."""
    folder, _, name = file.partition("/")
    is_metadata = folder.endswith(".dist-info") and name not in {"RECORD", "INSTALLER", "REQUESTED", "direct_url.json"}
    return is_metadata or file in DATA or file.endswith(tuple(EXTENSION_SUFFIXES))
