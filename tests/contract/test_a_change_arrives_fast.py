from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

import pytest

from tests.contract.conftest import App
from tests.stand_ins.client import Client
from tests.stand_ins.real_api import RealApi

MEDIAN_MAX_S = 0.010
CHANGES = 40
ROUNDS = 3  # of which the best counts: what else runs on this machine is not what is measured


@pytest.fixture(params=["real"])
def api(real_api: RealApi) -> RealApi:
    """A bound on time says something of the real one only."""
    real_api.start()
    return real_api


def test_from_the_answer_of_the_put_to_the_apps_handler_it_takes_less_than_ten_milliseconds(
    client: Client, app: Callable[..., App], name: str
) -> None:
    """In the middle of forty changes, each made when the one before has arrived; in one round of three."""
    client.create("ConfigMap", "default", name, {"key": "start"})
    running = app()
    running.wait_until_started_with("start")

    medians = [
        median(arrival_s(client, running, name, f"{turn}-{change}") for change in range(CHANGES)) for turn in range(ROUNDS)
    ]
    assert min(medians) < MEDIAN_MAX_S, medians


def arrival_s(client: Client, running: App, name: str, value: str) -> float:
    """Seconds from the API's answer to a change until the app's handler ran: less than nothing if that came first."""
    client.replace("ConfigMap", "default", name, {"key": value})
    answered_ns = time.monotonic_ns()
    line = running.running.out.wait_for(f"^reloaded .* '{value}'$")
    return (int(line.split()[1]) - answered_ns) / 1e9
