"""How long to wait before asking again."""

from __future__ import annotations

from random import uniform
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_FIRST_S = (0.3, 0.8)
_SHORTEST_S, _SOON_S, _LONGEST_S = 1.0, 1.5, 30.0
_SHARE = 0.35


def backoff(jitter: Callable[[float, float], float] = uniform) -> Iterator[float]:
    """Delays in seconds, without end: a short one, then up to a share of the time waited so far, from 1.5 to 30.

    A share, rather than doubling, so that an outage of 5 s is noticed to be over within 2 s and one of an hour within 30 s.
    At random, down to a half of that, so that many instances do not come back to a server in the same instant; but never less
    than a second, so that a server in trouble gets no more than one request a second from each.
    """
    delay_s, waited_s = jitter(*_FIRST_S), 0.0
    while True:
        yield delay_s
        waited_s += delay_s
        longest_s = min(_LONGEST_S, max(_SOON_S, _SHARE * waited_s))
        delay_s = jitter(max(_SHORTEST_S, longest_s / 2), longest_s)


def no_sooner(seconds: float, jitter: Callable[[float, float], float] = uniform) -> float:
    """What a server asks all of us to wait, in seconds, longer at random by up to a quarter: or all of us would come at once."""
    return seconds * jitter(1.0, 1.25)


def retry_delays(retries: int, jitter: Callable[[float, float], float] = uniform) -> Iterator[float]:
    """So many delays in seconds: they double from 1 to 30, each shortened at random by up to a half.

    Longer than those above: an app that starts again needs its time, and there are only so many tries. Five take about 23 s.
    """
    for number in range(retries):
        yield min(_LONGEST_S, 2.0**number) * jitter(0.5, 1.0)
