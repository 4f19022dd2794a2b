"""How long to wait before asking again."""

from __future__ import annotations

from random import uniform
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_FIRST_S = 0.8
_LONGEST_S = 30.0
_SHARE = 0.4


def backoff(jitter: Callable[[float, float], float] = uniform) -> Iterator[float]:
    """Delays in seconds, without end: a share of the time waited so far, from 0.8 to 30, shortened at random by up to a half.

    A share, rather than doubling, so that an outage of 5 s is noticed to be over within 2 s and one of an hour within 30 s;
    at random, so that many instances do not come back to a server in the same instant. Over the first half minute that is
    about one request in two seconds, later two to four a minute.
    """
    waited_s = 0.0
    while True:
        delay_s = min(_LONGEST_S, max(_FIRST_S, _SHARE * waited_s)) * jitter(0.5, 1.0)
        yield delay_s
        waited_s += delay_s


def retry_delays(retries: int, jitter: Callable[[float, float], float] = uniform) -> Iterator[float]:
    """So many delays in seconds: they double from 1 to 30, each shortened at random by up to a half.

    Longer than those above: an app that starts again needs its time, and there are only so many tries. Five take about 23 s.
    """
    for number in range(retries):
        yield min(_LONGEST_S, 2.0**number) * jitter(0.5, 1.0)
