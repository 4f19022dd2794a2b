"""What the tests of the rooms, and the laws, build from: short ways to make values, folders and small programs."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any, TypeVar

from supervisor.model import ConfigObject, File, Origin, Snapshot
from supervisor.tree import Tree
from tests.running import DEADLINE_S

REPOSITORY = Path(__file__).parent.parent.parent
APP = Origin("ConfigMap", "", "app")

T = TypeVar("T")


def snapshot(files: Mapping[str, str | bytes], mode: int = 0o666, origin: Origin = APP) -> Snapshot:
    """All these files, as wanted by one ConfigMap."""
    return Snapshot([(origin, [File(path, _bytes(content), mode) for path, content in files.items()])])


def wanted(files: Mapping[str, str | bytes], origin: Origin = APP) -> ConfigObject:
    """A ConfigMap with these keys."""
    return ConfigObject(origin, {key: _bytes(content) for key, content in files.items()})


def _bytes(content: str | bytes) -> bytes:
    return content.encode() if isinstance(content, str) else content


def publish(tree: Tree, files: Mapping[str, str | bytes], mode: int = 0o666) -> Snapshot:
    """Stage, publish and prune, as sync does."""
    made = snapshot(files, mode)
    tree.publish(tree.stage(made))
    tree.prune()
    return made


@contextmanager
def opened(root: Path, **settings: Any) -> Iterator[Tree]:
    """A tree that gives its lock back, as the end of its process would."""
    tree = Tree(str(root), **settings)
    try:
        yield tree
    finally:
        os.close(tree._disk.fd)


def seen(root: Path) -> dict[str, str]:
    """Every file that a plain reader finds below a folder, who follows links and does not look at hidden names of ours."""
    found = {}
    for folder, folders, names in os.walk(root, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith("..")]
        for name in names:
            path = os.path.join(folder, name)
            if not name.startswith("..") and os.path.exists(path):
                with open(path, encoding="utf-8", errors="surrogateescape") as file:
                    found[os.path.relpath(path, root)] = file.read()
    return found


def everything(root: Path) -> dict[str, tuple[object, ...]]:
    """Every name below a folder with all that can be told apart of it: kind and mode, times, content or target."""
    found: dict[str, tuple[object, ...]] = {}
    for folder, folders, names in os.walk(root):
        for path in [folder, *(os.path.join(folder, name) for name in [*folders, *names])]:
            status = os.lstat(path)
            content: object = None
            if stat.S_ISLNK(status.st_mode):
                content = os.readlink(path)
            elif stat.S_ISREG(status.st_mode):
                content = Path(path).read_bytes()
            found[os.path.relpath(path, root)] = (status.st_mode, status.st_ino, status.st_mtime_ns, content)
    return found


def generations(root: Path) -> list[str]:
    """The names of ours in a folder, but for `..data`, `..good`, `..refused` and `..files`."""
    return sorted(
        name for name in os.listdir(root) if name.startswith("..") and name not in {"..data", "..good", "..refused", "..files"}
    )


def within(call: Callable[[], T], deadline_s: float = DEADLINE_S) -> T:
    """What a call returns that may wait, or a failure at the deadline. An error of the call is raised here."""
    done: list[T] = []
    failed: list[Exception] = []

    def run() -> None:
        try:
            done.append(call())
        except Exception as error:  # noqa: BLE001 - whatever it is belongs to the test
            failed.append(error)

    thread = Thread(target=run, daemon=True)
    thread.start()
    thread.join(deadline_s)
    if failed:
        raise failed[0]
    assert done, f"still waiting after {deadline_s:g} s"
    return done[0]


def python(code: str, *arguments: str) -> list[str]:
    """The lines that a program prints, in a process of its own, which must end well."""
    words = [sys.executable, "-c", textwrap.dedent(code), *arguments]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(words, capture_output=True, text=True, timeout=DEADLINE_S, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()
