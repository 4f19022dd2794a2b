from __future__ import annotations

from supervisor.patience import Patience


def test_a_quiet_server_is_soon_left_in_peace() -> None:
    """Ninety seconds, then twice as long each time, until a watch ends by itself before."""
    patience, waited = Patience(), []
    for _ in range(5):
        waited.append(patience.silence_s)
        patience.ran_out()

    assert waited == [90, 180, 360, 660, 660]


def test_where_bookmarks_come_two_may_be_missed() -> None:
    """One a minute, or one in five; but never less than ninety seconds, however often they come."""
    each_minute, rare, often = Patience(), Patience(), Patience()
    for number in range(4):
        each_minute.bookmark(number * 60.0)
        rare.bookmark(number * 300.0)
        often.bookmark(number * 1.0)

    assert (each_minute.silence_s, rare.silence_s, often.silence_s) == (120, 600, 90)


def test_a_bookmark_after_a_connection_that_had_died_brings_the_old_patience_back() -> None:
    """The pause counts once; the next bookmark comes in time."""
    patience = Patience()
    patience.bookmark(0.0)
    patience.bookmark(60.0)
    patience.ran_out()
    patience.bookmark(200.0)
    patience.bookmark(260.0)

    assert patience.silence_s == 120
