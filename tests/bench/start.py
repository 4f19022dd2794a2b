"""Rows: from the start of the program to the first line of its command."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import count
from pathlib import Path

from tests.bench.cluster import Cluster, ConfigMap
from tests.bench.contenders import program, script, time_to_line
from tests.bench.inits import installed
from tests.bench.propagation import SMALL
from tests.bench.rounds import Measure, interleave, say
from tests.bench.rows import Budget, Row

_COMMAND = ["/bin/echo", "started"]


def plain_rows(*, quick: bool) -> Iterator[Row]:
    """No source: a plain init."""
    say("start of a plain init")
    words = {
        "ours": [*program(), "--", *_COMMAND],
        "minimal Python init": script("minimal_init", *_COMMAND),
        "minimal again": script("minimal_init", *_COMMAND),
        **{name: [*init, *_COMMAND] for name, init in installed(as_pid1=False).items()},
    }
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        contenders = {name: partial(_start, line, Path(folder) / "log") for name, line in words.items()}
        samples = interleave(contenders, 3 if quick else 40)
    what, ours = "start → command started, no source", samples["ours"]["start"]
    yield Row(what, "ms", ours, "minimal Python init", samples["minimal Python init"]["start"], Budget("times", 1.5))
    for name in installed(as_pid1=False):
        yield Row(what, "ms", ours, name, samples[name]["start"])
    again, minimal = samples["minimal again"]["start"], samples["minimal Python init"]["start"]
    yield Row(f"noise: {what}, the minimal init against itself", "ms", again, "minimal Python init", minimal)


def configmap_rows(cluster: Cluster, *, quick: bool) -> Iterator[Row]:
    """One ConfigMap, into a folder that does not exist yet."""
    say("start with a ConfigMap")
    name, numbers = "bench-start", count()
    configmap = ConfigMap(cluster.api, name, SMALL)
    configmap.close()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:

        def in_new_root(words: Callable[[Path], Sequence[str]]) -> dict[str, float]:
            root = Path(folder) / str(next(numbers))
            result = _start(words(root), Path(folder) / "log")
            shutil.rmtree(root, ignore_errors=True)
            return result

        contenders: dict[str, Measure] = {
            "ours": partial(in_new_root, lambda root: cluster.ours(name, root, _COMMAND)),
            "floor": lambda: _start_floor(cluster, name, Path(folder) / f"floor-{next(numbers)}"),
            "bare client": partial(in_new_root, lambda _: cluster.bare_client(name, _COMMAND)),
            "bare again": partial(in_new_root, lambda _: cluster.bare_client(name, _COMMAND)),
        }
        samples = interleave(contenders, 2 if quick else 20, warm_up=1)
    what, ours, bare = "start → command started, one ConfigMap", samples["ours"]["start"], samples["bare client"]["start"]
    yield Row(what, "ms", ours, "import ApiClient + GET + spawn", bare, Budget("times", 1.25))
    yield Row(what, "ms", ours, "floor", samples["floor"]["start"])
    yield Row(f"noise: {what}, the bare client against itself", "ms", samples["bare again"]["start"], "itself", bare)


def _start(words: Sequence[str], log: Path) -> dict[str, float]:
    return {"start": time_to_line(words, log)}


def _start_floor(cluster: Cluster, name: str, root: Path) -> dict[str, float]:
    """The floor does not end with its command."""
    return {"start": time_to_line(cluster.floor(name, root, _COMMAND), root.with_suffix(".log"), waits=False)}
