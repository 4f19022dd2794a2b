from __future__ import annotations

import gzip
import os
import tracemalloc
import zlib

import pytest

from supervisor.contents import BYTES_MAX, expand, gunzip
from supervisor.errors import Refused

MANY = 2**40


@pytest.mark.parametrize("content", [b"", b"text\n", bytes(range(256)) * 4096, os.urandom(300_000)])
def test_what_was_packed_is_unpacked(content: bytes) -> None:
    """Byte for byte, whatever it was packed with."""
    assert gunzip(gzip.compress(content), MANY) == content
    assert gunzip(gzip.compress(content, 1), MANY) == content


def test_a_file_may_have_several_members() -> None:
    """As `cat a.gz b.gz` makes it: one after the other, also empty ones."""
    assert gunzip(gzip.compress(b"a") + gzip.compress(b"") + gzip.compress(b"b" * 100_000), MANY) == b"a" + b"b" * 100_000


PACKED = gzip.compress(b"some text, and some more", mtime=0)  # the tests have their names by it


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "its end is missing"),
        (b"plain text", "not a gzip file, or is damaged"),
        (zlib.compress(b"text"), "not a gzip file, or is damaged"),
        (PACKED[:-1], "its end is missing"),
        (PACKED[:12], "its end is missing"),
        (PACKED[:-8] + b"\0" * 8, "not a gzip file, or is damaged"),
        (PACKED + b"garbage", "not a gzip file, or is damaged"),
        (PACKED + b"\0", "its end is missing"),
        (PACKED + PACKED[:5], "its end is missing"),
    ],
)
def test_what_is_no_whole_gzip_file_is_refused(content: bytes, reason: str) -> None:
    """Nothing, something else, a part, a wrong checksum, something behind it. The content is not shown."""
    with pytest.raises(Refused, match=reason) as caught:
        gunzip(content, MANY)

    assert "text" not in str(caught.value)


def test_a_bomb_is_refused_before_it_fills_the_memory() -> None:
    """It is unpacked bit by bit: 256 MiB in a quarter of one cost no more than the limit."""
    bomb = gzip.compress(b"\0" * 2**28, 9)
    tracemalloc.start()
    with pytest.raises(Refused, match="larger than 64 MiB"):
        gunzip(bomb, 10 * 2**20)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert len(bomb) < 2**19
    assert peak < 15 * 2**20


def test_the_limit_itself_is_allowed() -> None:
    """One byte more is not."""
    packed = gzip.compress(b"x" * 100_000)

    assert len(gunzip(packed, 100_000)) == 100_000
    with pytest.raises(Refused):
        gunzip(packed, 99_999)


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("$(A)", "1"),
        ("a=$(A), b=$(B-c.d)!", "a=1, b=zwei!"),
        ("$(A)$(A)", "11"),
        ("$(EMPTY)", ""),
        ("$(LIKE)", "$(A)"),  # once only
        ("$$(A)", "$(A)"),
        ("$$$(A)", "$1"),
        ("$$$$(A)", "$$(A)"),
        ("costs 5$$", "costs 5$"),
        ("$A ${A} $ $( $() $(A", "$A ${A} $ $( $() $(A"),
        ("$(date +%s) $(1A) $(A B)", "$(date +%s) $(1A) $(A B)"),
        ("ü $(A)\r\n", "ü 1\r\n"),
        ("", ""),
        ("$", "$"),
    ],
)
def test_variables_are_expanded_as_in_a_containers_arguments(text: str, expanded: str) -> None:
    """$(NAME), and $$ for a $; all else stays."""
    variables = {"A": "1", "B-c.d": "zwei", "EMPTY": "", "LIKE": "$(A)"}

    assert expand(text.encode(), variables, may_name=True).decode() == expanded


@pytest.mark.parametrize("content", [b"\xff $(A)", b"\0 $(A)", b"$(A) \xc3", "$(A) \ud800".encode(errors="surrogatepass")])
def test_what_is_no_text_stays(content: bytes) -> None:
    """Invalid UTF-8, or a NUL: that is data."""
    assert expand(content, {"A": "1"}, may_name=True) == content


def test_a_variable_of_any_bytes_can_be_put_in() -> None:
    """An environment is not always UTF-8."""
    assert expand(b"$(A)", {"A": "\udcff"}, may_name=True) == b"\xff"


def test_a_variable_that_is_not_set_is_refused_and_named() -> None:
    """With the line; an empty one is set."""
    with pytest.raises(Refused, match=r"^\$\(NAME\) in line 3 is not set in the environment$"):
        expand(b"$(A)\n\n $(NAME)", {"A": ""}, may_name=True)


def test_of_a_secret_only_the_line_is_told() -> None:
    """What looks like a name may be a part of a password."""
    with pytest.raises(Refused) as caught:
        expand(b"password: pa$(canary)", {}, may_name=False)

    assert str(caught.value) == "$(…) in line 1 is not set in the environment"


def test_what_grows_too_large_is_refused() -> None:
    """A short text can refer to a long variable very often."""
    with pytest.raises(Refused, match="larger than 64 MiB"):
        expand(b"$(A)" * 2000, {"A": "x" * 50_000}, may_name=True)

    assert BYTES_MAX == 64 * 2**20
