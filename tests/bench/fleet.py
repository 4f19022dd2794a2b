"""Rows: many instances on one ConfigMap and one API server."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from tests.bench.cluster import Cluster, ConfigMap
from tests.bench.contenders import Contender, Told, app
from tests.bench.footprint import cpu_ms
from tests.bench.propagation import SMALL
from tests.bench.rounds import interleave, say
from tests.bench.rows import Budget, Row, number, spread
from tests.stand_ins.real_api import RealApi

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
    """40 beside 40 floors, and the API server away; then 100."""
    size, rounds = (3, 2) if quick else (40, 20)
    say(f"{size} instances, and as many floors")
    with _fleet(cluster, "ours", size) as ours, _fleet(cluster, "floor", size) as floor:
        samples = interleave({"ours": ours.update, "floor": floor.update}, rounds)
        what = f"PUT sent → the last of {size} told"
        yield Row(what, "ms", samples["ours"]["last"], "floor", samples["floor"]["last"], Budget("times", 1.5))
        what = f"the API server's processor time for an update of {size}"
        yield Row(what, "ms", samples["ours"]["server"], "floor", samples["floor"]["server"])
        yield from _outage_rows(cluster.api, {"ours": ours, "floor": floor}, 1 if quick else 5)
    size = 5 if quick else 100
    say(f"{size} instances on one API server")
    with _fleet(cluster, "ours", size) as ours:
        samples = interleave({"ours": ours.update}, rounds)
    yield Row(f"PUT sent → the last of {size} told", "ms", samples["ours"]["last"])
    yield Row(f"the API server's processor time for an update of {size}", "ms", samples["ours"]["server"])


def _outage_rows(api: RealApi, fleets: Mapping[str, Fleet], rounds: int) -> Iterator[Row]:
    """The API server is killed, and is back after about 5 s: when it says that it is ready, the next version is PUT at once."""
    say("the API server is away")
    takes_s, last = 0.0, {name: list[float]() for name in fleets}
    away_s, told_s = list[float](), list[float]()
    for turn in range(-1, rounds):  # the first only shows how long the server takes to start
        began = time.monotonic()
        api.kill()
        time.sleep(max(0.0, _OUTAGE_S - takes_s) if turn >= 0 else 0)
        starts = time.monotonic()
        api.start()
        takes_s = time.monotonic() - starts
        if turn >= 0:
            away_s.append(time.monotonic() - began)
        for name, arrivals_s in _update_all(fleets).items():
            if turn >= 0:
                last[name].append(max(arrivals_s))
                told_s += arrivals_s if name == "ours" else []
    what = f"API server back → all {len(fleets['ours'].members)} told of the next PUT"
    tenth, ninetieth = spread(told_s) or (min(told_s), max(told_s))
    away = f"away for {number(median(away_s))} s"
    note = f"{away}; told after {number(median(told_s))} s (median), p10–p90 {number(tenth)}–{number(ninetieth)} s"
    yield Row(what, "s", last["ours"], "floor", last["floor"], Budget("at most", 2.0), note)


def _update_all(fleets: Mapping[str, Fleet]) -> dict[str, list[float]]:
    """PUT to each fleet, on a new connection; s until each member was told."""
    sent_ns = {}
    for name, fleet in fleets.items():
        fleet.configmap.close()
        sent_ns[name], _ = fleet.configmap.put()
    return {name: [(told.at_ns - sent_ns[name]) / 1e9 for told in fleet.told()] for name, fleet in fleets.items()}


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
