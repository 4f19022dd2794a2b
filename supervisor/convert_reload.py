"""The same as convert, for the values of the groups *reload* and *safety*."""

from __future__ import annotations

import os
import re
import shlex

from supervisor.convert import to_seconds
from supervisor.profiles import PROFILES

# RFC 9110, 5.6.2, tokens. The two that frame the body are ours.
_HEADER_NAME = re.compile(r"[-!#$%&'*+.^_`|~0-9A-Za-z]+")
_FRAMING = frozenset({"content-length", "transfer-encoding"})


def to_header(text: str) -> tuple[str, str]:
    """`NAME=VALUE` of a header. The error does not quote the value: it may be secret."""
    name, equals, value = text.partition("=")
    if not equals or not _HEADER_NAME.fullmatch(name) or not value.isprintable() or not value.isascii():
        raise ValueError("expected NAME=VALUE in printable ASCII")
    if name.lower() in _FRAMING:
        raise ValueError(f"{name} is set by us")
    return name, value


def to_header_file(text: str) -> tuple[str, str]:
    """`NAME=FILE` of a header; the file may come later."""
    name, path = to_header(text)
    if not path:
        raise ValueError("expected NAME=FILE")
    return name, os.path.abspath(path)


def to_statuses(text: str) -> tuple[tuple[int, int], ...]:
    """`200,204`, `2xx`, `200-299`, or several of them."""
    ranges = []
    for part in text.split(","):
        low, dash, high = part.strip().lower().partition("-")
        if re.fullmatch(r"[1-5]xx", low) and not dash:
            low, high = low.replace("x", "0"), low.replace("x", "9")
        high = high or low
        if not re.fullmatch(r"[1-5][0-9]{2}", low) or not re.fullmatch(r"[1-5][0-9]{2}", high) or low > high:
            raise ValueError("expected statuses, as 2xx or 200,204 or 200-299")
        ranges.append((int(low), int(high)))
    return tuple(ranges)


def to_words(text: str) -> tuple[str, ...]:
    """A command, split as a shell splits it; nothing else of a shell is there."""
    try:
        words = tuple(shlex.split(text))
    except ValueError as error:
        raise ValueError(f"cannot be split into words: {error}") from None
    if not words or "\0" in text:
        raise ValueError("expected a command")
    return words


def to_process(text: str) -> str:
    """The name of a process, or `pid:` and the path of a file."""
    if text.startswith("pid:"):
        if text == "pid:":
            raise ValueError("expected pid:/path/to/file")
        return "pid:" + os.path.abspath(text.removeprefix("pid:"))
    if not text or "/" in text:
        raise ValueError("expected the name of a process, without a path, or pid:/path/to/file")
    return text


def to_pattern(text: str) -> str:
    """A regular expression of Python's."""
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"is not a regular expression: {error}") from None
    if not text:
        raise ValueError("expected a regular expression")
    return text


def to_timeout(text: str) -> float:
    """A length of time in seconds, more than zero."""
    seconds = to_seconds(text)
    if not seconds:
        raise ValueError("expected seconds, more than 0")
    return seconds


def to_profile(text: str) -> str:
    """The name of an app that we know."""
    if text not in PROFILES:
        raise ValueError(f"expected one of {', '.join(sorted(PROFILES))}")
    return text
