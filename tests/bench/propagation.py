"""Rows: from the PUT of a ConfigMap to the app that knows of it; a storm of PUTs; processor time per update."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.bench.cluster import KIB, Cluster, ConfigMap, Content
from tests.bench.contenders import Contender, app
from tests.bench.footprint import cpu_ms
from tests.bench.rounds import Measure, Samples, batches, interleave, say
from tests.bench.rows import Budget, Row
from tests.stand_ins.client import free_port

SMALL = Content(1, KIB)
LARGE = Content(1, 900 * KIB)
MANY = Content(500, KIB)

_STORM = 200
_MEMORY = "/dev/shm"
_ON_A_DISK = "ext4 looks past each inode that was freed in the last minutes; we ask it for another part of the disk"
# Between changes that follow each other, and until what can wait for a quiet second is done too.
_REST_S, _QUIET_S = 0.15, 1.2


@dataclass(frozen=True)
class Watching:
    """A contender and the ConfigMap that it alone watches."""

    contender: Contender
    configmap: ConfigMap

    def update(self, rest_s: float = _REST_S) -> dict[str, float]:
        """PUT once and wait until the app was told, all in ms; then let it come to rest, and count its processor time."""
        before_ms = cpu_ms(self.contender.pid)
        sent_ns, answered_ns = self.configmap.put()
        told = self.contender.wait_until_told(self.configmap.number)
        self.contender.wait_until_it_rests(rest_s)
        return {
            "sent": (told.at_ns - sent_ns) / 1e6,
            "answered": (told.at_ns - answered_ns) / 1e6,
            "read": (told.read_ns - sent_ns) / 1e6,
            "cpu": cpu_ms(self.contender.pid) - before_ms,
        }

    def storm(self, puts: int) -> dict[str, float]:
        """PUT many times in a row; ms from the last answer until the app has the last state, and how often it was told."""
        before = self.contender.times_told
        answered_ns = 0
        for _ in range(puts):
            _, answered_ns = self.configmap.put()
        told = self.contender.wait_until_told(self.configmap.number)
        self.contender.wait_until_it_rests(_REST_S)
        return {"last": max(0.0, (told.read_ns - answered_ns) / 1e6), "times told": self.contender.times_told - before}


@contextmanager
def watching(cluster: Cluster, folder: Path, content: Content, *, by_http: bool = False) -> Iterator[dict[str, Watching]]:
    """The program, the floor, and the floor again, each with its own ConfigMap and app, all told of the first version."""
    with ExitStack() as stack:
        running: dict[str, Watching] = {}
        for name in "ours", "floor", "floor again":
            configmap = ConfigMap(cluster.api, f"bench-{name.replace(' ', '-')}-{free_port()}", content)
            stack.callback(configmap.close)
            root = folder / configmap.name
            port = [str(free_port())] if by_http else []
            command = app(root / content.first, *port)
            if name == "ours":
                options = [f"--reload-http=http://127.0.0.1:{port[0]}/-/reload"] if port else []
                words = cluster.ours(configmap.name, root, command, options)
            else:
                words = cluster.floor(configmap.name, root, command, *port)
            contender = stack.enter_context(Contender(words, cluster.folder / f"{configmap.name}.log"))
            contender.wait_until_told(0)
            running[name] = Watching(contender, configmap)
        for one in running.values():
            one.contender.wait_until_it_rests()
        yield running


def propagation_rows(cluster: Cluster, *, quick: bool) -> Iterator[Row]:
    """Small, large and many files; on the disk and in memory; by signal and by HTTP."""
    few, many, one = ((1, 2), (1, 3), (1, 1)) if quick else ((3, 10), (6, 20), (2, 6))
    for place in tempfile.gettempdir(), _MEMORY:
        where = file_system(place)
        with tempfile.TemporaryDirectory(dir=place, prefix="bench-") as name:
            say(f"propagation on {where}")
            folder = Path(name)
            yield from _small_rows(_samples(cluster, folder, SMALL, *many), f"1 KiB, {where}")
            samples = _samples(cluster, folder, SMALL, *one, rest_s=_QUIET_S)
            yield _row(f"processor time per update and the quiet second after it, 1 KiB, {where}", samples, "cpu")
            samples = _samples(cluster, folder, SMALL, *many, by_http=True)
            yield _row(f"PUT sent → HTTP reload, 1 KiB, {where}", samples, "sent")
            yield _row(f"PUT answered → HTTP reload, 1 KiB, {where}", samples, "answered")
            samples = _samples(cluster, folder, LARGE, *few)
            yield _row(f"PUT sent → SIGHUP, 900 KiB, {where}", samples, "sent", Budget("times", 1.15))
            yield _row(f"processor time per update, 900 KiB, {where}", samples, "cpu")
            samples = _samples(cluster, folder, MANY, *few)
            # The budget is for disks: in memory a rename costs nothing, and the API server's part is the larger one.
            budget, note = (Budget("times", 0.7), _ON_A_DISK) if place != _MEMORY else (None, "")
            yield _row(f"PUT sent → SIGHUP, 500 files of 1 KiB, {where}", samples, "sent", budget, note=note)
            yield _row(f"processor time per update, 500 files, {where}", samples, "cpu")


def _small_rows(samples: Samples, what: str) -> Iterator[Row]:
    yield _row(f"PUT sent → SIGHUP, {what}", samples, "sent", Budget("times", 1.25))
    yield _row(f"PUT answered → SIGHUP, {what}", samples, "answered", Budget("more", 1.0))
    yield _row(f"PUT sent → the app has read it, {what}", samples, "read")
    yield _noise(f"PUT sent → SIGHUP, {what}", samples, "sent")
    yield _noise(f"PUT answered → SIGHUP, {what}", samples, "answered")
    yield _row(f"processor time per update, {what}", samples, "cpu", Budget("times", 3.0))


def storm_rows(cluster: Cluster, *, quick: bool) -> Iterator[Row]:
    """Many PUTs in a row: intermediate states may be skipped, the last one must come at once."""
    puts, rounds = (10, 2) if quick else (_STORM, 5)
    say(f"{puts} PUTs in a row")
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as folder,
        watching(cluster, Path(folder), SMALL) as running,
    ):
        contenders: dict[str, Measure] = {name: partial(one.storm, puts) for name, one in running.items()}
        samples = interleave(contenders, rounds, warm_up=1)
    what = f"the last of {_STORM} PUTs in a row answered → the app has it"
    yield _row(what, samples, "last", Budget("at most", 30.0))
    yield _row(f"times told of {_STORM} PUTs in a row", samples, "times told", unit="times")


def _samples(
    cluster: Cluster,
    folder: Path,
    content: Content,
    number: int,
    rounds: int,
    *,
    by_http: bool = False,
    rest_s: float = _REST_S,
) -> Samples:
    @contextmanager
    def start() -> Iterator[dict[str, Measure]]:
        with watching(cluster, folder, content, by_http=by_http) as running:
            yield {name: partial(one.update, rest_s) for name, one in running.items()}

    return batches(start, number, rounds)


def _row(
    what: str,
    samples: Samples,
    metric: str,
    budget: Budget | None = None,
    *,
    unit: str = "ms",
    name: str = "ours",
    note: str = "",
) -> Row:
    ours, theirs = samples[name][metric], samples["floor"][metric]
    return Row(what, unit, ours, "floor", theirs, budget, note, by_difference=metric == "answered")


def _noise(what: str, samples: Samples, metric: str) -> Row:
    return _row(f"noise: {what}, the floor against itself", samples, metric, name="floor again")


def file_system(path: str) -> str:
    """The type of the file system that a folder is on."""
    mounts = [line.split()[1:3] for line in Path("/proc/self/mounts").read_text().splitlines()]
    above = [(point, kind) for point, kind in mounts if Path(path).resolve().is_relative_to(point)]
    return max(above, key=lambda mount: len(mount[0]))[1]
