"""Publish snapshots to configroots, each in a process of its own, which may die without a word on the way.

A line of JSON for each comes on standard input: `root`, `wanted` as {path: content}, `layout`, and `cut`: it dies before the
N-th change of the file system, 0: it does not. `at_once`: there is an app that nobody tells. The answer is a line with the number
of changes, or `killed`.

With `fails`, the number of an error, the N-th call of the file system fails with it instead; if it `stays`, so do all after it
that change something, until it was tried twice. It is tried again, as the sync thread does. The answer is then the number of
calls, what a reader found of `names` after each failure, whether it was done, and which call failed; `failed` is what is no error
of ours.
"""

import json
import os
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Literal

from supervisor.errors import StartError, TreeError
from supervisor.model import File, Origin, Snapshot
from supervisor.tree import Tree

CHANGES = {"os.mkdir", "os.rename", "os.symlink", "os.remove", "os.rmdir", "os.chmod", "os.link", "os.truncate"}
WRITING = ("mkdir", "rename", "symlink", "link", "write", "fchmod", "rmdir", "unlink", "fsync")
READING = ("open", "stat", "lstat", "fstat", "readlink", "listdir", "scandir")


class Faults:
    """Counts, and kills or fails."""

    def __init__(self, cut: int, fails: int = 0, *, stays: bool = False) -> None:
        self.count = 0
        self.failed = ""
        self.cut = cut
        self.stays = stays
        if fails:
            for name in (*WRITING, *READING):
                setattr(os, name, self.failing(getattr(os, name), name, fails))
        else:
            sys.addaudithook(self.hook)

    def hook(self, event: str, arguments: tuple[object, ...]) -> None:
        is_write = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_CREAT | os.O_WRONLY | os.O_RDWR)
        if event in CHANGES or is_write:
            self.count += 1
            if self.count == self.cut:
                os.kill(os.getpid(), 9)
                time.sleep(60)  # until it dies

    def failing(self, call: Callable[..., Any], name: str, number: int) -> Callable[..., Any]:
        def fail(*arguments: Any, **more: Any) -> Any:
            self.count += 1
            is_creation = name == "open" and arguments[1] & os.O_CREAT
            if self.count == self.cut:
                self.failed = name
            if self.count == self.cut or (self.stays and 0 < self.cut < self.count and (name in WRITING or is_creation)):
                raise OSError(number, os.strerror(number))
            return call(*arguments, **more)

        return fail


def seen(root: str, names: list[str]) -> dict[str, str | None]:
    """What a reader gets by opening each name."""
    found: dict[str, str | None] = dict.fromkeys(names)
    for name in names:
        with suppress(OSError), open(f"{root}/{name}") as file:
            found[name] = file.read()
    return found


def publish(root: str, wanted: dict[str, str], layout: Literal["atomic", "files"], cut: int, at_once: bool) -> int:
    files = [File(path, text.encode(), 0o666) for path, text in wanted.items()]
    snapshot = Snapshot([(Origin("ConfigMap", "", "app"), files)])
    faults = Faults(cut)
    bring(Tree(root, layout=layout), snapshot, at_once=at_once)
    return faults.count


def bring(tree: Tree, snapshot: Snapshot, *, at_once: bool = False) -> None:
    if tree.live is None or tree.live.revision != snapshot.revision:
        tree.publish(tree.stage(snapshot))
    if at_once:
        tree.let_go()
    tree.mark_good()
    tree.prune()
    tree.let_go()


def publish_with_errors(
    root: str, wanted: dict[str, str], layout: Literal["atomic", "files"], cut: int, fails: int, stays: bool, names: list[str]
) -> object:
    files = [File(path, text.encode(), 0o666) for path, text in wanted.items()]
    snapshot = Snapshot([(Origin("ConfigMap", "", "app"), files)])
    faults, views = Faults(cut, fails, stays=stays), []
    try:
        tree = Tree(root, layout=layout)
    except StartError:
        return faults.count, [seen(root, names)], False, faults.failed
    for tries_left in (2, 1, 0):
        try:
            bring(tree, snapshot)
        except TreeError:
            views.append(seen(root, names))
            with suppress(TreeError):
                tree.prune()
            faults.stays = stays and tries_left > 1
        else:
            faults.stays = False
            with suppress(TreeError):
                tree.prune()  # as after the next revision
            return faults.count, views, True, faults.failed
    return faults.count, views, False, faults.failed


for line in sys.stdin:
    pid = os.fork()
    if pid == 0:
        try:
            words = json.loads(line)
            print(json.dumps((publish_with_errors if "fails" in words else publish)(**words)), flush=True)
        except BaseException:  # noqa: BLE001 - said, and not the end of the rest
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(status):
        print("killed", flush=True)
    elif status:
        print("failed", flush=True)
