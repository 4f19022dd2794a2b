"""Measure and print one table:  python -m tests.bench [init] [--quick] [--only=WORD] [--json=FILE].

`init` measures only what a plain init does. `--quick` proves that every row can be measured, and its figures mean nothing.
`--only` measures the groups of rows whose name holds the word. $BENCH_PROGRAM measures another installation of the program.
What needs a cluster needs KUBEBUILDER_ASSETS: a folder with etcd and kube-apiserver, as setup-envtest lays it out.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.bench import child_logs, fleet, inits, propagation, rest, start
from tests.bench.cluster import cluster
from tests.bench.rows import Missing, Row
from tests.bench.table import as_json, machine, render

Rows = Iterator[Row | Missing]

_OF_INIT: dict[str, Callable[..., Rows]] = {
    "start of a plain init": start.plain_rows,
    "rest of a plain init": rest.plain_rows,
    "signals and orphans": inits.rows,
}
_WITH_CLUSTER: dict[str, Callable[..., Rows]] = {
    "propagation": propagation.propagation_rows,
    "storm of PUTs": propagation.storm_rows,
    "start with a ConfigMap": start.configmap_rows,
    "rest with a ConfigMap": rest.configmap_rows,
    "fleet": fleet.rows,
}
_OTHER: dict[str, Callable[..., Rows]] = {"child logs": child_logs.rows}


def main() -> None:
    """Measure what is wanted, print the table, write the JSON."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("what", nargs="?", choices=["all", "init"], default="all")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", default="", metavar="WORD")
    parser.add_argument("--json", metavar="FILE", type=Path)
    wanted = parser.parse_args()
    rows = list(_rows(wanted.what, wanted.only, quick=wanted.quick))
    print(render(rows))
    print("\n" + ", ".join(f"{name} {value}" for name, value in machine().items()))
    if wanted.json:
        wanted.json.write_text(as_json(rows, quick=wanted.quick) + "\n")
    if any(isinstance(row, Missing) and row.failed for row in rows):
        sys.exit(1)


def _rows(what: str, only: str, *, quick: bool) -> Rows:
    without = _OF_INIT if what == "init" else _OF_INIT | _OTHER
    with_cluster = {name: rows for name, rows in _WITH_CLUSTER.items() if what == "all" and only in name}
    if with_cluster and not os.environ.get("KUBEBUILDER_ASSETS"):
        yield from (Missing(name, "no KUBEBUILDER_ASSETS") for name in with_cluster)
    elif with_cluster:
        with tempfile.TemporaryDirectory(prefix="bench-") as folder, cluster(Path(folder)) as api:
            for name, rows in with_cluster.items():
                yield from _as_measured(name, rows(api, quick=quick))
    for name, rows in without.items():
        if only in name:
            yield from _as_measured(name, rows(quick=quick))


def _as_measured(name: str, rows: Rows) -> Rows:
    """Show each row to whoever waits. A group that fails leaves a word in the table, and the others go on."""
    try:
        for row in rows:
            print(render([row]).splitlines()[-1], file=sys.stderr, flush=True)
            yield row
    except (OSError, RuntimeError, AssertionError, subprocess.SubprocessError) as error:
        traceback.print_exc()
        yield Missing(name, f"{type(error).__name__}: {error}".splitlines()[0], failed=True)


if __name__ == "__main__":
    main()
