from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.contract.conftest import App
from tests.stand_ins.real_api import RealApi

SILENCE_S = 100  # that the program bears, and the first watch bears longest: see supervisor.cluster


@pytest.fixture(params=["real"])
def api(real_api: RealApi) -> Iterator[RealApi]:
    """Two minutes are spent on the real one only."""
    real_api.start()
    yield real_api
    real_api.thaw()


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_stopped_for_longer_than_the_read_time_out(api: RealApi, app: Callable[..., App], name: str) -> None:
    """The watch is given up while the server is still stopped, and said so; the next change arrives without a restart of ours."""
    api.client().create("ConfigMap", "default", name, {"key": "1"})
    running = app()
    running.wait_until_started_with("1")

    api.freeze()
    problem = running.running.wait_for_event("source.problem", deadline_s=SILENCE_S + 10)
    api.thaw()
    api.client().replace("ConfigMap", "default", name, {"key": "2"})
    running.wait_until_told("2", deadline_s=60)

    assert f"cannot watch ConfigMap default/{name}" in problem["message"]
    assert running.reloads() == ["2"]
