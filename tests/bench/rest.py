"""Rows: what it costs while nothing happens: memory, wake-ups, requests to the API server."""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.bench.cluster import Cluster, ConfigMap
from tests.bench.contenders import REST_FOREVER, Contender, interpreter, program
from tests.bench.footprint import name_of, pss_mb, wake_ups
from tests.bench.propagation import SMALL
from tests.bench.rounds import say
from tests.bench.rows import Budget, Row
from tests.running import descendants, eventually

_HOUR_S = 3600
_INSTANCES = 5


def plain_rows(*, quick: bool) -> Iterator[Row]:
    """No source: a plain init, against an interpreter that only waits."""
    say("memory of a plain init")
    words = {
        "ours": [*program(), "--", *REST_FOREVER],
        "bare": [*interpreter(), "-c", "import os, _signal; os.write(1, b'ready\\n'); _signal.pause()"],
    }
    memory, woken = _memory(words, 1 if quick else 5, watch_s=1 if quick else 60)
    yield Row("memory at rest, no source (PSS)", "MB", memory["ours"], "bare Python", memory["bare"], Budget("times", 1.6))
    yield Row("wake-ups at rest, no source", "a minute", [woken["ours"]], budget=Budget("at most", 0))


def configmap_rows(cluster: Cluster, *, quick: bool) -> Iterator[Row]:
    """One ConfigMap."""
    say("memory with a ConfigMap")
    name = "bench-rest"
    ConfigMap(cluster.api, name, SMALL).close()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        words = {
            "ours": cluster.ours(name, Path(folder) / "ours", REST_FOREVER),
            "floor": cluster.floor(name, Path(folder) / "floor", REST_FOREVER),
            "bare": cluster.bare_client(name),
        }
        memory, _ = _memory(words, 1 if quick else 5)
    what = "memory at rest, one ConfigMap (PSS)"
    yield Row(what, "MB", memory["ours"], "import ApiClient", memory["bare"], Budget("times", 1.15))
    yield Row(what, "MB", memory["ours"], "floor", memory["floor"])
    yield from _quiet_rows(cluster, quick=quick)


def _quiet_rows(cluster: Cluster, *, quick: bool) -> Iterator[Row]:
    """Wake-ups in a minute without a renewal of the watch; requests by arithmetic from the watches that were asked for."""
    name, watch_s = "bench-quiet", 1 if quick else 60
    ConfigMap(cluster.api, name, SMALL).close()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        roots = [Path(folder) / str(number) for number in range(_INSTANCES)]
        with _running({root.name: cluster.ours(name, root, REST_FOREVER) for root in roots}) as running:
            # As in every cluster, something else is written: without that the API server has no news to send as a bookmark.
            neighbour = ConfigMap(cluster.api, "bench-neighbour", SMALL)
            neighbour.put()
            neighbour.close()
            woken = _woken(running, watch_s)
    yield Row("wake-ups at rest, one ConfigMap", "a minute", list(woken.values()), budget=Budget("at most", 2))
    requests = cluster.requests(name)
    lasting_s = [int(found[1]) for uri in requests if (found := re.search(r"timeoutSeconds=(\d+)", uri))]
    hourly = [_HOUR_S / seconds for seconds in lasting_s]
    note = f"an hour divided by the timeoutSeconds of the watches; {len(requests) / _INSTANCES:.0f} requests each at the start"
    yield Row("API requests at rest, one ConfigMap", "an hour", hourly, budget=Budget("at most", 12), note=note)


def _memory(
    words: Mapping[str, Sequence[str]], rounds: int, watch_s: float = 0
) -> tuple[dict[str, list[float]], dict[str, float]]:
    """PSS of each in every round, in MB, all of them running at once; and wake-ups a minute in the last round."""
    memory: dict[str, list[float]] = {name: [] for name in words}
    woken: dict[str, float] = {}
    for number in range(rounds):
        with _running(words) as running:
            for name, contender in running.items():
                memory[name].append(pss_mb(contender.pid))
            if watch_s and number == rounds - 1:
                woken = _woken(running, watch_s)
    return memory, woken


@contextmanager
def _running(words: Mapping[str, Sequence[str]]) -> Iterator[dict[str, Contender]]:
    """All of them, when they have come to rest: the command runs, or `ready` was said."""
    with ExitStack() as stack, tempfile.TemporaryDirectory(prefix="bench-") as folder:
        running = {name: stack.enter_context(Contender(line, Path(folder) / name)) for name, line in words.items()}
        for contender in running.values():
            eventually(_has_started(contender), "the command runs", 60.0)
        for contender in running.values():
            contender.wait_until_it_rests(2.0)
        yield running


def _has_started(contender: Contender) -> Callable[[], bool]:
    return lambda: REST_FOREVER[0] in map(name_of, descendants(contender.pid)) or contender.has_said_something()


def _woken(running: Mapping[str, Contender], seconds: float) -> dict[str, float]:
    """Wake-ups a minute of all of them, in the same time."""
    say(f"wake-ups in {seconds:.0f} s of rest")
    before = {name: wake_ups(contender.pid) for name, contender in running.items()}
    time.sleep(seconds)
    return {name: (wake_ups(contender.pid) - before[name]) * 60 / seconds for name, contender in running.items()}
