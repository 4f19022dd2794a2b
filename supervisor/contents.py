"""Contents as an app shall read them: unpacked, and with variables expanded."""

from __future__ import annotations

import re
import zlib
from typing import TYPE_CHECKING

from supervisor.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# A ConfigMap of 1 MiB can unpack to a gigabyte. The limit is for all files of a revision together.
BYTES_MAX = 64 * 2**20
_CHUNK_BYTES = 2**20
_GZIP = 31  # zlib's number for a gzip head and the largest window
# As Kubernetes does in the arguments of a container ("Define a command and arguments"): $(NAME), and $$ for one $.
_REFERENCE = re.compile(rb"\$(?:(\$)|\(([-._a-zA-Z][-._a-zA-Z0-9]*)\))")


def gunzip(content: bytes, limit: int) -> bytes:
    """Unpack a gzip file, all its members. Raises Refused if it is not a whole one, or is larger than `limit` bytes then."""
    parts: list[bytes] = []
    size = 0
    for part in _unpacked(content):
        size += len(part)
        if size > limit:
            raise Refused(f"unpacked, the files of this revision are larger than {BYTES_MAX >> 20} MiB")
        parts.append(part)
    return b"".join(parts)


def _unpacked(content: bytes) -> Iterator[bytes]:
    """The parts of a gzip file, each of 1 MiB at the most. RFC 1952, 2.2: a file is a series of members."""
    rest = content
    while True:
        member = zlib.decompressobj(_GZIP)
        try:
            while not member.eof:
                part = member.decompress(rest, _CHUNK_BYTES)
                rest = member.unconsumed_tail
                if not part and not rest and not member.eof:
                    raise Refused("it is not a whole gzip file: its end is missing")
                yield part
        except zlib.error:
            raise Refused("it is not a gzip file, or is damaged") from None
        rest = member.unused_data
        if not rest:
            return


def expand(content: bytes, variables: Mapping[str, str], *, may_name: bool) -> bytes:
    """Replace $(NAME) in a text; bytes that are no text stay as they are.

    A text is valid UTF-8 without NUL; what stands in the parentheses but cannot be a name stays. Raises Refused for a variable
    that is not set, with its name only if `may_name`: in a Secret that may be a part of a password.
    """
    if b"$" not in content or not _is_text(content):
        return content
    parts: list[bytes] = []
    end = size = 0
    for found in _REFERENCE.finditer(content):
        value = b"$" if found[1] else _value(found, content, variables, may_name=may_name)
        parts += [content[end : found.start()], value]
        end = found.end()
        size += len(value)
        if size > BYTES_MAX:
            raise Refused(f"expanded, it is larger than {BYTES_MAX >> 20} MiB")
    return b"".join([*parts, content[end:]])


def _is_text(content: bytes) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return b"\0" not in content


def _value(found: re.Match[bytes], content: bytes, variables: Mapping[str, str], *, may_name: bool) -> bytes:
    name = found[2].decode()
    if name not in variables:
        what = f"$({name})" if may_name else "$(…)"
        line = content.count(b"\n", 0, found.start()) + 1
        raise Refused(f"{what} in line {line} is not set in the environment")
    return variables[name].encode(errors="surrogateescape")
