"""The status page: what a person wants to know at three in the morning. HTML from the same facts as /status.json.

Every value goes through `_text`: names of objects, keys and reasons come from outside. The Content-Security-Policy lets a
browser load nothing at all but the style that stands in the page, whatever got past that.
"""

from __future__ import annotations

import base64
from hashlib import sha256
from html import escape
from typing import TYPE_CHECKING, Any

from supervisor.report.style import STYLE
from supervisor.report.wording import age, amount, count, headline, reasons

if TYPE_CHECKING:
    from collections.abc import Iterable

KIND = "text/html; charset=utf-8"
REFRESH_S = 10
_CLASSES = {"applied": "good", "unchanged": "good", "rolled back": "bad", "refused": "bad", "failed": "bad"}
_FILES_OPEN = 20


def policy() -> str:
    """What a browser may do with the page: use its style."""
    digest = base64.b64encode(sha256(STYLE.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


def render(facts: dict[str, Any], *, refreshes: bool) -> bytes:
    """The page as bytes. With `refreshes` the browser asks again every ten seconds."""
    now, config = facts["now"], facts["config"]
    state, title = headline(facts)
    lines = "".join(f"<p><strong>{_text(reason)}</strong></p>" for reason in reasons(facts))
    if config and config["live"]:
        lines += f"<p>Live: <code>{_text(config['live']['revision'])}</code>, {_age(config['live']['since'], now)}.</p>"
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width">',
        f'<meta http-equiv="refresh" content="{REFRESH_S}">' if refreshes else "",
        f"<title>{_text(title)} – {_text(facts['program']['host'])}</title><style>{STYLE}</style></head><body>",
        f'<header class="{state}" role="status"><h1>{_text(title)}</h1>{lines}</header><main>',
        f'<div class="columns">{_probes(facts["probes"])}{_revisions(config, now)}{_command(facts["command"], now)}</div>',
        _sources(facts["sources"], now) if facts["sources"] else "",
        _outcomes(config["outcomes"], now) + _files(config) if config else "",
        f"</main>{_foot(facts, refreshes=refreshes)}</body></html>\n",
    ]
    return "".join(parts).encode(errors="backslashreplace")


def _probes(probes: dict[str, Any]) -> str:
    rows = [
        (name.capitalize(), f'<span class="{"good" if probe["ok"] else "bad"}">{"yes" if probe["ok"] else "no"}</span>')
        for name, probe in probes.items()
    ]
    return _section("probes", "Probes", _list(rows))


def _revisions(config: dict[str, Any] | None, now: str) -> str:
    if config is None:
        return ""
    rows = []
    for name in ("wanted", "live"):
        found = config[name]
        revision = f"<code>{_text(found['revision'])}</code> " if found and found["revision"] else ""
        rows.append((name.capitalize(), revision + _age(found["since"], now) if found else "none"))
    rows += [("Failing", _age(config["failing_since"], now))] if config["failing_since"] else []
    return _section("revisions", "Configuration", _list(rows))


def _command(command: dict[str, Any] | None, now: str) -> str:
    if command is None:
        return ""
    exits = ", ".join(f"{code} ({times} ×)" for code, times in command["exits"].items())
    rows = [
        ("Name", f"<code>{_text(command['name'])}</code>"),
        ("PID", _text(command["pid"]) if command["pid"] else '<span class="bad">does not run</span>'),
        ("Since", _age(command["since"], now) if command["since"] else "not started yet"),
        ("Restarts", _text(command["restarts"])),
        *([("Exit codes", _text(exits))] if exits else []),
    ]
    return _section("command", "Command", _list(rows))


def _sources(sources: list[dict[str, Any]], now: str) -> str:
    heads = ("Source", "State", "Last contact", "Last error")
    rows = []
    for source in sources:
        state = '<span class="good">ok</span>' if source["ok"] else '<span class="bad">in trouble</span>'
        contact = _age(source["last_contact"], now) if source["last_contact"] else "never"
        rows.append((_text(source["name"]), f"{state} since {_age(source['since'], now)}", contact, _text(source["problem"])))
    return _section("sources", "Sources", _table("sources", heads, rows))


def _outcomes(outcomes: list[dict[str, Any]], now: str) -> str:
    items = []
    for outcome in outcomes:
        verdict = outcome["verdict"]
        changed = outcome["changed"]
        files = "".join(f"<li>{_text(one['what'])} <code>{_text(one['path'])}</code> {amount(one['bytes'])}" for one in changed)
        reason = f"<p><strong>{_text(outcome['reason'])}</strong></p>" if outcome["reason"] else ""
        number = count(outcome.get("changed_in_all", len(changed)), "file")
        details = f"<details><summary>{number}</summary><ul>{files}</ul></details>" if changed else ""
        steps = ", ".join(f"{name} {ms:g} ms" for name, ms in outcome.get("steps_ms", {}).items())
        items.append(
            f'<li class="{_CLASSES[verdict]}"><span class="verdict">{_text(verdict)}</span> '
            f"<code>{_text(outcome['revision'])}</code> {_age(outcome['time'], now)}"
            f' <span class="soft">took {outcome["took_ms"]:g} ms{_text(f" ({steps})" if steps else "")}</span>'
            f"{reason}{details}</li>"
        )
    return _section("outcomes", "What happened", f"<ol>{''.join(items)}</ol>" if items else "<p>Nothing yet.</p>")


def _files(config: dict[str, Any]) -> str:
    files = config["files"]
    if not files:
        return ""
    heads = ("Path", "Size", "Mode", "SHA-256")
    rows = [
        tuple(f"<code>{_text(value)}</code>" for value in (file["path"], amount(file["bytes"]), file["mode"], file["digest"]))
        for file in files
    ]
    title = f"{count(config['files_in_all'], 'file')}, {amount(sum(file['bytes'] for file in files))}"
    table = _table("files", heads, rows)
    opened = " open" if len(files) <= _FILES_OPEN else ""
    return _section("files", "Files", f"<details{opened}><summary>{title}</summary>{table}</details>")


def _foot(facts: dict[str, Any], *, refreshes: bool) -> str:
    program = facts["program"]
    about = f"config-supervisor {program['version']} on {program['host']}, PID {program['pid']}, started"
    again = '<a href="/">stop refreshing</a>' if refreshes else f'<a href="/?refresh">refresh every {REFRESH_S} s</a>'
    links = f'{again}<a href="/status.json">as data</a><a href="/metrics">metrics</a>'
    return f'<footer class="soft"><p>{_text(about)} {_age(program["started"], facts["now"])}.</p><nav>{links}</nav></footer>'


def _section(name: str, title: str, body: str) -> str:
    return f'<section aria-labelledby="{name}"><h2 id="{name}">{title}</h2>{body}</section>'


def _list(rows: Iterable[tuple[str, str]]) -> str:
    return f"<dl>{''.join(f'<dt>{name}</dt><dd>{value}</dd>' for name, value in rows)}</dl>"


def _table(labelled_by: str, heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """A table; each cell knows the head of its column, which stands beside it where the page is narrow."""
    head = "".join(f'<th scope="col">{name}</th>' for name in heads)
    body = ""
    for row in rows:
        cells = [f'<td data-head="{name}">{cell}</td>' for name, cell in zip(heads, row, strict=True)]
        body += f"<tr>{''.join(cells)}</tr>"
    return f'<table aria-labelledby="{labelled_by}"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'


def _text(value: object) -> str:
    return escape(str(value))


def _age(time: str, now: str) -> str:
    return f'<time datetime="{_text(time)}" title="{_text(time)}">{_text(age(time, now))}</time>'
