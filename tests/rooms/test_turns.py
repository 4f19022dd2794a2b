from __future__ import annotations

import time
from threading import Thread

from supervisor.turns import Turns
from tests.running import eventually


def test_nobody_waits_while_all_is_well() -> None:
    """Thirty sources start at once."""
    turns = Turns()
    began = time.monotonic()
    for _ in range(30):
        turns.wait()

    assert time.monotonic() - began < 0.5


def test_in_trouble_one_goes_in_a_second() -> None:
    """Whoever asks."""
    turns = Turns()
    began = time.monotonic()
    turns.wait()
    turns.failed()
    turns.wait()

    assert time.monotonic() - began >= 1


def test_when_one_succeeds_all_go_on() -> None:
    """At once, and not one a second."""
    turns = Turns()
    turns.wait()
    turns.failed()
    waiting = [Thread(target=turns.wait, daemon=True) for _ in range(20)]
    for thread in waiting:
        thread.start()
    turns.succeeded()
    began = time.monotonic()
    eventually(lambda: not any(thread.is_alive() for thread in waiting), "all have gone on")

    assert time.monotonic() - began < 0.8
