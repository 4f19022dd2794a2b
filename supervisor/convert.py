"""One value of the command line or the environment → what it means. Each raises ValueError saying what is expected."""

from __future__ import annotations

import os
import re
import signal
from typing import Literal
from urllib.parse import urlsplit

from supervisor.logs import LEVELS
from supervisor.settings import Address, ObjectName

# Kubernetes documentation, "Object Names and IDs": RFC 1123 labels and subdomains.
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_NAME_MAX = 253
_PORT_MAX = 65535
_SOCKET_PATH_BYTES_MAX = 107  # unix(7)


def to_object_name(text: str) -> ObjectName:
    """`[NAMESPACE/]NAME`; without a namespace it is `default`, as in the Go program."""
    namespace, slash, name = text.rpartition("/")
    if not slash:
        namespace = "default"
    if not _LABEL.fullmatch(namespace):
        raise ValueError(f"{namespace!r} is not a namespace; expected [NAMESPACE/]NAME")
    if not _SUBDOMAIN.fullmatch(name) or len(name) > _NAME_MAX:
        raise ValueError(f"{name!r} is not the name of an object; expected [NAMESPACE/]NAME")
    return ObjectName(namespace, name)


def to_existing_file(text: str) -> str:
    """The absolute path of a file that is there."""
    if not os.path.isfile(text):
        raise ValueError("there is no such file")
    return os.path.abspath(text)


def to_folder(text: str) -> str:
    """The absolute path of a folder that is there or can be made."""
    if os.path.exists(text) and not os.path.isdir(text):
        raise ValueError("is not a folder")
    return os.path.abspath(text)


def to_url(text: str) -> str:
    """A URL of http or https with a host."""
    url = urlsplit(text)
    if url.scheme not in {"http", "https"} or not url.hostname or not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("expected http://HOST[:PORT]/PATH or https://…")
    if url.port == 0:  # reading it raises ValueError if it is out of range
        raise ValueError("port 0 cannot be reached")
    return text


def to_method(text: str) -> str:
    """An HTTP method."""
    if not re.fullmatch(r"[A-Za-z]{1,20}", text):
        raise ValueError("expected an HTTP method, as POST")
    return text.upper()


def to_signal(text: str) -> int:
    """A signal by number, or by name with or without SIG."""
    name = text.upper().removeprefix("SIG")
    number = int(name) if re.fullmatch(r"[0-9]{1,2}", name) else getattr(signal, f"SIG{name}", None)
    if not isinstance(number, int) or number not in signal.valid_signals():
        raise ValueError("expected a signal, as HUP or 1")
    if number in {signal.SIGKILL, signal.SIGSTOP}:
        raise ValueError("no process can reload on that signal")
    return int(number)


def to_seconds(text: str) -> float:
    """A length of time in seconds, zero or more."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1
    if not 0 <= seconds <= 1e9:
        raise ValueError("expected seconds, as 30 or 0.5")
    return seconds


def to_whole_number(text: str) -> int:
    """A whole number, zero or more."""
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise ValueError("expected a whole number")
    return int(text)


def to_address(text: str) -> Address:
    """`HOST:PORT`, `:PORT` for all addresses, `[IPV6]:PORT`, or `unix:PATH`."""
    if text.startswith("unix:"):
        path = os.path.abspath(text.removeprefix("unix:"))
        if text == "unix:" or len(os.fsencode(path)) > _SOCKET_PATH_BYTES_MAX:
            raise ValueError(f"expected unix:PATH, with a path of at most {_SOCKET_PATH_BYTES_MAX} bytes")
        return Address(path=path)
    match = re.fullmatch(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9.-]*)):([0-9]{1,5})", text)
    if not match or int(match[3]) > _PORT_MAX:
        raise ValueError("expected HOST:PORT, :PORT, [IPV6]:PORT or unix:PATH")
    return Address(match[1] or match[2] or "", int(match[3]))


def to_log_format(text: str) -> Literal["json", "text"]:
    """`auto` is text if people read our standard error."""
    if text == "auto":
        return "text" if os.isatty(2) else "json"
    if text not in {"json", "text"}:
        raise ValueError("expected json, text or auto")
    return "json" if text == "json" else "text"


def to_child_logs(text: str) -> Literal["raw", "json"]:
    """What becomes of what the command prints."""
    if text not in {"raw", "json"}:
        raise ValueError("expected raw or json")
    return "json" if text == "json" else "raw"


def to_level(text: str) -> int:
    """The number of a log level."""
    if text.lower() not in LEVELS:
        raise ValueError("expected debug, info, warning or error")
    return LEVELS[text.lower()]
