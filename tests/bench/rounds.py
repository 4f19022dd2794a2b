"""Contenders in rounds: each is measured once in every round, in random order, so that what disturbs one disturbs all."""

from __future__ import annotations

import random
import sys
from collections import defaultdict
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager

Measure = Callable[[], Mapping[str, float]]
# By contender, then by what was measured.
Samples = dict[str, dict[str, list[float]]]

_WARM_UP = 2


def interleave(contenders: Mapping[str, Measure], rounds: int, *, warm_up: int = _WARM_UP) -> Samples:
    """Measure every contender once in each round. What the first `warm_up` rounds give is thrown away."""
    samples: Samples = {name: defaultdict(list) for name in contenders}
    for number in range(-warm_up, rounds):
        for name in random.sample(list(contenders), len(contenders)):
            for what, value in contenders[name]().items():
                if number >= 0:
                    samples[name][what].append(value)
    return samples


def batches(start: Callable[[], AbstractContextManager[Mapping[str, Measure]]], number: int, rounds: int) -> Samples:
    """The same with contenders that are started anew for each batch: where the kernel puts a process favours or burdens it."""
    samples: Samples = defaultdict(lambda: defaultdict(list))
    for _ in range(number):
        with start() as contenders:
            for name, found in interleave(contenders, rounds).items():
                for what, values in found.items():
                    samples[name][what] += values
    return samples


def say(text: str) -> None:
    """Tell somebody who waits how far we are."""
    print(f"bench: {text}", file=sys.stderr, flush=True)
