from __future__ import annotations

from itertools import accumulate, islice, takewhile

from supervisor.backoff import backoff, no_sooner


def longest(_: float, high: float) -> float:
    """No jitter: the whole delay."""
    return high


def shortest(low: float, _: float) -> float:
    """As much jitter as there is."""
    return low


def test_it_is_this_list_of_numbers() -> None:
    """Short at first, then a second and a half, then a share of the time waited so far: seven twentieths more at each step."""
    delays = [round(delay_s, 3) for delay_s in islice(backoff(longest), 8)]

    assert delays == [0.8, 1.5, 1.5, 1.5, 1.855, 2.504, 3.381, 4.564]


def test_it_grows_to_thirty_seconds_and_stays_there() -> None:
    """A long outage is over within half a minute for everybody."""
    delays = list(islice(backoff(longest), 40))

    assert delays == sorted(delays)
    assert set(delays[20:]) == {30.0}


def test_jitter_shortens_by_up_to_a_half() -> None:
    """Never below a second but for the first, so nothing spins."""
    first, *delays = islice(backoff(shortest), 60)

    assert first == 0.3
    assert min(delays) == 1.0
    assert max(delays) == 15.0


def test_every_delay_is_within_its_bounds() -> None:
    """With the jitter that is really used."""
    for _ in range(20):
        first, *delays = islice(backoff(), 60)
        waited = accumulate([first, *delays])
        full = [min(30.0, max(1.5, 0.35 * waited_s)) for waited_s in waited]

        assert 0.3 <= first <= 0.8
        assert all(max(1.0, whole / 2) <= delay <= whole for delay, whole in zip(delays, full, strict=False))


def test_two_instances_do_not_come_back_together() -> None:
    """Two backoffs are two lists of numbers."""
    assert list(islice(backoff(), 5)) != list(islice(backoff(), 5))


def test_a_short_outage_is_noticed_to_be_over_soon() -> None:
    """After an outage of 5 s the next request comes within 2 s, as the docstring says; in half a minute there are at most 30."""
    moments = list(islice(accumulate(backoff(longest)), 30))
    over_at = next(moment for moment in moments if moment > 5)
    quickest = list(takewhile(lambda moment: moment < 30, accumulate(backoff(shortest))))

    assert over_at - 5 < 2
    assert len(quickest) <= 30


def test_each_use_begins_anew() -> None:
    """Nothing is remembered from one outage to the next."""
    first = backoff(longest)
    list(islice(first, 10))

    assert next(backoff(longest)) == 0.8


def test_what_a_server_asks_all_of_us_to_wait_is_spread() -> None:
    """Never shorter, and up to a quarter longer."""
    assert no_sooner(8, shortest) == 8
    assert no_sooner(8, longest) == 10
    assert no_sooner(0) == 0
