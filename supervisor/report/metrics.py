"""The notice board → Prometheus' text format. Names and units follow Prometheus' documentation, "Metric and label naming".

Made anew for each scrape from what is on the board: nothing is counted twice, and nobody waits for a counter.
"""

from __future__ import annotations

import platform
from signal import Signals
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from supervisor import __version__
from supervisor.model import Verdict
from supervisor.report.state import ConfigState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from prometheus_client.metrics_core import Metric

    from supervisor.processes import Processes
    from supervisor.report.health import Health
    from supervisor.report.state import Histogram
    from supervisor.settings import Settings
    from supervisor.status import Board, SourceState

KIND = "text/plain; version=0.0.4; charset=utf-8"
_PREFIX = "config_supervisor_"


def make_metrics(settings: Settings, board: Board, health: Health, processes: Processes) -> Callable[[], bytes]:
    """A function that says what the board says now, as Prometheus reads it."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Metrics(settings, board, health, processes))
    ProcessCollector(registry=registry)
    return lambda: generate_latest(registry)


class _Metrics(Collector):
    def __init__(self, settings: Settings, board: Board, health: Health, processes: Processes) -> None:
        self._settings = settings
        self._board = board
        self._health = health
        self._processes = processes

    def collect(self) -> Iterator[Metric]:
        """All of them, in the order of the README."""
        board = self._board
        about = {"version": __version__, "python_version": platform.python_version()}
        yield _gauge("build_info", "Always 1; the labels tell the version.", [(about, 1)])
        yield _gauge("ready", "Whether /readyz says yes.", [({}, not self._health.why_not_ready())])
        if self._settings.has_sources:
            yield from _of_config(board.config or ConfigState())
            yield from _of_sources(list(board.sources.values()))
        if self._settings.command:
            yield from self._of_command()
        yield _counter(
            "orphans_reaped", "Processes that ended and that nobody else waited for.", [({}, self._processes.orphans_reaped)]
        )
        crashes = [({"thread": name}, times) for name, times in list(board.crashes.items())]
        yield _counter("thread_crashes", "Times that a thread of the supervisor had to be started again.", crashes)

    def _of_command(self) -> Iterator[Metric]:
        state = self._processes.state
        is_up = state.pid is not None
        yield _gauge("command_up", "Whether the command runs.", [({}, is_up)])
        if is_up:
            yield _gauge("command_start_time_seconds", "When the command was started, in Unix time.", [({}, state.since)])
        yield _counter("command_starts", "Times that the command was started.", [({}, state.starts)])
        exits = [({"code": str(code)}, times) for code, times in state.exits.items()]
        yield _counter("command_exits", "Times that the command ended, by exit code.", exits)
        forwarded = [({"signal": _name(number)}, times) for number, times in list(self._processes.forwarded.items())]
        yield _counter("signals_forwarded", "Signals that were passed on to the command.", forwarded)


def _of_config(state: ConfigState) -> Iterator[Metric]:
    live = state.live
    if live:
        yield _gauge("config_info", "Always 1; the label tells the revision that is live.", [({"revision": live}, 1)])
        yield _gauge("config_hash", "The revision that is live as a number, to compare instances.", [({}, int(live, 16))])
    yield _gauge("config_in_sync", "Whether what is wanted is live and the app has taken it.", [({}, state.is_in_sync)])
    yield _gauge("config_files", "Files of the revision that is live.", [({}, len(state.files))])
    size = sum(entry.size for entry in state.files.values())
    yield _gauge("config_size_bytes", "Size of all files of the revision that is live.", [({}, size)])
    for name, text, at in (
        ("last_attempt", "When a revision was last attempted", state.outcomes[0].at if state.outcomes else 0.0),
        ("last_success", "When what is wanted was last known to be live", state.last_success),
        ("last_applied", "When a revision last went live", state.last_applied),
        ("failing_since", "Since when the app has not taken what is live", state.failing_since),
    ):
        yield _gauge(f"config_{name}_timestamp_seconds", f"{text}, in Unix time; 0: never.", [({}, at)])
    applies = [({"verdict": verdict.value.replace(" ", "_")}, state.verdicts.get(verdict, 0)) for verdict in Verdict]
    yield _counter("config_applies", "Attempts to make a revision live, by how they ended.", applies)
    yield _histogram("config_apply_duration_seconds", "From taking up a revision to its verdict.", [({}, state.durations)])
    steps = [({"step": name}, histogram) for name, histogram in state.steps.items()]
    yield _histogram("config_step_duration_seconds", "The same for each step; deliver is the reload itself.", steps)
    text = "From the change of an object, by the cluster's clock, to the app's confirmation."
    yield _histogram("config_change_to_live_seconds", text, [({}, state.from_change)])


def _of_sources(sources: list[SourceState]) -> Iterator[Metric]:
    """The age of a contact is refreshed by nothing but a contact."""
    labels = [{"source": source.name} for source in sources]
    up = [(label, not source.problem) for label, source in zip(labels, sources, strict=True)]
    yield _gauge("source_up", "Whether the source can tell what is wanted.", up)
    contacts = [(label, source.contact.last) for label, source in zip(labels, sources, strict=True)]
    text = "Last proof of contact with a source: a list, an event or a bookmark; 0: never."
    yield _gauge("source_last_contact_timestamp_seconds", text, contacts)
    lists = [(label, source.contact.lists) for label, source in zip(labels, sources, strict=True)]
    yield _counter("source_lists", "Times that all of a source was read.", lists)
    watches = [(label, source.contact.watches) for label, source in zip(labels, sources, strict=True)]
    yield _counter("source_watches", "Times that a watch of a source began.", watches)


def _name(number: int) -> str:
    return Signals(number).name if number in set(Signals) else str(number)


def _gauge(name: str, text: str, samples: Iterable[tuple[Mapping[str, str], float]]) -> Metric:
    return _filled(GaugeMetricFamily(_PREFIX + name, text), "", samples)


def _counter(name: str, text: str, samples: Iterable[tuple[Mapping[str, str], float]]) -> Metric:
    return _filled(CounterMetricFamily(_PREFIX + name, text), "_total", samples)


def _filled(family: Metric, suffix: str, samples: Iterable[tuple[Mapping[str, str], float]]) -> Metric:
    for labels, value in samples:
        family.add_sample(family.name + suffix, dict(labels), float(value))
    return family


def _histogram(name: str, text: str, samples: Iterable[tuple[Mapping[str, str], Histogram]]) -> Metric:
    """Buckets hold what the smaller ones hold too (Prometheus documentation, "Histograms")."""
    family = HistogramMetricFamily(_PREFIX + name, text)
    for labels, histogram in samples:
        counts = histogram.counts or (0,) * (len(histogram.bounds) + 1)
        bounds = [*(str(bound) for bound in histogram.bounds), "+Inf"]
        for place, bound in enumerate(bounds):
            family.add_sample(f"{family.name}_bucket", {**labels, "le": bound}, sum(counts[: place + 1]))
        family.add_sample(f"{family.name}_count", dict(labels), sum(counts))
        family.add_sample(f"{family.name}_sum", dict(labels), histogram.sum_s)
    return family
