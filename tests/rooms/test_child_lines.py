from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor.child_lines import ChildLines

TIME = "2026-11-25T02:31:05.898Z"
LIMIT = 16 * 2**10

# Lines that are short and ordinary, that need escapes, that look like JSON, that are long, and that are no UTF-8.
texts = st.one_of(
    st.binary(max_size=40),
    st.text(max_size=40).map(lambda text: text.encode(errors="replace")),
    st.sampled_from(
        [b"", b"plain", b'say "hello"', b"back\\slash\\n", b"\ttab", b"\x1b[31mred\x1b[0m\r", b"\x00\x07", b"{", b"{}x"]
    ),
    st.builds(
        lambda piece, times: piece * times, st.sampled_from([b"x", b'"', b"\x01", "ж日".encode(), b"\xff"]), st.integers(1, 9000)
    ),
).map(lambda line: line.replace(b"\n", b""))
objects = st.dictionaries(st.text(max_size=5), st.one_of(st.integers(), st.text(max_size=9), st.none()), max_size=3).map(
    lambda value: json.dumps(value).encode()
)


def rendered(printed: bytes, cuts: Sequence[int] = ()) -> list[bytes]:
    """The JSON lines of what was printed, which arrives in pieces cut at these places."""
    lines = ChildLines("stdout")
    places = sorted({0, *(cut % (len(printed) + 1) for cut in cuts), len(printed)})
    chunks = [printed[begin:end] for begin, end in itertools.pairwise(places)]
    found = b"".join([lines.feed(chunk, TIME) for chunk in chunks if chunk] + [lines.end(TIME)])
    assert found == b"" or found.endswith(b"\n")
    return found.split(b"\n")[:-1]


def whole(lines: list[bytes]) -> list[dict[str, Any]]:
    """The lines as objects, those that were cut put together again."""
    found: list[dict[str, Any]] = []
    begun = ""
    for line in lines:
        value = json.loads(line)
        if "stream" not in value:
            found.append(value)
            continue
        begun += value.pop("message")
        if not value.pop("partial", False):
            found.append({**value, "message": begun})
            begun = ""
    return found


def test_a_line_becomes_an_object_with_message_time_and_stream() -> None:
    """In the form of our own log."""
    assert rendered(b"hello\n") == [b'{"message": "hello", "time": "%s", "stream": "stdout"}' % TIME.encode()]


@pytest.mark.parametrize(
    "line",
    [
        b"{}",
        b'{"a": 1}',
        b'  {"a": {"b": [1, 2.5, null]}}  ',
        b'{"a":"\\u00e9\\n"}',
        '{"a": "ж"}'.encode(),
        b'{"a": 1}\r',
        b'{"a": "' + b"x" * (LIMIT - 10) + b'"}',
    ],
)
def test_a_line_that_is_an_object_passes_as_it_is(line: bytes) -> None:
    """Byte for byte, among others too."""
    assert rendered(b"before\n" + line + b"\nafter\n")[1] == line
    assert rendered(line) == [line]


@pytest.mark.parametrize(
    "line",
    [
        b"[1]",
        b"1",
        b'"a"',
        b'{"a": 1} x',
        b'{"a": 1',
        b"{'a': 1}",
        b'{"a": NaN}',
        b'{"a": -Infinity}',
        b'{"a": 1}{}',
        b"{" * 100_000,
        b'{"a": "\xff"}',
        b'{"a": "' + b"x" * LIMIT + b'"}',
        b'{"a": ' + b"9" * 5000 + b"}",
        b'{"a": "\x01"}',
    ],
)
def test_whatever_else_becomes_one(line: bytes) -> None:
    """Also what Python's own reader would take, and JSON would not."""
    (found,) = whole(rendered(line + b"\n"))

    assert found["message"] == line.decode(errors="replace")


def test_a_long_line_is_cut_and_marked() -> None:
    """All pieces but the last say that more follows; none is over 16 KiB, whatever had to be escaped, and no letter is cut."""
    for line in (b"x" * 100_000, "日".encode() * 20_000, b'"' * 30_000, b"\x01" * 30_000, ("a" + "ж" * 30_000).encode()):
        found = rendered(line + b"\nnext\n")
        marks = [json.loads(piece).get("partial", False) for piece in found]

        assert max(map(len, found)) < LIMIT
        assert marks == [True] * (len(found) - 2) + [False, False]
        assert whole(found)[0]["message"] == line.decode()
        assert "invalid_utf8" not in b"".join(found).decode()


def test_the_end_of_a_long_line_is_no_object_of_its_own() -> None:
    """Even if it looks like one and came alone."""
    lines = ChildLines("stdout")
    begun = lines.feed(b"x" * (LIMIT - 256) + b'{"a": 1}' + b" " * 249, TIME)
    ended = lines.feed(b"\n", TIME)

    assert json.loads(begun)["partial"] is True
    assert json.loads(ended)["message"].strip() == '{"a": 1}'


def test_what_is_no_utf8_is_replaced_and_marked() -> None:
    """That line alone."""
    good, bad, other = (json.loads(line) for line in rendered(b"good\nb\xffd\nother\n"))

    assert bad["message"] == "b\ufffdd"
    assert bad["invalid_utf8"] is True
    assert "invalid_utf8" not in good | other


@given(st.lists(st.one_of(texts, objects), max_size=8), st.booleans(), st.lists(st.integers(0, 100_000), max_size=6))
def test_nothing_is_lost_or_added_however_it_arrives(lines: list[bytes], has_end: bool, cuts: list[int]) -> None:
    """Every line comes out once, in order, with its content; and the same however it was cut on the way."""
    printed = b"\n".join(lines) + (b"\n" if has_end and lines else b"")
    expected = printed.split(b"\n")
    if expected[-1] == b"":
        expected.pop()
    found = rendered(printed, cuts)

    assert all(len(line) < LIMIT for line in found)
    restored = [value["message"] if "stream" in value else value for value in whole(found)]
    assert len(restored) == len(expected)
    for value, line in zip(restored, expected, strict=True):
        if isinstance(value, dict):
            assert value == json.loads(line)
        elif "\ufffd" not in value:
            assert value.encode() == line
        else:
            assert value.replace("\ufffd", "") in line.decode(errors="ignore") or value == line.decode(errors="replace")
    assert [json.loads(line) for line in rendered(printed)] == [json.loads(line) for line in found]
