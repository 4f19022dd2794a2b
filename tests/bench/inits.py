"""Rows: an init beside tini, dumb-init and catatonit: how fast it hands on a signal, and how fast it reaps."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from tests.bench.contenders import Contender, app, environment, program, script
from tests.bench.rounds import Measure, batches, interleave, say
from tests.bench.rows import Budget, Missing, Row
from tests.running import AS_PID1

# What each needs to work where it is not PID 1.
_INITS = {"tini": ["tini", "-s", "--"], "dumb-init": ["dumb-init", "--"], "catatonit": ["catatonit", "--"]}
_INITS_AS_PID1 = {"tini": ["tini", "--"], "dumb-init": ["dumb-init", "--"], "catatonit": ["catatonit", "--"]}

# dumb-init gives the command a session of its own. The kernel schedules a session as a group (sched_autogroup), which wakes
# the command up sooner: only with a session on both sides, or on none, are two inits compared and not two ways to schedule.
_SAME_SESSION, _OWN_SESSION = "dumb-init --single-child", "ours --new-session"

_ORPHANS = {"dying": "{} orphans end at once → reaped", "inherited": "{} zombies inherited at once → reaped"}


def installed(*, as_pid1: bool) -> dict[str, list[str]]:
    """How the inits that are installed here are started."""
    return {name: words for name, words in (_INITS_AS_PID1 if as_pid1 else _INITS).items() if shutil.which(name)}


def rows(*, quick: bool) -> Iterator[Row | Missing]:
    """Each init as PID 1 of a namespace of its own."""
    if os.geteuid() != 0:
        yield Missing("signal → handler; orphans reaped", "needs root, to make PID namespaces")
        return
    yield from _signal_rows(*((2, 3) if quick else (12, 40)))
    for number, rounds in ((2000, 10), (10_000, 3)) if not quick else ((50, 2),):
        yield from _orphan_rows(number, rounds)


def _signal_rows(number: int, rounds: int) -> Iterator[Row | Missing]:
    say("signals")
    samples = batches(_handing_on, number, rounds)
    times = {name: found["handler"] for name, found in samples.items()}
    what = "signal sent to the init → the command's handler"
    own_session = times.pop(_OWN_SESSION)
    yield from _rows(what, "µs", times, budget_against=_SAME_SESSION)
    if "dumb-init" in times:
        yield Row(f"{what}, in a session of its own", "µs", own_session, "dumb-init", times["dumb-init"], Budget("times", 1.5))
    if "dumb-init again" in times:
        again = times["dumb-init again"]
        yield Row("noise: signal → handler, dumb-init against itself", "µs", again, "dumb-init", times["dumb-init"])


@contextmanager
def _handing_on() -> Iterator[dict[str, Measure]]:
    """All inits, each with an app that was told once."""
    inits = _inits()
    inits[_OWN_SESSION] = [*program(), "--new-session", "--"]
    if "dumb-init" in inits:
        inits["dumb-init again"] = inits["dumb-init"]
        inits[_SAME_SESSION] = ["dumb-init", "--single-child", "--"]
    with ExitStack() as stack, tempfile.TemporaryDirectory(prefix="bench-") as folder:
        file = Path(folder) / "file"
        file.write_text("00000000")
        contenders: dict[str, Measure] = {}
        for name, init in inits.items():
            contender = stack.enter_context(Contender([*init, *app(file)], Path(folder) / name, as_pid1=True))
            contender.wait_until_told(0)
            contenders[name] = partial(_signal, contender, contender.pid)
        yield contenders


def _signal(contender: Contender, pid: int) -> dict[str, float]:
    time.sleep(0.002)  # everybody sleeps again
    sent_ns = time.monotonic_ns()
    os.kill(pid, signal.SIGHUP)
    return {"handler": (contender.wait_until_told(0).at_ns - sent_ns) / 1e3}


def _orphan_rows(number: int, rounds: int) -> Iterator[Row | Missing]:
    for kind, what in _ORPHANS.items():
        say(what.format(number))
        inits = {name: words for name, words in _inits().items() if name != "dumb-init"}
        if "tini" in inits:
            inits["tini again"] = inits["tini"]
        contenders = {name: partial(_reaped, init, kind, number) for name, init in inits.items()}
        samples = interleave(contenders, rounds, warm_up=0)
        times = {name: found["reaped"] for name, found in samples.items()}
        against = "tini" if kind == "dying" else ""
        yield from _rows(what.format(f"{number:,}"), "ms", times, budget_against=against)
        if "tini again" in times:
            again = times["tini again"]
            yield Row(f"noise: {what.format(f'{number:,}')}, tini against itself", "ms", again, "tini", times["tini"])


def _reaped(init: list[str], kind: str, number: int) -> dict[str, float]:
    words = [*AS_PID1, *init, *script("orphans", kind, str(number))]
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, check=True, env=environment())
    return {"reaped": float(done.stdout)}


def _inits() -> dict[str, list[str]]:
    return {"ours": [*program(), "--"], "minimal Python init": script("minimal_init"), **installed(as_pid1=True)}


def _rows(what: str, unit: str, times: Mapping[str, list[float]], budget_against: str) -> Iterator[Row | Missing]:
    if budget_against and budget_against not in times:
        yield Missing(f"{what}, against {budget_against}", f"{budget_against} is not installed")
    for name, theirs in times.items():
        if name != "ours" and not name.endswith(" again"):
            yield Row(what, unit, times["ours"], name, theirs, Budget("times", 1.5) if name == budget_against else None)
