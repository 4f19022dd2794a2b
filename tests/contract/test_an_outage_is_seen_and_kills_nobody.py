from __future__ import annotations

import time
from collections.abc import Callable

from tests.asking import address_of, ask
from tests.behaviour.test_metrics_follow_the_conventions import samples, wait_for_sample
from tests.contract.conftest import App
from tests.running import eventually
from tests.stand_ins.client import Api, Client

StartApp = Callable[..., App]


def test_a_cluster_that_is_away_fails_no_probe_but_shows_in_the_metrics(
    api: Api, client: Client, app: StartApp, name: str
) -> None:
    """The source is down, its last contact is not refreshed; both mend themselves when the server is back."""
    client.create("ConfigMap", "default", name, {"key": "1"})
    running = app("--listen=127.0.0.1:0", "--unhealthy-after=0.1")
    running.wait_until_started_with("1")
    address, source = address_of(running.running), f'{{source="ConfigMap default/{name}"}}'
    wait_for_sample(running.running, "config_in_sync", 1)
    wait_for_sample(running.running, f"source_up{source}", 1)
    contact = f"config_supervisor_source_last_contact_timestamp_seconds{source}"
    seen = samples(running.running)[contact]
    api.kill()
    wait_for_sample(running.running, f"source_up{source}", 0)
    during = {path: ask(address, path).status for path in ("/livez", "/readyz", "/startupz")}
    page = ask(address, "/status.json").json
    away = samples(running.running)[contact]
    api.start()
    wait_for_sample(running.running, f"source_up{source}", 1, deadline_s=40)

    assert during == {"/livez": 200, "/readyz": 200, "/startupz": 200}
    assert page["sources"][0]["ok"] is False
    assert "cannot" in page["sources"][0]["problem"]
    assert page["config"]["in_sync"] is True
    assert away == seen
    assert samples(running.running)[contact] > seen


def test_the_time_from_the_change_to_the_app_is_measured(client: Client, app: StartApp, name: str) -> None:
    """By the object's own time, which is to the second: the first configuration, of whatever age, does not count."""
    client.create("ConfigMap", "default", name, {"key": "1"})
    running = app("--listen=127.0.0.1:0")
    running.wait_until_started_with("1")
    first = samples(running.running)["config_supervisor_config_change_to_live_seconds_count"]
    began_s = int(time.time())
    client.replace("ConfigMap", "default", name, {"key": "2"})
    running.wait_until_told("2")
    counted = "config_supervisor_config_change_to_live_seconds_count"
    eventually(lambda: samples(running.running)[counted] == 1, "the change is counted")

    assert first == 0
    assert 0 < samples(running.running)["config_supervisor_config_change_to_live_seconds_sum"] < time.time() - began_s
