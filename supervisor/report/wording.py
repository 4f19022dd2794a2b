"""What is live and why, in words: the same on the page and in the terminal."""

from __future__ import annotations

from datetime import datetime
from typing import Any

_DAY_S = 86400
_UNITS = ((_DAY_S, "d"), (3600, "h"), (60, "min"), (1, "s"))


def headline(facts: dict[str, Any]) -> tuple[str, str]:
    """Is what I pushed live? `good`, `wait` or `bad`, and a sentence."""
    config = facts["config"]
    is_well = all(probe["ok"] for probe in facts["probes"].values())
    if config is None:
        return ("good", "The command runs") if is_well else ("wait", "Not ready")
    if not config["live"]:
        return "wait", "The app has the first configuration, which is being confirmed" if config[
            "begun"
        ] else "No configuration is live yet"
    if not config["in_sync"]:
        return "bad", "The app has not taken what is live" if config["failing_since"] else "What is wanted is not live"
    is_sure = all(source["ok"] for source in facts["sources"])
    title = "What is wanted is live" + ("" if is_sure else ", as far as we know")
    return "good" if is_well and is_sure else "wait", title


def reasons(facts: dict[str, Any]) -> list[str]:
    """Why it is not, or may not be for long: of the configuration, the sources, and the probes, each once."""
    config = facts["config"]
    found = [config["reason"]] if config and config["reason"] else []
    found += [source["problem"] for source in facts["sources"] if not source["ok"]]
    found += [f"{name}: {probe['reason']}" for name, probe in facts["probes"].items() if not probe["ok"]]
    return [reason for number, reason in enumerate(found) if not any(reason in other for other in found[:number])]


def age(time: str, now: str) -> str:
    """How long ago that was, and when; with the day if it was another one."""
    seconds = (datetime.fromisoformat(now) - datetime.fromisoformat(time)).total_seconds()
    ago = next((f"{seconds // size:.0f} {unit} ago" for size, unit in _UNITS if seconds >= size), "just now")
    day = f"{time[:10]} " if seconds >= _DAY_S else ""
    return f"{ago}, at {day}{time[11:19]} UTC"


def amount(size: float) -> str:
    """A number of bytes."""
    for unit in ("B", "KiB"):
        if size < 1024:
            return f"{size:.3g} {unit}"
        size /= 1024
    return f"{size:.3g} MiB"


def count(number: int, noun: str) -> str:
    """`1 file`, `2 files`."""
    return f"{number} {noun}{'s' * (number != 1)}"
