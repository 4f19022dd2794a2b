from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.contract.conftest import App, Watched
from tests.stand_ins.client import Api

Follow = Callable[..., App]


# The others are the same code with other words in the request, and each of these tests takes seconds.
pytestmark = pytest.mark.parametrize(
    "watched",
    ["ConfigMap", "Secret by label", *(pytest.param(one, marks=pytest.mark.slow) for one in ("Secret", "ConfigMap by label"))],
    indirect=True,
)


@pytest.fixture
def running(watched: Watched, follow: Follow) -> App:
    """The program, following a ConfigMap."""
    watched.create({"key": "1"})
    started = follow()
    started.wait_until_started_with("1")
    return started


def test_killed_and_restarted(api: Api, running: App, watched: Watched) -> None:
    """The next change arrives without a restart of ours; the log tells of the outage once, and of its end."""
    api.kill()
    running.running.wait_for_event("source.problem")
    api.start()
    watched.replace({"key": "2"})
    running.wait_until_told("2", deadline_s=40)

    assert running.reloads() == ["2"]
    assert len(running.running.events("source.problem")) <= 3


def test_killed_twice_with_a_change_in_between(api: Api, running: App, watched: Watched) -> None:
    """What was changed while we were cut off is found too."""
    api.kill()
    running.running.wait_for_event("source.problem")
    api.start()
    watched.anew(api.client()).replace({"key": "2"})
    running.wait_until_told("2", deadline_s=40)
    api.kill()
    api.start()
    watched.anew(api.client()).replace({"key": "3"})

    running.wait_until_told("3", deadline_s=40)


def test_stopped_for_a_moment(api: Api, running: App, watched: Watched) -> None:
    """A connection that is open and silent: what was changed meanwhile arrives when the server goes on."""
    api.freeze()
    api.thaw()
    watched.anew(api.client()).replace({"key": "2"})

    running.wait_until_told("2")


def test_compacted_while_it_was_down(api: Api, running: App, watched: Watched) -> None:
    """The version that we would go on from is gone (410): we list again, and have the newest state."""
    for number in range(5):
        watched.replace({"key": f"early {number}"})
    running.wait_until_told("early 4")
    watched.replace({"key": "2"})
    running.wait_until_told("2")
    api.kill()
    running.running.wait_for_event("source.problem")
    api.compact()
    api.start()
    watched.anew(api.client()).replace({"key": "3"})

    running.wait_until_told("3", deadline_s=40)


def test_deleted_while_it_was_down_and_back_with_another_content(api: Api, running: App, watched: Watched) -> None:
    """The object that is found afterwards is another one of the same name."""
    watched.delete()
    running.running.wait_for_event("source.problem")
    api.kill()
    running.running.wait_for_event("source.problem", times=2)
    api.start()
    watched.anew(api.client()).create({"key": "2"})

    running.wait_until_told("2", deadline_s=40)


def test_not_there_when_we_start(api: Api, watched: Watched, follow: Follow) -> None:
    """The command waits, and starts when the server answers."""
    watched.create({"key": "1"})
    api.kill()
    running = follow()
    running.running.wait_for_event("source.problem")
    api.start()

    running.wait_until_started_with("1", deadline_s=40)
