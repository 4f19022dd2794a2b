"""Python begins with this where the folder is in PYTHONPATH: what is random between two bounds is the upper one: `--splay`."""

import random


def longest(_: float, most: float) -> float:
    return most


random.uniform = longest  # type: ignore[assignment]
