"""Bytes that the command prints → JSON lines. Whole chunks at a time, because 50 MB/s leave two microseconds for a line.

`{"message": "…", "time": "…", "stream": "stdout"}`, in the form of our own log. A line that is a JSON object already passes
as it is. No line of ours is longer than 16 KiB, where container runtimes would cut it (Kubernetes' CRI, "partial"): a longer
one becomes several, of which all but the last have `"partial": true`. One that is not UTF-8 has `"invalid_utf8": true`, and
U+FFFD in place of what cannot be read.
"""

from __future__ import annotations

from json.decoder import JSONDecoder
from json.encoder import encode_basestring

_LINE_BYTES_MAX = 16 * 2**10
# A line up to this long fits whatever is in it: each byte becomes six at the most.
_SHORT_BYTES = 2 * 2**10
# So many bytes of a longer one are a piece, unless much of it has to be escaped.
_PIECE_BYTES = _LINE_BYTES_MAX - 256
_PARTIAL = b', "partial": true'
_OTHER_CONTROLS = (
    b"\x00\x01\x02\x03\x04\x05\x06\x07\x08\x0b\x0c\x0e\x0f\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1c\x1d\x1e\x1f"
)


class ChildLines:
    """The lines of one stream. What has no end yet is kept for the next call: `rest`."""

    def __init__(self, stream: str) -> None:
        self._stream = stream.encode()
        self.rest = b""
        self._is_cut = False
        self._decoder = JSONDecoder(parse_constant=_no_constant)

    def feed(self, chunk: bytes, time: str) -> bytes:
        """The JSON lines of all lines that end in `chunk`, with the time at which it was read."""
        whole, newline, rest = chunk.rpartition(b"\n")
        if not newline:
            self.rest += rest
            return self._cut(time)
        lines, self.rest = self.rest + whole, rest
        ended = b""
        if self._is_cut:
            self._is_cut = False
            first, newline, lines = lines.partition(b"\n")
            ended = self._pieces(first, time)
        return ended + (self._rendered(lines, time) if newline else b"") + self._cut(time)

    def end(self, time: str) -> bytes:
        """The JSON line of what was printed last, without a newline."""
        rest, self.rest = self.rest, b""
        if not rest:
            return b""
        return self._pieces(rest, time) if self._is_cut else self._line(rest, time)

    def _rendered(self, lines: bytes, time: str) -> bytes:
        """The JSON lines of several lines, which are divided, and not ended, by newlines."""
        if _has_long_line(lines) or not _is_utf8(lines):
            return b"".join(self._line(line, time) for line in lines.split(b"\n"))
        if b"{" not in lines:
            return self._texts(lines, time)
        parts: list[bytes] = []
        texts: list[bytes] = []
        for line in lines.split(b"\n"):
            if self._is_object(line):
                if texts:
                    parts.append(self._texts(b"\n".join(texts), time))
                    texts = []
                parts += (line, b"\n")
            else:
                texts.append(line)
        if texts:
            parts.append(self._texts(b"\n".join(texts), time))
        return b"".join(parts)

    def _texts(self, lines: bytes, time: str) -> bytes:
        """The same for short lines in UTF-8 that are texts, all at once; rare control characters one by one."""
        if lines.translate(None, _OTHER_CONTROLS) != lines:
            return b"".join(self._text(line, time) for line in lines.split(b"\n"))
        escaped = lines.replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\t", b"\\t")
        escaped = escaped.replace(b"\r", b"\\r").replace(b"\x1b", b"\\u001b")
        begin, end = b'{"message": "', b'", "time": "%s", "stream": "%s"}\n' % (time.encode(), self._stream)
        return begin + escaped.replace(b"\n", end + begin) + end

    def _line(self, line: bytes, time: str) -> bytes:
        """One line of any length and content."""
        if len(line) < _LINE_BYTES_MAX and self._is_object(line):
            return line + b"\n"
        return self._pieces(line, time)

    def _pieces(self, line: bytes, time: str) -> bytes:
        """The end of a line, or all of it, as a text."""
        pieces = []
        while len(line) > _PIECE_BYTES:
            size = _boundary(line, _PIECE_BYTES)
            pieces.append(self._piece(line[:size], time))
            line = line[size:]
        return b"".join(pieces) + self._piece(line, time, b"")

    def _cut(self, time: str) -> bytes:
        """Pieces of a line that goes on, so that no more than one piece has to be kept of it."""
        pieces = []
        while len(self.rest) > _LINE_BYTES_MAX:
            size = _boundary(self.rest, _PIECE_BYTES)
            pieces.append(self._piece(self.rest[:size], time))
            self.rest = self.rest[size:]
            self._is_cut = True
        return b"".join(pieces)

    def _piece(self, piece: bytes, time: str, mark: bytes = _PARTIAL) -> bytes:
        """A piece of a line, in as many lines as it takes if much of it has to be escaped."""
        rendered = self._text(piece, time, mark)
        if len(rendered) <= _LINE_BYTES_MAX:
            return rendered
        half = _boundary(piece, len(piece) // 2)
        return self._piece(piece[:half], time) + self._piece(piece[half:], time, mark)

    def _text(self, line: bytes, time: str, mark: bytes = b"") -> bytes:
        try:
            text = line.decode()
        except UnicodeDecodeError:
            text = line.decode(errors="replace")
            mark += b', "invalid_utf8": true'
        message = encode_basestring(text).encode()
        return b'{"message": %s, "time": "%s", "stream": "%s"%s}\n' % (message, time.encode(), self._stream, mark)

    def _is_object(self, line: bytes) -> bool:
        """Whether a line is a JSON object and nothing else, white space aside."""
        if line[:1] != b"{" and line.lstrip(b" \t")[:1] != b"{":
            return False
        try:
            text = line.decode().strip(" \t\r")
            return self._decoder.raw_decode(text)[1] == len(text)
        except (ValueError, RecursionError):
            return False


def _no_constant(name: str) -> object:
    raise ValueError(name)  # NaN and Infinity are Python's own; JSON has none


def _is_utf8(lines: bytes) -> bool:
    try:
        lines.decode()
    except UnicodeDecodeError:
        return False
    return True


def _has_long_line(lines: bytes) -> bool:
    """Whether a line is longer than what is short, found without looking at each."""
    begin = 0
    while len(lines) - begin > _SHORT_BYTES:
        begin = lines.rfind(b"\n", begin, begin + _SHORT_BYTES + 1) + 1
        if not begin:
            return True
    return False


def _boundary(line: bytes, size: int) -> int:
    """The last place up to `size` at which no character is cut: of UTF-8, up to three bytes follow the first of a character."""
    for place in range(size, max(0, size - 4), -1):
        if line[place] & 0xC0 != 0x80:
            return place
    return size
