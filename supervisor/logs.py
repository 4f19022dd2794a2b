"""The door to standard error: one line per event, written at once if the pipe takes it, else by a thread of its own.

Nobody waits for a log line: a full pipe that nobody reads must not delay a signal. The queue is bounded; when it is full the
oldest line goes, and the next line that gets through says how many did. What is slow to import is imported by the writer.
"""

from __future__ import annotations

import os
import sys
import time
from _thread import allocate_lock, start_new_thread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _thread import LockType
    from typing import Literal

    from pythonjsonlogger.json import JsonFormatter

    Line = dict[str, object]

DEBUG, INFO, WARNING, ERROR = 10, 20, 30, 40
LEVELS = {"debug": DEBUG, "info": INFO, "warning": WARNING, "error": ERROR}
_NAMES = {number: name for name, number in LEVELS.items()}

_LINES_MAX = 2000
_FLUSH_S = 1.0
_STDERR = 2
_TYPE, _PIPE = 0o170000, 0o010000  # S_IFMT and S_IFIFO (inode(7)); stat takes long to import
_PIPE_BUF = 4096  # so much goes into a pipe whole or not at all (pipe(7))


def usual_format() -> Literal["json", "text"]:
    """Text if people read our standard error, else JSON."""
    return "text" if os.isatty(_STDERR) else "json"


class Log:
    """Events, by dotted name, a sentence for people, and fields. Never the content of a file."""

    def __init__(self, form: Literal["json", "text"] = "json", level: int = INFO) -> None:
        self.importing = allocate_lock()
        """Held while a library is imported that has hooks for forks: who forks meanwhile holds it too (spawn)."""
        self._render: _Text | _Json = _Text() if form == "text" else _Json(self.importing)
        self._is_pipe = os.fstat(_STDERR).st_mode & _TYPE == _PIPE
        self._level = level
        self._lock = allocate_lock()
        self._lines: list[Line] = []
        self._has_line = False
        """Whether the writer has taken a line that it has not written yet."""
        self._dropped = 0
        self.writing = allocate_lock()
        """Held while a line is written to standard error, by whoever writes there."""
        self._is_closed = False
        # Locked while there is nothing to write, and while there is a writer. No Event, because threading takes long to import.
        self._nothing, self._writer = allocate_lock(), allocate_lock()

    def debug(self, event: str, message: str, **fields: object) -> None:
        """Tell somebody who looks for a fault."""
        self._put(DEBUG, event, message, fields)

    def info(self, event: str, message: str, **fields: object) -> None:
        """Tell what was done."""
        self._put(INFO, event, message, fields)

    def warning(self, event: str, message: str, **fields: object) -> None:
        """Tell what did not work and is tried again, or does no harm."""
        self._put(WARNING, event, message, fields)

    def error(self, event: str, message: str, **fields: object) -> None:
        """Tell what somebody has to mend."""
        self._put(ERROR, event, message, fields)

    def close(self) -> None:
        """Write what is left, for a second at the most: a reader who is stuck must not keep us."""
        with self._lock:
            self._is_closed = True
            self._wake()
        if self._writer.acquire(timeout=_FLUSH_S):
            self._writer.release()  # a later line gets another

    def _put(self, level: int, event: str, message: str, fields: Line) -> None:
        if level < self._level:
            return
        line = {"message": message, "time": time.time(), "level": _NAMES[level], "event": event, **fields}
        with self._lock:
            if not (self._lines or self._has_line or self._dropped) and self._write_at_once(line):
                return
            if len(self._lines) == _LINES_MAX:
                self._lines.pop(0)
                self._dropped += 1
            self._lines.append(line)
            if not self._writer.locked():
                self._start_writer()
            self._wake()

    def _write_at_once(self, line: Line) -> bool:
        """Write a line without waiting for anybody, if that can be; to wake the writer takes longer than to write."""
        if not self._is_pipe or not self._render.is_ready(line) or not self.writing.acquire(blocking=False):
            return False
        try:
            text = self._text_of(line)
            return len(text) <= _PIPE_BUF and write_now(_STDERR, text)
        finally:
            self.writing.release()

    def _text_of(self, line: Line) -> bytes:
        text = self._render({**line, "time": rfc3339(line["time"])})
        return (text + "\n").encode(errors="backslashreplace")

    def _start_writer(self) -> None:
        self._writer.acquire()
        try:
            start_new_thread(self._write, ())
        except (RuntimeError, MemoryError):  # the container has as many as it may: the next line tries again
            self._writer.release()

    def _wake(self) -> None:
        if self._nothing.locked():
            self._nothing.release()

    def _next(self) -> Line | None:
        """The next line, as soon as there is one; None after the last."""
        while True:
            self._nothing.acquire()
            with self._lock:
                self._has_line = bool(self._lines)
                if self._lines:
                    self._wake()
                    line = self._lines.pop(0)
                    if self._dropped:
                        line["lines_dropped"], self._dropped = self._dropped, 0
                    return line
                if self._is_closed:
                    return None

    def _write(self) -> None:
        while line := self._next():
            try:
                with self.writing:
                    write_all(_STDERR, self._text_of(line))
            except Exception:  # noqa: BLE001 - as for want of memory or descriptors: nobody would write what follows
                self._drop(line)
        self._writer.release()

    def _drop(self, line: Line) -> None:
        with self._lock:
            before = line.get("lines_dropped", 0)
            assert isinstance(before, int)
            self._dropped += before + 1


