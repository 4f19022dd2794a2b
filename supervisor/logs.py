"""The door to standard error: one line per event, written by a thread of its own.

Nobody waits for a log line: a full pipe that nobody reads must not delay a signal. The queue is bounded; when it is full the
oldest line goes, and the next line that gets through says how many did. What is slow to import is imported by the writer.
"""

from __future__ import annotations

import os
import select
import time
from collections import deque
from threading import Event, Lock, Thread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from supervisor.settings import LogSettings

    Line = dict[str, object]

DEBUG, INFO, WARNING, ERROR = 10, 20, 30, 40
LEVELS = {"debug": DEBUG, "info": INFO, "warning": WARNING, "error": ERROR}
_NAMES = {number: name for name, number in LEVELS.items()}

_LINES_MAX = 2000
_FLUSH_S = 1.0
_STDERR = 2


class Log:
    """Events, by dotted name, a sentence for people, and fields. Never the content of a file."""

    def __init__(self, settings: LogSettings) -> None:
        self._settings = settings
        self._lines: deque[Line | None] = deque(maxlen=_LINES_MAX)
        self._dropped = 0
        self._there_is_more = Event()
        self._writer: Thread | None = None
        self.lock = Lock()
        """Held while a line is written to standard error, by whoever writes there."""

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
        if self._writer:
            self._append(None)
            self._writer.join(_FLUSH_S)

    def _put(self, level: int, event: str, message: str, fields: Line) -> None:
        if level < self._settings.level:
            return
        self._append({"time": time.time(), "level": _NAMES[level], "event": event, "message": message, **fields})
        if self._writer is None:
            self._writer = Thread(target=self._write, name="log", daemon=True)
            self._writer.start()

    def _append(self, line: Line | None) -> None:
        self._dropped += len(self._lines) == _LINES_MAX
        self._lines.append(line)
        self._there_is_more.set()

    def _write(self) -> None:
        render = _text if self._settings.format == "text" else _json()
        while True:
            self._there_is_more.wait()
            self._there_is_more.clear()
            while self._lines:
                line = self._lines.popleft()
                if line is None:
                    return
                if self._dropped:
                    line["lines_dropped"], self._dropped = self._dropped, 0
                line["time"] = rfc3339(line["time"])
                with self.lock:
                    write_all(_STDERR, (render(line) + "\n").encode(errors="backslashreplace"))


def rfc3339(seconds: object) -> str:
    """A Unix time as people and machines read it, to the millisecond."""
    assert isinstance(seconds, float)
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    return f"{whole}.{int(seconds % 1 * 1000):03}Z"


def _json() -> Callable[[Line], str]:
    from logging import makeLogRecord

    from pythonjsonlogger.json import JsonFormatter

    formatter = JsonFormatter("")
    return lambda line: formatter.format(makeLogRecord({"msg": line}))


def _text(line: Line) -> str:
    """`12:00:00.000 info  event  message  field=value`; what could break the line is quoted."""
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


def write_all(descriptor: int, data: bytes) -> bool:
    """Write to a descriptor that others may have made non-blocking: they share the description with us.

    False if nobody is there to read.
    """
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[os.write(descriptor, rest) :]
        except BlockingIOError:
            poll = select.poll()
            poll.register(descriptor, select.POLLOUT)
            poll.poll()
        except OSError:
            return False
    return True
