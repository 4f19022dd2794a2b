from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.asking import address_of, ask
from tests.checkout import REPOSITORY
from tests.conftest import Manifest, Start
from tests.running import program

ALERTS = REPOSITORY / "examples" / "alerts.yml"
DASHBOARD: dict[str, Any] = json.loads((REPOSITORY / "examples" / "dashboard.json").read_text())

needs_promtool = pytest.mark.skipif(not shutil.which("promtool"), reason="no promtool")


def expressions() -> list[str]:
    """Every query of the dashboard, with values in place of Grafana's variables."""
    found = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
    return [expr.replace("$__rate_interval", "5m").replace("$job", ".+").replace("$instance", ".+") for expr in found]


def promtool(*words: str, cwd: Path) -> str:
    """What promtool says, which must be content."""
    done = subprocess.run(["promtool", *words], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@needs_promtool
def test_the_alerts_are_accepted(tmp_path: Path) -> None:
    """By the tool that Prometheus brings."""
    assert "SUCCESS" in promtool("check", "rules", str(ALERTS), cwd=tmp_path)


TEST_OF_ALERTS = """
rule_files: [{alerts}]
evaluation_interval: 1m
tests:
- interval: 1m
  input_series:
  - {{series: 'config_supervisor_config_in_sync{{job="app", instance="good"}}', values: "1x60"}}
  - {{series: 'config_supervisor_config_in_sync{{job="app", instance="bad"}}', values: "1x9 0x50"}}
  - {{series: 'config_supervisor_config_info{{job="app", instance="good", revision="a"}}', values: "1x60"}}
  - {{series: 'config_supervisor_config_info{{job="app", instance="bad", revision="b"}}', values: "1x60"}}
  - {{series: 'config_supervisor_source_up{{job="app", instance="bad", source="ConfigMap default/app"}}', values: "0x60"}}
  alert_rule_test:
  - {{eval_time: 12m, alertname: ConfigNotLive, exp_alerts: []}}
  - {{eval_time: 30m, alertname: ConfigNotLive, exp_alerts: [{{
      exp_labels: {{job: app, instance: bad, severity: warning}},
      exp_annotations: {{
        summary: The newest configuration is not live in bad,
        description: "The app or its check has refused it, or the app cannot be reached. The status page and the log say why."
    }} }}]}}
  promql_expr_test:
  - {{expr: 'count(ALERTS{{alertstate="firing"}})', eval_time: 30m, exp_samples: [{{value: 3}}]}}
"""


@needs_promtool
def test_the_alerts_fire_for_whom_they_mean(tmp_path: Path) -> None:
    """One instance of two is not in sync, runs another revision, and cannot reach its source."""
    (tmp_path / "test.yml").write_text(TEST_OF_ALERTS.format(alerts=ALERTS))

    assert "SUCCESS" in promtool("test", "rules", "test.yml", cwd=tmp_path)


@needs_promtool
def test_every_query_of_the_dashboard_is_one(tmp_path: Path) -> None:
    """Prometheus can parse it."""
    rules = [{"record": f"test:{number}", "expr": expr} for number, expr in enumerate(expressions())]
    (tmp_path / "rules.yml").write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))

    assert f"{len(rules)} rules found" in promtool("check", "rules", "rules.yml", cwd=tmp_path)


def test_alerts_and_dashboard_ask_for_what_is_there(start: Start, manifest: Manifest, root: Path) -> None:
    """Every name of ours in them is one that /metrics serves."""
    running = start(
        "--listen=127.0.0.1:0", f"--manifest={manifest(key='one')}", f"--configroot={root}", command=program("show_signals")
    )
    running.wait_for_event("config.applied")
    running.out.wait_for("ready")
    body = ask(address_of(running), "/metrics").body.decode()
    served = {re.sub("_(bucket|sum|count)$", "", name) for name in re.findall(r"^# TYPE (\S+)", body, re.MULTILINE)}
    asked = set(re.findall(r"config_supervisor_\w+", ALERTS.read_text() + " ".join(expressions())))

    assert len(asked) > 10
    assert {re.sub("_(bucket|sum|count)$", "", name) for name in asked} - served == set()


def test_the_dashboard_has_the_shape_that_grafana_imports() -> None:
    """Panels with a place of their own in a grid of 24 columns, a type, and a data source that can be chosen."""
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        assert panel["type"] in {"stat", "timeseries", "table"}
        assert {target["datasource"]["uid"] for target in panel["targets"]} == {"${datasource}"}
        assert panel["title"]
        taken |= cells

    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    assert {"title", "uid", "schemaVersion", "templating", "time", "panels"} <= DASHBOARD.keys()
    assert [variable["name"] for variable in DASHBOARD["templating"]["list"]] == ["datasource", "job", "instance"]