def rfc3339(seconds: object) -> str:
    """A Unix time as people and machines read it, to the millisecond."""
    assert isinstance(seconds, float)
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    return f"{whole}.{int(seconds % 1 * 1000):03}Z"


class _Json:
    """As JsonFormatter writes it. A line of texts alone does not need it: its import takes as much memory as a plain init."""

    def __init__(self, importing: LockType) -> None:
        self._importing = importing
        self._formatter: JsonFormatter | None = None

    def is_ready(self, line: Line) -> bool:
        """Whether nothing has to be imported for this line."""
        return self._formatter is not None or all(isinstance(value, str) for name, value in line.items() if name != "time")

    def __call__(self, line: Line) -> str:
        texts = [value for value in line.values() if isinstance(value, str)]
        if len(texts) == len(line):
            from _json import encode_basestring_ascii as quoted

            return "{" + ", ".join(f"{quoted(name)}: {quoted(text)}" for name, text in zip(line, texts, strict=True)) + "}"
        if self._formatter is None:
            with self._importing:
                from pythonjsonlogger.json import JsonFormatter

            self._formatter = JsonFormatter()
        return self._formatter.serialize_log_record(line)  # not format, for which a LogRecord must be made first


class _Text:
    """`12:00:00.000 info  event  message  field=value`; what could break the line is quoted."""

    def is_ready(self, _line: Line) -> bool:
        """Whether nothing has to be imported for this line."""
        return True

    def __call__(self, line: Line) -> str:
        time_of_day = str(line.pop("time"))[11:-1]
        level, event, message = line.pop("level"), line.pop("event"), line.pop("message")
        fields = "".join(f" {name}={_plain(value)}" for name, value in line.items())
        return f"{time_of_day} {level:<7} {event}: {_plain(message, quote=False)}{fields}"


def _plain(value: object, *, quote: bool = True) -> str:
    if isinstance(value, (list, tuple)):
        return ",".join(_plain(item) for item in value)
    if isinstance(value, dict):
        return ":".join(_plain(item) for item in value.values() if item not in {None, ""})
    text = str(value)
    return text if text.isprintable() and not (quote and " " in text) else repr(text)


if sys.platform == "linux":

    def write_now(descriptor: int, data: bytes) -> bool:
        """Write to a pipe if it takes all of it at once, whoever else writes there. Not so if the kernel does not know how."""
        try:
            return os.pwritev(descriptor, [data], -1, os.RWF_NOWAIT) == len(data)
        except OSError:
            return False

else:

    def write_now(descriptor: int, data: bytes) -> bool:  # noqa: ARG001
        """There is no call for that."""
        return False


def write_all(descriptor: int, data: bytes) -> bool:
    """Write to a descriptor that others may have made non-blocking: they share the description with us.

    False if nobody is there to read.
    """
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[os.write(descriptor, rest) :]
        except BlockingIOError:
            import select

            poll = select.poll()
            poll.register(descriptor, select.POLLOUT)
            poll.poll()
        except OSError:
            return False
    return True
