from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.conftest import Start
from tests.laws.folders import passing_folder
from tests.running import Running, eventually, program
from tests.stand_ins.api import StandInApi
from tests.stand_ins.client import Client

COUNT = 1000
LABELS = {"app": "web"}


def peak_bytes(running: Running) -> int:
    """The most memory that the program has used so far."""
    lines = Path(f"/proc/{running.pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) * 1024


def follow(start: Start, api: StandInApi, place: Path, selector: str) -> Running:
    """Start the program and its app, and wait until it is there."""
    return start(
        f"--kubeconfig={api.write_kubeconfig(place / 'kubeconfig')}",
        *(f"--configmap-selector={selector}", f"--configroot={place}/{selector}", "--reload-interval=0", "--file-mode=0644"),
        command=program("show_config", f"{place}/{selector}/key0"),
    )


def watched(api: StandInApi) -> set[str]:
    """The labels whose changes somebody has asked for."""
    return {request.query["labelSelector"] for request in api.requests if request.is_watch}


def inodes(root: Path) -> dict[str, int]:
    """Which file each name leads to."""
    return {f"key{number}": (root / f"key{number}").stat().st_ino for number in range(COUNT)}


@pytest.mark.parametrize(
    "size",
    [100, pytest.param(100 * 1024, marks=[pytest.mark.slow, pytest.mark.timeout(300)])],
    ids=["100 KiB together", "100 MiB together"],
)
def test_memory_and_writing_stay_in_proportion(start: Start, size: int) -> None:
    """Memory within three times of the contents, a change is one event of the watch, and only what changed is written."""
    with StandInApi() as api, passing_folder() as place:
        client: Client = api.client()
        client.create("ConfigMap", "default", "small", {"key0": "1"}, labels={"app": "small"})
        small = follow(start, api, place, "app=small")
        small.out.wait_for("^started '1'$", deadline_s=60)
        for number in range(COUNT):
            client.create("ConfigMap", "default", f"o{number}", {f"key{number}": f"{number}:".ljust(size, "x")}, labels=LABELS)
        running = follow(start, api, place, "app=web")
        running.out.wait_for("^started '0:", deadline_s=60)
        root = place / "app=web"
        assert peak_bytes(running) - peak_bytes(small) < 3 * COUNT * size + 4 * 2**20
        pages = [
            request.query for request in api.requests if request.query.get("labelSelector") == "app=web" and not request.is_watch
        ]
        assert [(page["limit"], "continue" in page) for page in pages] == [("500", False), ("500", True)]
        eventually(lambda: watched(api) == {"app=small", "app=web"}, "both have asked for all that they ask for")

        before, asked = inodes(root), len(api.requests)
        client.replace("ConfigMap", "default", "o0", {"key0": "new"}, labels=LABELS)
        running.out.wait_for("^reloaded .* 'new'$", deadline_s=60)
        after = inodes(root)
        assert {name for name in before if before[name] != after[name]} == {"key0"}
        assert [request.path for request in api.requests[asked:] if request.method == "GET"] == []
        changes = eventually(
            lambda: [event["changed"] for event in running.events("config.applied") if len(event["changed"]) == 1], "told"
        )
        assert changes == [[{"path": "key0", "what": "changed", "bytes": 3}]]
        eventually(
            lambda: len([name for name in os.listdir(root) if name.startswith("..")]) <= 4, "two generations and their links"
        )
        assert peak_bytes(running) - peak_bytes(small) < 3 * COUNT * size + 4 * 2**20
        print(f"{(peak_bytes(running) - peak_bytes(small)) / COUNT / size:.2f} times the contents")
