from __future__ import annotations

import time
from threading import Thread

from supervisor.desired import Desired
from supervisor.model import ConfigObject
from tests.rooms.building import wanted, within

ONE, TWO, THREE = (wanted({"key": text}) for text in ("one", "two", "three"))


Objects = tuple[ConfigObject, ...] | None


def texts(objects: Objects) -> list[str]:
    """The content of each object's only key."""
    assert objects is not None
    return [found.data["key"].decode() for found in objects]


def test_what_was_put_is_there_at_once() -> None:
    """One source, one object, and a serial number that is newer than the start."""
    desired = Desired(("a",))
    desired.put("a", (ONE,))

    serial, objects = within(lambda: desired.wait(0))
    assert serial > 0
    assert texts(objects) == ["one"]


def test_a_newer_word_takes_the_place_of_an_older_one() -> None:
    """Nothing queues: whoever was away gets the newest alone."""
    desired = Desired(("a",))
    for found in (ONE, TWO, THREE):
        desired.put("a", (found,))
    serial, objects = within(lambda: desired.wait(0))

    assert texts(objects) == ["three"]
    assert not desired.is_newer(serial, 0)


def test_objects_come_in_the_order_of_the_sources() -> None:
    """Whichever spoke first: so the same content is always laid out alike."""
    desired = Desired(("a", "b"))
    desired.put("b", (TWO, THREE))
    desired.put("a", (ONE,))

    assert texts(within(lambda: desired.wait(0))[1]) == ["one", "two", "three"]


def test_nothing_is_wanted_before_every_source_has_spoken() -> None:
    """Half a configuration is none."""
    desired = Desired(("a", "b"))
    heard: list[tuple[int, Objects]] = []
    waiting = Thread(target=lambda: heard.append(desired.wait(0)), daemon=True)
    waiting.start()
    desired.put("a", (ONE,))
    desired.put("a", (TWO,))
    waiting.join(0.02)
    before = list(heard)
    desired.put("b", (THREE,))
    waiting.join(10)

    assert before == []
    assert texts(heard[0][1]) == ["two", "three"]


def test_a_source_that_wants_nothing_has_spoken() -> None:
    """An empty word is a word."""
    desired = Desired(("a", "b"))
    desired.put("a", ())
    desired.put("b", (ONE,))

    assert texts(within(lambda: desired.wait(0))[1]) == ["one"]


def test_waiting_for_something_newer_ends_when_it_comes() -> None:
    """Not before: what was there already is not waited for again."""
    desired = Desired(("a",))
    desired.put("a", (ONE,))
    serial, _ = desired.wait(0)
    heard: list[tuple[int, Objects]] = []
    waiting = Thread(target=lambda: heard.append(desired.wait(serial)), daemon=True)
    waiting.start()
    waiting.join(0.02)
    before = list(heard)
    desired.put("a", (TWO,))
    waiting.join(10)

    assert before == []
    assert texts(heard[0][1]) == ["two"]
    assert heard[0][0] > serial


def test_a_pause_ends_early_when_something_newer_is_wanted() -> None:
    """So a retry of an old revision never delays a new one."""
    desired = Desired(("a",))
    desired.put("a", (ONE,))
    serial, _ = desired.wait(0)
    Thread(target=lambda: desired.put("a", (TWO,)), daemon=True).start()
    began = time.monotonic()

    assert desired.is_newer(serial, 30)
    assert time.monotonic() - began < 10


def test_a_pause_is_as_long_as_asked_for_when_nothing_comes() -> None:
    """And says that nothing came."""
    desired = Desired(("a",))
    desired.put("a", (ONE,))
    began = time.monotonic()

    assert not desired.is_newer(1, 0.03)
    assert time.monotonic() - began >= 0.03


def test_who_waits_is_told_to_fall_back_when_a_source_cannot_tell() -> None:
    """Once; and then waits on for all of them."""
    desired = Desired(("a", "b"))
    desired.put("a", (ONE,))
    desired.fall_back()

    assert within(lambda: desired.wait(0)) == (0, None)
    desired.put("b", (TWO,))
    assert texts(within(lambda: desired.wait(0))[1]) == ["one", "two"]


def test_who_waits_already_is_woken_to_fall_back() -> None:
    """As a problem is heard of."""
    desired = Desired(("a",))
    heard: list[tuple[int, Objects]] = []
    waiting = Thread(target=lambda: heard.append(desired.wait(0)), daemon=True)
    waiting.start()
    desired.fall_back()
    waiting.join(10)

    assert heard == [(0, None)]


def test_nobody_falls_back_when_all_have_spoken() -> None:
    """A source may lose its contact later: what it said holds."""
    desired = Desired(("a",))
    desired.fall_back()
    desired.put("a", (ONE,))
    serial, objects = within(lambda: desired.wait(0))
    desired.fall_back()
    desired.put("a", (TWO,))

    assert texts(objects) == ["one"]
    assert texts(within(lambda: desired.wait(serial))[1]) == ["two"]
