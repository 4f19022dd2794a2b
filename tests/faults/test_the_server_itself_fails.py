"""What happens to the real API server's process, each time with a change that the program has to find afterwards."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest

from tests.conftest import Start
from tests.contract.conftest import App
from tests.faults.conftest import Tried
from tests.running import eventually, soon_s
from tests.stand_ins.real_api import RealApi

SILENCE_S = 100  # that the program bears, and the first watch bears longest: see supervisor.patience
BOUND_S = 35.0


@pytest.fixture
def api(real_api: RealApi) -> Iterator[RealApi]:
    """The real one, which is well again afterwards."""
    real_api.start()
    yield real_api
    real_api.start()


@pytest.fixture
def app(start: Start, api: RealApi, name: str, root: Path, tmp_path: Path) -> App:
    """The program, following a ConfigMap."""
    api.client().create("ConfigMap", "default", name, {"key": "1"})
    app = App(start, api.write_kubeconfig(tmp_path / "kubeconfig"), f"--configmap={name}", root, "--settle=0")
    app.wait_until_started_with("1")
    return app


def live_after(app: App, api: RealApi, name: str) -> float:
    """Change the object now; seconds until the app has it."""
    began = time.monotonic()
    api.client().replace("ConfigMap", "default", name, {"key": "2"})
    app.wait_until_told("2", deadline_s=BOUND_S)
    return time.monotonic() - began


@pytest.mark.slow
def test_killed_and_back_within_five_seconds(api: RealApi, app: App, name: str, tried: Tried) -> None:
    """The change is live within two seconds."""
    ends = time.monotonic() + 4
    api.kill()
    eventually(lambda: time.monotonic() > ends - 1, "it was away")
    api.start()
    recovery_s = live_after(app, api, name)

    assert recovery_s <= max(2, soon_s())
    assert app.reloads() == ["2"]
    tried("the server is killed, and back within 5 s", "the change is live", lost=0, recovery_s=recovery_s)


@pytest.mark.slow
def test_compacted_while_it_was_down(api: RealApi, app: App, name: str, tried: Tried) -> None:
    """The version that we would go on from is gone (410): we list again."""
    api.client().create("ConfigMap", "default", f"{name}-other", {"key": "x"})
    api.kill()
    app.running.wait_for_event("source.problem")
    api.compact()
    api.start()
    recovery_s = live_after(app, api, name)

    assert recovery_s <= BOUND_S
    assert app.reloads() == ["2"]
    tried("etcd is compacted while the server is away", "410, and everything is listed again", lost=0, recovery_s=recovery_s)


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_stopped_for_longer_than_the_read_time_out(api: RealApi, app: App, name: str, tried: Tried) -> None:
    """The watch is given up while the server is stopped, and said so; a change that was sent meanwhile is live soon after."""
    api.freeze()
    began = time.monotonic()
    change = Thread(target=lambda: api.client(300).replace("ConfigMap", "default", name, {"key": "2"}), daemon=True)
    change.start()
    problem = app.running.wait_for_event("source.problem", deadline_s=2 * SILENCE_S)
    assert time.monotonic() - began >= 89
    api.thaw()
    ended = time.monotonic()
    app.wait_until_told("2", deadline_s=BOUND_S)
    recovery_s = time.monotonic() - ended
    change.join()

    assert f"cannot watch ConfigMap default/{name}" in problem["message"]
    assert app.reloads() == ["2"]
    tried("the server is stopped (SIGSTOP) for more than 90 s", "said once; the change is live", lost=0, recovery_s=recovery_s)
