"""One value of the command line or the environment → what it means. Each raises ValueError saying what is expected."""

from __future__ import annotations

import os
import re
import signal
from typing import TYPE_CHECKING, Literal
from urllib.parse import unquote, urlsplit

from supervisor.logs import LEVELS, usual_format
from supervisor.settings import Address, User

if TYPE_CHECKING:
    from pwd import struct_passwd

_PORT_MAX = 65535
_SOCKET_PATH_BYTES_MAX = 107  # unix(7)
_SIGNAL = re.compile(r"(?:SIG)?([A-Z0-9]+)([+-][0-9]{1,2})?", re.ASCII)
_ID_MAX = 2**32 - 2  # the largest one is -1, which setuid(2) takes for "leave it"


def to_existing_file(text: str) -> str:
    """The absolute path of a file that is there."""
    if not os.path.isfile(text):
        raise ValueError("there is no such file")
    return os.path.abspath(text)


def to_file(text: str) -> str:
    """The absolute path of a file that is there or can be made."""
    if os.path.isdir(text):
        raise ValueError("is a folder")
    if not os.path.isdir(os.path.dirname(os.path.abspath(text))):
        raise ValueError("its folder does not exist")
    return os.path.abspath(text)


def to_folder(text: str) -> str:
    """The absolute path of a folder that is there or can be made."""
    if os.path.exists(text) and not os.path.isdir(text):
        raise ValueError("is not a folder")
    return os.path.abspath(text)


def to_url(text: str) -> str:
    """A URL of http or https with a host, or of http+unix with a socket's path, %-encoded, in the place of the host."""
    url = urlsplit(text)
    is_plain = text.isascii() and text.isprintable() and " " not in text
    if url.scheme == "http+unix" and is_plain:
        if not unquote(url.netloc).startswith("/"):
            raise ValueError("expected http+unix://%2Fpath%2Fto%2Fsocket/PATH")
        return text
    if url.scheme not in {"http", "https"} or not url.hostname or not is_plain:
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
    """A signal that a process can reload on: by number, or by name with or without SIG, also as RTMIN+1."""
    number = to_any_signal(text)
    if number in {signal.SIGKILL, signal.SIGSTOP}:
        raise ValueError("no process can reload on that signal")
    return number


def to_any_signal(text: str) -> int:
    """A signal by number, or by name with or without SIG, also as RTMIN+1."""
    found = _SIGNAL.fullmatch(text.upper())
    name, offset = found.groups() if found else ("", None)
    number = int(name) if name.isdecimal() else getattr(signal, f"SIG{name}", 0)
    if offset and name in {"RTMIN", "RTMAX"}:
        number += int(offset)
    elif offset:
        number = 0
    if number not in signal.valid_signals():
        raise ValueError("expected a signal, as HUP or 1")
    return int(number)


def to_rewrite(text: str) -> tuple[int, int]:
    """`A:B`: what is sent to us, and what the command gets instead, 0 for nothing."""
    sent, colon, got = text.partition(":")
    if not colon:
        raise ValueError("expected A:B, as TERM:QUIT, or TERM:0 to drop it")
    number = to_any_signal(sent)
    if number in {signal.SIGKILL, signal.SIGSTOP}:
        raise ValueError(f"{sent} cannot be caught, so that it cannot be rewritten")
    if number == signal.SIGCHLD:
        raise ValueError(f"{sent} is never forwarded: it tells of our own children")
    return number, 0 if got == "0" else to_any_signal(got)


def to_exit_code(text: str) -> int:
    """An exit code."""
    if not re.fullmatch(r"[0-9]{1,3}", text) or int(text) > 255:
        raise ValueError("expected an exit code, from 0 to 255")
    return int(text)


def to_user(text: str) -> User:
    """`USER[:GROUP]`, names or numbers, by the rules of gosu and docker run --user: numbers need not be known here.

    A user that is known has its group, home and, if no group is named, its supplementary groups; else the group is ours.
    """
    name, colon, group = text.partition(":")
    if not name or (colon and not group):
        raise ValueError("expected USER or USER:GROUP, as app, 1000 or 1000:1000")
    known = _known_user(name)
    uid, gid, home = (known.pw_uid, known.pw_gid, known.pw_dir) if known else (_to_id(name, "user"), os.getgid(), "/")
    groups = tuple(os.getgrouplist(known.pw_name, gid)) if known and not group else ()
    return User(text, uid, _to_group(group) if group else gid, groups, home)


def _known_user(name: str) -> struct_passwd | None:
    import pwd

    try:
        return pwd.getpwuid(_to_id(name, "user")) if name.isdecimal() else pwd.getpwnam(name)
    except KeyError:
        return None


def _to_group(name: str) -> int:
    import grp

    try:
        return _to_id(name, "group") if name.isdecimal() else grp.getgrnam(name).gr_gid
    except KeyError:
        return _to_id(name, "group")


def _to_id(text: str, what: str) -> int:
    if not re.fullmatch(r"[0-9]{1,10}", text):
        raise ValueError(f"there is no {what} {text!r} here")
    if int(text) > _ID_MAX:
        raise ValueError(f"{text} is too large for a {what}'s number")
    return int(text)


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
        return usual_format()
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
