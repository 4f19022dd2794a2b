from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.contract.conftest import App
from tests.stand_ins.client import Api, Client

StartApp = Callable[..., App]


@pytest.fixture
def running(client: Client, app: StartApp, name: str) -> App:
    """The program, following a ConfigMap."""
    client.create("ConfigMap", "default", name, {"key": "1"})
    started = app()
    started.wait_until_started_with("1")
    return started


def test_killed_and_restarted(api: Api, client: Client, running: App, name: str) -> None:
    """The next change arrives without a restart of ours; the log tells of the outage once, and of its end."""
    api.kill()
    running.running.wait_for_event("source.problem")
    api.start()
    client.replace("ConfigMap", "default", name, {"key": "2"})
    running.wait_until_told("2", deadline_s=40)

    assert running.reloads() == ["2"]
    assert len(running.running.events("source.problem")) <= 3


def test_killed_twice_with_a_change_in_between(api: Api, running: App, name: str) -> None:
    """What was changed while we were cut off is found too."""
    api.kill()
    running.running.wait_for_event("source.problem")
    api.start()
    api.client().replace("ConfigMap", "default", name, {"key": "2"})
    running.wait_until_told("2", deadline_s=40)
    api.kill()
    api.start()
    api.client().replace("ConfigMap", "default", name, {"key": "3"})

    running.wait_until_told("3", deadline_s=40)


def test_stopped_for_a_moment(api: Api, running: App, name: str) -> None:
    """A connection that is open and silent: what was changed meanwhile arrives when the server goes on."""
    api.freeze()
    api.thaw()
    api.client().replace("ConfigMap", "default", name, {"key": "2"})

    running.wait_until_told("2")


def test_compacted_while_it_was_down(api: Api, client: Client, running: App, name: str) -> None:
    """The version that we would go on from is gone (410): we list again, and have the newest state."""
    for number in range(5):
        client.replace("ConfigMap", "default", f"{name}", {"key": f"early {number}"})
    running.wait_until_told("early 4")
    client.replace("ConfigMap", "default", name, {"key": "2"})
    running.wait_until_told("2")
    api.kill()
    running.running.wait_for_event("source.problem")
    api.compact()
    api.start()
    api.client().replace("ConfigMap", "default", name, {"key": "3"})

    running.wait_until_told("3", deadline_s=40)


def test_deleted_while_it_was_down_and_back_with_another_content(api: Api, client: Client, running: App, name: str) -> None:
    """The object that is found afterwards is another one of the same name."""
    client.delete("ConfigMap", "default", name)
    running.running.wait_for_event("source.problem")
    api.kill()
    running.running.wait_for_event("source.problem", times=2)
    api.start()
    api.client().create("ConfigMap", "default", name, {"key": "2"})

    running.wait_until_told("2", deadline_s=40)


def test_not_there_when_we_start(api: Api, client: Client, app: StartApp, name: str) -> None:
    """The command waits, and starts when the server answers."""
    client.create("ConfigMap", "default", name, {"key": "1"})
    api.kill()
    running = app()
    running.running.wait_for_event("source.problem")
    api.start()

    running.wait_until_started_with("1")
