from __future__ import annotations

import json
import shutil
import socket
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Start
from tests.manifests import configmap, put
from tests.running import eventually

CONFIG = """
global: {{scrape_interval: 200ms}}
rule_files: [{root}/alerts.yml]
scrape_configs:
- job_name: {job}
  static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
"""
EXAMPLES = Path(__file__).parents[2] / "examples"


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


class Prometheus:
    """The HTTP API of a real one."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}"

    def get(self, path: str, **query: str) -> Any:
        """What the API answers, or nothing while it is not there."""
        try:
            with urllib.request.urlopen(f"{self._url}{path}?{urllib.parse.urlencode(query)}", timeout=10) as answer:
                return json.load(answer)["data"]
        except (urllib.error.URLError, ConnectionError):
            return None

    def value(self, expression: str) -> float | None:
        """The one sample that an expression has now."""
        found = (self.get("/api/v1/query", query=expression) or {}).get("result")
        return float(found[0]["value"][1]) if found else None


pytestmark = pytest.mark.apps


@pytest.mark.skipif(not shutil.which("prometheus"), reason="no prometheus")
def test_a_prometheus_that_we_supervise_scrapes_us(start: Start, tmp_path: Path, root: Path) -> None:
    """It gets its configuration from us, finds us in it, and shows of itself that it has taken the next one."""
    port, own_port = free_port(), free_port()
    manifest = tmp_path / "manifest.yaml"

    def write(job: str) -> None:
        config = CONFIG.format(root=root, port=own_port, job=job)
        data = {"prometheus.yml": config, "alerts.yml": (EXAMPLES / "alerts.yml").read_text()}
        put(manifest, configmap("prometheus", data))

    write("first")
    start(
        f"--listen=127.0.0.1:{own_port}",
        f"--manifest={manifest}",
        f"--configroot={root}",
        f"--reload-http=http://127.0.0.1:{port}/-/reload",
        "--reload-interval=0",
        command=[
            "prometheus",
            f"--config.file={root}/prometheus.yml",
            f"--storage.tsdb.path={tmp_path}/data",
            f"--web.listen-address=127.0.0.1:{port}",
            "--web.enable-lifecycle",
        ],
    )
    prometheus = Prometheus(port)
    eventually(lambda: prometheus.value('up{job="first"}') == 1, "we are scraped", 60)
    in_sync = prometheus.value("config_supervisor_config_in_sync")
    write("second")
    eventually(
        lambda: prometheus.value('config_supervisor_config_applies_total{job="second",verdict="applied"}') == 2, "it shows", 60
    )
    rules = prometheus.get("/api/v1/rules")["groups"][0]["rules"]
    eventually(
        lambda: all(rule["health"] == "ok" for rule in prometheus.get("/api/v1/rules")["groups"][0]["rules"]), "rules run", 60
    )

    assert in_sync == 1
    assert prometheus.value("process_open_fds") is not None
    assert {rule["name"] for rule in rules} >= {"ConfigNotLive", "ConfigSourceDown"}
