"""`config-supervisor doctor`: all that a run with these options needs, each looked at by trying it."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, NamedTuple

from supervisor import usage
from supervisor.cli import variable_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from supervisor.cli import Asked
    from supervisor.settings import Address, Settings

# What Kubernetes sets in every container if a Service is called config-supervisor.
_OF_A_SERVICE = ("SERVICE_HOST", "SERVICE_PORT", "PORT")


class Finding(NamedTuple):
    """One thing that was looked at."""

    what: str
    is_ok: bool
    text: str
    """What was found; if it is not ok, how to mend it."""


def examine(asked: Asked, environment: Mapping[str, str]) -> int:
    """Print a line for each finding as soon as it is there; 0 if all is well, 1 if something is to be mended."""
    as_json = asked.given.flag("--json")
    findings = []
    for finding in _look(asked, environment):
        findings.append(finding)
        if not as_json:
            print(f"{'ok  ' if finding.is_ok else 'MEND'} {finding.what}: {finding.text}", flush=True)
    if as_json:
        print(json.dumps([finding._asdict() | {"is_ok": finding.is_ok} for finding in findings], indent=1), flush=True)
    return 0 if all(finding.is_ok for finding in findings) else 1


def _look(asked: Asked, environment: Mapping[str, str]) -> Iterator[Finding]:
    settings = asked.settings
    yield from _options(asked, environment)
    yield _init(settings)
    if settings.files.root:
        from supervisor.commands.doctor_disk import configroot

        yield Finding("configroot", *configroot(settings.files.root))
    yield from _programs(settings, environment)
    if settings.report.listen:
        yield _listen(settings.report.listen)
    from supervisor.commands.doctor_cluster import cluster

    yield from (Finding(*found) for found in cluster(settings, environment))


def _options(asked: Asked, environment: Mapping[str, str]) -> Iterator[Finding]:
    problems = list(asked.contradictions)
    prefix = variable_of("--")
    known = {variable_of(option) for option in usage.options("doctor")}
    for name in environment:
        rest = name.removeprefix(prefix)
        if name.startswith(prefix) and name not in known and not rest.startswith(_OF_A_SERVICE):
            problems.append(f"the variable {name} means nothing: {usage.nearest(name, known) or 'see --help'}")
    yield from (Finding("options", False, problem) for problem in problems)
    if not problems:
        yield Finding("options", True, "they go together")


def _init(settings: Settings) -> Finding:
    """Orphans come to PID 1, or to a subreaper."""
    try:
        with open("/proc/1/cmdline", "rb") as file:
            words = file.read().split(b"\0")
    except OSError:
        words = []
    is_pid1 = os.getpid() == 1 or any(word.endswith((b"config-supervisor", b"config-controller")) for word in words[:2])
    if is_pid1 or settings.init.subreaper or not settings.command:
        why = "config-supervisor is PID 1" if is_pid1 else "--subreaper" if settings.init.subreaper else "there is no command"
        return Finding(
            "orphans", True, f"{why}: {'no orphans are left' if is_pid1 or settings.init.subreaper else 'nobody makes any'}"
        )
    return Finding(
        "orphans", True, "PID 1 is another program, which has to reap them, unless this is the ENTRYPOINT later; else --subreaper"
    )


def _programs(settings: Settings, environment: Mapping[str, str]) -> Iterator[Finding]:
    """Whether what is to be run is there."""
    named = {
        "command": settings.command[:1],
        "--validate": settings.safety.validate[:1],
        "--confirm-command": settings.safety.confirm_command[:1],
        "--reload-command": settings.reload.command[:1],
    }
    for what, words in named.items():
        for word in words:
            folders = [""] if "/" in word else environment.get("PATH", os.defpath).split(":")
            places = [os.path.join(folder, word) for folder in folders]
            place = next((place for place in places if os.access(place, os.X_OK) and os.path.isfile(place)), None)
            yield Finding(
                what, place is not None, place or f"there is no program {word!r} that may be run: install it, or give its path"
            )


def _listen(address: Address) -> Finding:
    from supervisor.commands.status import answers
    from supervisor.errors import StartError
    from supervisor.report.server import bind

    if answers(address):
        return Finding("listen", True, f"a config-supervisor answers at {address}")
    try:
        bind(address)[0].close()
    except StartError as error:
        return Finding("listen", False, f"{error}: choose another address, or end who has it")
    return Finding("listen", True, f"{address} is free")
