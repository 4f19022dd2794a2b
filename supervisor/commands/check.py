"""`config-supervisor check`: would these files go live? For a pull request: built and checked in a temporary place."""

from __future__ import annotations

import json
import os
import stat
from dataclasses import replace
from tempfile import TemporaryDirectory
from threading import Thread
from typing import TYPE_CHECKING, NamedTuple

from supervisor.errors import Refused, SourceError, SupervisorError, UsageError
from supervisor.hook import Hook
from supervisor.inbox import STOP_SIGNALS, Signal
from supervisor.items import lay_out
from supervisor.logs import Log
from supervisor.model import File, Update, changes, entry_of
from supervisor.processes import Processes
from supervisor.report.wording import amount, count
from supervisor.source import make_sources
from supervisor.tree import Tree

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from supervisor.cli import Asked
    from supervisor.inbox import Inbox
    from supervisor.model import Change, ConfigObject, Listing
    from supervisor.settings import Settings, SourceSettings

_DATA = "..data"  # in a configroot: what is live


class Found(NamedTuple):
    """What became of the files."""

    why_not: str = ""
    """Why they would be refused; empty: they would go live."""
    revision: str = ""
    changed: tuple[Change, ...] = ()
    is_checked: bool = False
    """Whether --validate was run."""


def build_and_check(asked: Asked, inbox: Inbox) -> int:
    """Build, check and print; 0 if the files would go live, 1 if they would be refused, 128+n if signal n ended it."""
    settings = asked.settings
    problems = []
    if not _local(settings.sources):
        problems.append("check: --manifest or --watch-dir is missing: what is to be checked")
    if settings.safety.validate and not any("{}" in word for word in settings.safety.validate):
        problems.append("check: --validate needs {}, which stands for the folder to check: nothing is written to --configroot")
    if problems:
        raise UsageError(problems)
    found: list[Found] = []
    processes, log = Processes(inbox.given_mask), Log("text", settings.logs.level)
    worker = Thread(target=lambda: found.append(_try(settings, processes, log)), daemon=True)
    stopped_by = _reap_until_done(worker, inbox, processes)
    log.close()
    if stopped_by:
        return 128 + stopped_by
    print(_as_json(found[0]) if asked.given.flag("--json") else "\n".join(_lines(found[0])), flush=True)
    return 1 if found[0].why_not else 0


def _reap_until_done(worker: Thread, inbox: Inbox, processes: Processes) -> int:
    """Let a thread work, which runs hooks; the signal that ended it before its time, or 0."""

    def wake_when_done() -> None:
        worker.join()
        inbox.wake()

    worker.start()
    Thread(target=wake_when_done, daemon=True).start()
    stopped_by = 0
    while worker.is_alive():
        word = inbox.wait()
        if isinstance(word, Signal) and word in STOP_SIGNALS:
            if stopped_by:
                return word
            stopped_by = word
            processes.kill_hooks()  # then the worker sweeps up
        processes.reap()
    return stopped_by


def _try(settings: Settings, processes: Processes, log: Log) -> Found:
    """Lay out, stage, publish and check, as a run would, in a folder that is gone afterwards."""
    found = Found()
    try:
        snapshot = lay_out(_wanted(settings), settings.files)
        found = Found(
            revision=snapshot.revision, changed=changes(_listing(settings.files.root, snapshot.listing), snapshot.listing)
        )
        with TemporaryDirectory(prefix="config-supervisor-") as folder:
            tree = Tree(os.path.join(folder, "root"))
            staged = tree.stage(snapshot)
            safety = settings.safety
            if safety.validate:
                hook = Hook("--validate", safety.validate, safety.hook_timeout_s, processes, log)
                hook.run(Update(snapshot.revision, tuple(change.path for change in found.changed)), tree.path_of(staged))
            tree.publish(staged)
    except SupervisorError as error:
        return found._replace(why_not=str(error))
    return found._replace(is_checked=bool(safety.validate))


def _local(sources: SourceSettings) -> SourceSettings:
    """The sources that need no cluster: a pull request has none."""
    return replace(sources, configmaps=(), secrets=(), configmap_selectors=(), secret_selectors=())


def _wanted(settings: Settings) -> list[ConfigObject]:
    """What all local sources want. Raises SourceError if one of them cannot tell."""
    objects: list[ConfigObject] = []
    for source in make_sources(_local(settings.sources), None):
        heard = next(iter(source.watch()))
        if isinstance(heard, SourceError):
            raise heard
        objects += heard
    return objects


def _listing(root: str, wanted: Iterable[str]) -> Listing:
    """What a configroot holds now: what is live by its own account, and whatever else stands where a file is wanted."""
    data = os.path.join(root, _DATA)
    live = [os.path.relpath(os.path.join(folder, name), data) for folder, _, names in os.walk(data) for name in names]
    files = (_read(root, path) for path in dict.fromkeys((*live, *wanted)))
    return {file.path: entry_of(file) for file in files if file}


def _read(root: str, path: str) -> File | None:
    try:
        with open(os.path.join(root, path), "rb") as file:
            return File(path, file.read(), stat.S_IMODE(os.fstat(file.fileno()).st_mode))
    except (OSError, Refused):
        return None


def _as_json(found: Found) -> str:
    changed = [{"path": one.path, "what": one.what, "bytes": one.size} for one in found.changed]
    about = {"accepted": not found.why_not, "reason": found.why_not, "revision": found.revision or None}
    return json.dumps({**about, "validated": found.is_checked, "changed": changed}, indent=1)


def _lines(found: Found) -> Iterator[str]:
    for one in sorted(found.changed, key=lambda one: one.path):
        size = f", {amount(one.size)}" if one.what != "removed" else ""
        yield f"{one.what} {one.path if one.path.isprintable() else repr(one.path)}{size}"
    if found.why_not:
        yield f"refused: {found.why_not}"
        return
    checked = "--validate says yes" if found.is_checked else "nothing was run to check it: see --validate"
    yield f"ok: revision {found.revision} would go live, {count(len(found.changed), 'change')}; {checked}"
