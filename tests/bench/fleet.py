"""Rows: many instances on one ConfigMap and one API server."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from tests.bench.cluster import Cluster, ConfigMap
from tests.bench.contenders import Contender, Told, app
from tests.bench.footprint import cpu_ms
from tests.bench.propagation import SMALL
from tests.bench.rounds import Samples, interleave, say
from tests.bench.rows import Budget, Row, number, spread
from tests.stand_ins.real_api import RealApi

_UPDATE = (
    ("PUT sent → the last of {} told", "last", "ms"),
    ("the API server's processor time for an update of {}", "server", "ms"),
)
_BACK = "API server back → all {} told of the next PUT"
_OUTAGE_S = 5.0
_STARTED_AT_ONCE = 4


@dataclass(frozen=True)
class Fleet:
    """Instances that all watch one ConfigMap, each with an app and a folder of its own."""

    configmap: ConfigMap
    members: Sequence[Contender]
    api: RealApi

    def update(self) -> dict[str, float]:
        """PUT once; ms from then to the last app that was told, and the API server's processor time for it."""
        before_ms = cpu_ms(self.api.pid)
        sent_ns, _ = self.configmap.put()
        last_ns = max(told.at_ns for told in self.told())
        self.members[-1].wait_until_it_rests(0.2)
        return {"last": (last_ns - sent_ns) / 1e6, "server": cpu_ms(self.api.pid) - before_ms}

    def told(self) -> list[Told]:
        """Wait until all are told of the last version."""
        return [member.wait_until_told(self.configmap.number) for member in self.members]


def rows(cluster: Cluster, *, quick: bool) -> Iterator[Row]:
    """40 beside 40 floors; 40 when the API server has been away, and the same for floors; then 100."""
    few, many, rounds, turns = (3, 5, 2, 1) if quick else (40, 100, 20, 5)
    say(f"{few} instances, and as many floors")
    with _fleet(cluster, "ours", few) as ours, _fleet(cluster, "floor", few) as floor:
        samples = interleave({"ours": ours.update, "floor": floor.update}, rounds)
    yield from _update_rows(samples, few, Budget("times", 1.5))
    with _fleet(cluster, "ours", few) as ours:
        back, note = _outages(ours, turns)
    with _fleet(cluster, "floor", few) as floor:
        floors_back, _ = _outages(floor, turns)
    yield Row(_BACK.format(few), "s", back, "floor", floors_back, Budget("at most", 2.0), note)
    say(f"{many} instances on one API server")
    with _fleet(cluster, "ours", many) as ours:
        samples = interleave({"ours": ours.update}, rounds)
        back, note = _outages(ours, turns)
    yield from _update_rows(samples, many)
    yield Row(_BACK.format(many), "s", back, note=note)


def _update_rows(samples: Samples, size: int, budget: Budget | None = None) -> Iterator[Row]:
    against = "floor" if "floor" in samples else ""
    for what, metric, unit in _UPDATE:
        theirs = samples[against][metric] if against else None
        yield Row(what.format(size), unit, samples["ours"][metric], against, theirs, budget if metric == "last" else None)


def _outages(fleet: Fleet, turns: int) -> tuple[list[float], str]:
    """Kill the API server, let it be back after about 5 s, and PUT the next version as soon as it says that it is ready.

    Returns how many s it took from that PUT until the last member was told, and a note on how that was spread.
    """
    say(f"the API server of {len(fleet.members)} is away")
    takes_s = 0.0
    away_s, last_s, all_s = list[float](), list[float](), list[float]()
    for turn in range(-1, turns):  # the first only shows how long the server takes to start
        began = time.monotonic()
        fleet.api.kill()
        time.sleep(max(0.0, _OUTAGE_S - takes_s) if turn >= 0 else 0)
        starts = time.monotonic()
        fleet.api.start()
        takes_s = time.monotonic() - starts
        away_s.append(time.monotonic() - began)
        fleet.configmap.close()
        sent_ns, _ = fleet.configmap.put()
        told_s = [(told.at_ns - sent_ns) / 1e9 for told in fleet.told()]
        if turn >= 0:
            last_s.append(max(told_s))
            all_s += told_s
    tenth, ninetieth = spread(all_s) or (min(all_s), max(all_s))
    away = f"away for {number(median(away_s[1:]))} s"
    return last_s, f"{away}; told after {number(median(all_s))} s (median), p10–p90 {number(tenth)}–{number(ninetieth)} s"


@contextmanager
def _fleet(cluster: Cluster, kind: str, size: int) -> Iterator[Fleet]:
    """Start so many, a few at a time, and wait until all run their app."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        configmap = ConfigMap(cluster.api, f"bench-fleet-{kind}-{size}", SMALL)
        stack.callback(configmap.close)
        line = cluster.ours if kind == "ours" else cluster.floor
        members: list[Contender] = []
        for index in range(size):
            root = folder / str(index)
            words = line(configmap.name, root, app(root / SMALL.first))
            members.append(stack.enter_context(Contender(words, folder / f"{index}.log")))
            if index >= _STARTED_AT_ONCE:
                members[index - _STARTED_AT_ONCE].wait_until_told(0)
        for member in members[-_STARTED_AT_ONCE:]:
            member.wait_until_told(0)
        members[-1].wait_until_it_rests()
        yield Fleet(configmap, members, cluster.api)
