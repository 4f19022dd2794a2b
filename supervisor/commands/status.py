"""`config-supervisor status`: ask the one that runs, at the address where it listens, and say it in a terminal's words."""

from __future__ import annotations

import json
import os
import socket
import sys
from typing import TYPE_CHECKING, Any

from supervisor.convert import to_address
from supervisor.errors import UsageError
from supervisor.report.wording import age, amount, count, headline, reasons

if TYPE_CHECKING:
    from collections.abc import Iterator

    from supervisor.cli import Asked
    from supervisor.settings import Address

_ANSWER_S = 5.0
_ANSWER_BYTES_MAX = 16 * 2**20
_OUTCOMES_MAX = 10
_COLOURS = {"good": "\033[32m", "wait": "\033[33m", "bad": "\033[31m"}
_PLAIN = "\033[0m"
_VERDICTS = {"applied": "good", "unchanged": "good"}

Row = tuple[str, str, str]  # what, a class of colour or nothing, text


def tell(asked: Asked) -> int:
    """Print it; 0 if the supervisor is ready, 1 if it is not or does not answer."""
    address = asked.settings.report.listen or _address_of_pid1()
    if address is None:
        raise UsageError(["status: --listen is missing: the address where the supervisor listens"])
    try:
        text = _ask(address)
        facts: dict[str, Any] = json.loads(text)
    except (OSError, ValueError) as error:
        print(f"config-supervisor: cannot ask {address}: {getattr(error, 'strerror', None) or error}", file=sys.stderr)
        return 1
    if asked.given.flag("--json"):
        sys.stdout.write(text.decode())
    else:
        print(*_lines(facts, is_terminal=sys.stdout.isatty()), sep="\n")
    sys.stdout.flush()
    return 0 if facts["probes"]["ready"]["ok"] else 1


def _address_of_pid1() -> Address | None:
    """Where the supervisor listens whose container we are in: an exec probe has its files, but not its options."""
    try:
        with open("/proc/1/cmdline", "rb") as file:
            words = os.fsdecode(file.read()).split("\0")
        given = [
            word.partition("=")[2]
            for word in words[: words.index("--") if "--" in words else None]
            if word.startswith("--listen=")
        ]
        return to_address(given[0]) if given else None
    except (OSError, ValueError):
        return None


def answers(address: Address) -> bool:
    """Whether a config-supervisor answers at an address."""
    try:
        return bool(_ask(address))
    except (OSError, ValueError):
        return False


def _ask(address: Address) -> bytes:
    """The body of /status.json. Raises OSError, and ValueError if somebody else listens there."""
    with _connect(address) as connection:
        connection.sendall(b"GET /status.json HTTP/1.1\r\nHost: status\r\nConnection: close\r\n\r\n")
        received = bytearray()
        while chunk := connection.recv(2**16):
            received += chunk
            if len(received) > _ANSWER_BYTES_MAX:
                raise ValueError("its answer does not end")
    head, _, body = bytes(received).partition(b"\r\n\r\n")
    facts = json.loads(body) if head.startswith(b"HTTP/1.1 200 ") else None
    if not isinstance(facts, dict) or "probes" not in facts:
        raise ValueError("it is no config-supervisor that answers")
    return body


def _connect(address: Address) -> socket.socket:
    if not address.path:
        return socket.create_connection((address.host or "localhost", address.port), _ANSWER_S)
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(_ANSWER_S)
    connection.connect(address.path)
    return connection


def _lines(facts: dict[str, Any], *, is_terminal: bool) -> Iterator[str]:
    """Lines of `what: text`; on a terminal the texts stand below each other, and good and bad have their colours."""
    state, title = headline(facts)
    rows = [("", state, title), *_rows(facts)]
    width = max(len(what) for what, _, _ in rows) + 2 if is_terminal else 0
    for what, colour, text in rows:
        shown = _printable(text)
        if is_terminal and colour:
            shown = f"{_COLOURS[colour]}{shown}{_PLAIN}"
        yield f"{f'{what}:':<{width}}{'' if is_terminal else ' '}{shown}" if what else shown


def _rows(facts: dict[str, Any]) -> Iterator[Row]:
    now, config, command = facts["now"], facts["config"], facts["command"]
    yield from (("why", "bad", reason) for reason in reasons(facts))
    if config:
        for name in ("live", "wanted"):
            found = config[name]
            yield name, "", f"{found['revision'] or 'nothing'}, {age(found['since'], now)}" if found else "nothing"
        size = amount(sum(file["bytes"] for file in config["files"]))
        yield "files", "", f"{count(config['files_in_all'], 'file')}, {size}" if config["live"] else "none"
    for name, probe in facts["probes"].items():
        yield name if name != "live" else "healthy", "good" if probe["ok"] else "bad", "yes" if probe["ok"] else "no"
    if command:
        since = age(command["since"], now) if command["since"] else "not started yet"
        runs = f"PID {command['pid']}" if command["pid"] else "does not run"
        yield (
            "command",
            "" if command["pid"] else "bad",
            f"{command['name']}, {runs}, {since}, {count(command['restarts'], 'restart')}",
        )
    for source in facts["sources"]:
        contact = f"last contact {age(source['last_contact'], now)}" if source["last_contact"] else "no contact yet"
        yield "source", "" if source["ok"] else "bad", f"{source['name']}: {source['problem'] or 'ok'}, {contact}"
    for outcome in (config or {"outcomes": []})["outcomes"][:_OUTCOMES_MAX]:
        changed = (
            f", {count(outcome.get('changed_in_all', len(outcome['changed'])), 'file')} changed" if outcome["changed"] else ""
        )
        reason = f": {outcome['reason']}" if outcome["reason"] else ""
        told = f"{outcome['revision'] or 'nothing'}, {age(outcome['time'], now)}, {outcome['took_ms']:g} ms{changed}{reason}"
        yield outcome["verdict"], _VERDICTS.get(outcome["verdict"], "bad"), told


def _printable(text: str) -> str:
    """Names come from outside: what would move a terminal's cursor is shown instead."""
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)
