"""The groups *for one app*, *reload* and *safety* of what was given → their sections of Settings. Used by sections alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from supervisor.convert import to_existing_file, to_method, to_seconds, to_signal, to_url, to_whole_number
from supervisor.convert_reload import (
    to_header,
    to_header_file,
    to_pattern,
    to_process,
    to_profile,
    to_statuses,
    to_timeout,
    to_words,
)
from supervisor.profiles import PROFILES, options_of
from supervisor.settings import DEFAULT_SIGNAL, HttpSettings, ReloadSettings, SafetySettings
from supervisor.usage import options

if TYPE_CHECKING:
    from collections.abc import Callable

    from supervisor.cli import Given
    from supervisor.settings import Settings

_WAYS = {
    "--reload-signal": "signal",
    "--reload-process": "signal",
    "--reload-http": "http",
    "--reload-command": "command",
    "--reload-restart": "restart",
    "--reload-exit": "exit",
}


def apply_profile(given: Given, root: str, *, has_command: bool) -> None:
    """Let the options of a profile count as given, where the user has not given others."""
    name = given.one("--profile", to_profile, "")
    if not name:
        return
    profile = PROFILES[name]
    already = {option for option in options() if given.has(option) or given.flag(option)}
    if not has_command and profile["sidecar"] is None and "--reload-none" not in already:
        given.problems.append(f"--profile={name} needs a command after --: only its parent can start it again")
    given.profile = options_of(profile, root, already, has_command=has_command)


def reload_section(given: Given, *, has_command: bool) -> ReloadSettings:
    """How the app is told. A command is told by HUP, if no other way is given."""
    process = given.one("--reload-process", to_process, None)
    command = given.one("--reload-command", to_words, ())
    http = _http(given)
    restart = given.flag("--reload-restart")
    leave = given.flag("--reload-exit")
    is_told_otherwise = bool(http or command or restart or leave or given.flag("--reload-none"))
    default = int(DEFAULT_SIGNAL) if process or (has_command and not is_told_otherwise) else None
    return ReloadSettings(
        signal=given.one("--reload-signal", to_signal, default),
        http=http,
        interval_s=given.one("--reload-interval", to_seconds, 1.0),
        retries=given.one("--reload-retries", to_whole_number, 5),
        process=process,
        signal_force=given.flag("--reload-signal-force"),
        command=command,
        restart=restart,
        leave=leave,
        order=_order(given),
        splay_s=given.one("--splay", to_seconds, 0.0),
    )


def _http(given: Given) -> HttpSettings | None:
    url = given.one("--reload-http", to_url, "")
    method = given.one("--reload-http-method", to_method, "POST")
    settings = HttpSettings(
        url,
        method,
        timeout_s=given.one("--reload-http-timeout", to_timeout, 10.0),
        headers=_headers(given, "--reload-http-header", to_header),
        header_files=_headers(given, "--reload-http-header-file", to_header_file),
        body=given.one("--reload-http-body", str, ""),
        ca=given.one("--reload-http-ca", to_existing_file, None),
        statuses=given.one("--reload-http-status", to_statuses, ((200, 299),)),
    )
    return settings if url else None


def _headers(given: Given, option: str, convert: Callable[[str], tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Like given.convert_all, but a problem is told without the value, which may be secret."""
    headers = []
    for value in given.all(option):
        try:
            headers.append(convert(value.text))
        except ValueError as error:
            name, equals, _ = value.text.partition("=")
            given.problems.append(f"{value.name}={name}=…: {error}" if equals else f"{value.name}=…: {error}")
    return tuple(headers)


def _order(given: Given) -> tuple[str, ...]:
    """The ways of the command line, in the order given."""
    named = [_WAYS[word.partition("=")[0]] for word in given.words if word.partition("=")[0] in _WAYS]
    return tuple(dict.fromkeys(named))


def safety_section(given: Given) -> SafetySettings:
    """How a revision is checked and confirmed."""
    url = given.one("--confirm-http", to_url, "")
    return SafetySettings(
        validate=given.one("--validate", to_words, ()),
        confirm_http=HttpSettings(url, "GET") if url else None,
        confirm_match=given.one("--confirm-match", to_pattern, ""),
        confirm_command=given.one("--confirm-command", to_words, ()),
        confirm_workers=given.flag("--confirm-workers"),
        confirm_within_s=given.one("--confirm-within", to_seconds, 30.0),
        settle_s=given.one("--settle", to_seconds, 1.0),
        rollback=not given.flag("--no-rollback"),
        hook_timeout_s=given.one("--hook-timeout", to_timeout, 60.0),
    )


def reload_contradictions(settings: Settings, given: Given) -> list[str]:
    """Problems of options of these groups that do not go together."""
    reload, problems = settings.reload, []
    if reload.signal and not reload.process and not settings.command:
        problems.append("--reload-signal needs a command after --; a sidecar tells the app by --reload-http or --reload-process")
    if reload.restart and not settings.command:
        problems.append("--reload-restart needs a command after --; a sidecar cannot start its app")
    if reload.restart and reload.leave:
        problems.append("--reload-restart and --reload-exit say opposite things: choose one")
    others = [option for option in _WAYS if given.has(option) or given.flag(option)]
    if others and given.flag("--reload-none"):
        problems.append(f"--reload-none and {others[0]} say opposite things: choose one")
    if given.has("--confirm-match") and not given.has("--confirm-http"):
        problems.append("--confirm-match needs --confirm-http, whose answer it looks at")
    return problems
