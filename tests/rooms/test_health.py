from __future__ import annotations

from typing import cast

import pytest

from supervisor.inbox import Inbox
from supervisor.processes import Processes
from supervisor.report.facts import facts
from supervisor.report.health import Health
from supervisor.settings import Settings
from supervisor.status import Board


class Main:
    """A main thread that takes a turn when it is woken, as long as it is not stuck."""

    def __init__(self) -> None:
        self.turns = 1
        self.is_stuck = False

    def wake(self) -> None:
        """Take a turn."""
        self.turns += not self.is_stuck


@pytest.fixture
def main() -> Main:
    """One that is well."""
    return Main()


def health(main: Main, moments: list[float], board: Board | None = None, processes: Processes | None = None) -> Health:
    """One that is asked at these moments."""
    clock = iter(moments)
    inbox, its = cast("Inbox", main), cast("Processes", processes)
    return Health(Settings(command=["app"]), board or Board(), inbox, its, lambda: False, lambda: next(clock))


def test_a_main_thread_that_turns_is_well_however_seldom_it_is_asked(main: Main) -> None:
    """A kubelet may ask once an hour."""
    asked = health(main, [0.0, 10.0, 3610.0])

    assert [asked.why_not_live() for _ in range(3)] == ["", "", ""]


def test_a_main_thread_that_is_stuck_is_told_after_ten_seconds(main: Main) -> None:
    """Not sooner: a machine may be slow for a moment. And when it turns again, all is well."""
    asked = health(main, [0.0, 1.0, 5.0, 11.5, 20.0, 21.0])
    well = asked.why_not_live()
    main.is_stuck = True
    first, soon, late = asked.why_not_live(), asked.why_not_live(), asked.why_not_live()
    main.is_stuck = False
    main.wake()

    assert (well, first, soon) == ("", "", "")
    assert late == "the main thread has been stuck for 10 s"
    assert asked.why_not_live() == ""


def test_a_sync_thread_that_is_stuck_is_told_after_all_time_outs(main: Main) -> None:
    """A minute, and a hook and the confirmation may take their time; one that has nothing to do is well."""
    board = Board()
    asked = health(main, [0.0, 1.0, 2.0, 3.0], board)
    idle = asked.why_not_live()
    board.at_work(True)
    board.working_since -= 150
    slow = asked.why_not_live()
    board.working_since -= 10
    stuck = asked.why_not_live()
    board.at_work(False)

    assert (idle, slow) == ("", "")
    assert stuck == "the sync thread has been stuck for 160 s"
    assert asked.why_not_live() == ""


def test_a_sync_thread_that_keeps_crashing_is_told(main: Main) -> None:
    """From the first crash on after which it did nothing; one that works again is well."""
    board = Board()
    asked = health(main, [0.0, 1.0, 2.0], board)
    board.crashed("sync")
    fresh = asked.why_not_live()
    board.down["sync"] -= 100
    board.crashed("sync")
    old = asked.why_not_live()
    board.works("sync")

    assert fresh == ""
    assert old == "the sync thread has been crashing for 100 s"
    assert asked.why_not_live() == ""
    assert board.crashes == {"sync": 2}


def test_a_signal_of_a_new_kind_may_be_forwarded_while_the_facts_are_gathered(main: Main) -> None:
    """The main thread waits for nobody who reads; the signal is in the next answer."""
    processes = Processes(frozenset())

    class Slow(int):
        """A signal; while its number is written, another one is forwarded."""

        def __str__(self) -> str:
            processes.forwarded[1] = 1
            return int.__repr__(self)

    processes.forwarded[Slow(15)] = 1
    found = facts(Settings(command=["app"]), Board(), health(main, [0.0], processes=processes), processes)

    assert cast("dict[str, object]", found["command"])["signals_forwarded"] == {"15": 1}
