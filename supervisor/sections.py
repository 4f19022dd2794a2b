"""What was given → the sections of Settings, one function for each, and what is wrong with the whole."""

from __future__ import annotations

import os
from signal import SIGTERM
from typing import TYPE_CHECKING

from supervisor.convert import (
    to_address,
    to_any_signal,
    to_child_logs,
    to_existing_file,
    to_exit_code,
    to_file,
    to_folder,
    to_level,
    to_log_format,
    to_object_name,
    to_rewrite,
    to_seconds,
    to_user,
    to_whole_number,
)
from supervisor.logs import DEBUG, INFO
from supervisor.reload_sections import reload_contradictions, reload_section, safety_section
from supervisor.settings import (
    ClusterSettings,
    FileSettings,
    InitSettings,
    LogSettings,
    ReportSettings,
    Settings,
    SourceSettings,
)
from supervisor.termination import usual_termination_log

if TYPE_CHECKING:
    from supervisor.cli import Given

_FOR_THE_COMMAND = ("--kill-timeout", "--stop-delay", "--stop-signal", "--rewrite", "--remap-exit", "--user")


def make_settings(given: Given, command: list[str]) -> Settings:
    """Every section. What is wrong is noted in `given.problems`, and has its default here."""
    return Settings(
        command=command,
        sources=_sources(given),
        files=FileSettings(root=given.one("--configroot", to_folder, "")),
        reload=reload_section(given, has_command=bool(command)),
        safety=safety_section(given),
        init=_init(given),
        logs=_logs(given),
        report=_report(given),
        startup_timeout_s=given.one("--startup-timeout", to_seconds, 60.0),
    )


def _sources(given: Given) -> SourceSettings:
    return SourceSettings(
        configmaps=given.convert_all("--configmap", to_object_name),
        manifests=given.convert_all("--manifest", os.path.abspath),
        cluster=ClusterSettings(given.one("--kubeconfig", to_existing_file, None), given.one("--context", str, None)),
    )


def _init(given: Given) -> InitSettings:
    return InitSettings(
        kill_timeout_s=given.one("--kill-timeout", to_seconds, float("inf")),
        stop_delay_s=given.one("--stop-delay", to_seconds, 0.0),
        rewrites=_rewrites(given),
        group_kill=given.flag("--group-kill"),
        subreaper=given.flag("--subreaper"),
        parent_death_signal=given.one("--parent-death-signal", to_any_signal, None),
        remap_exit=given.convert_all("--remap-exit", to_exit_code),
        new_session=given.flag("--new-session"),
        user=given.one("--user", to_user, None),
    )


def _rewrites(given: Given) -> tuple[tuple[int, int], ...]:
    """Those of --rewrite, and --stop-signal, which is one of them."""
    stop_signal = given.one("--stop-signal", to_any_signal, None)
    rewrites = dict.fromkeys(given.convert_all("--rewrite", to_rewrite))
    if stop_signal is not None:
        rewrites[int(SIGTERM), stop_signal] = None
    sent = [number for number, _ in rewrites]
    given.problems += [
        f"--rewrite, --stop-signal: signal {number} cannot become two different ones"
        for number in dict.fromkeys(sent)
        if sent.count(number) > 1
    ]
    return tuple(rewrites)


def _logs(given: Given) -> LogSettings:
    verbosity = given.one("--v", to_whole_number, 0)
    return LogSettings(
        format=given.one("--log-format", to_log_format, to_log_format("auto")),
        level=given.one("--log-level", to_level, DEBUG if verbosity >= 2 else INFO),
    )


def _report(given: Given) -> ReportSettings:
    return ReportSettings(
        listen=given.one("--listen", to_address, None),
        unhealthy_after_s=given.one("--unhealthy-after", to_seconds, 60.0),
        events=given.flag("--events"),
        termination_log=given.one("--termination-log", to_file, usual_termination_log()),
        child_logs=given.one("--child-logs", to_child_logs, "raw"),
    )


def contradictions(settings: Settings, given: Given) -> list[str]:
    """Problems of options that do not go together. A value that was given but is wrong is not missing as well."""
    has_sources = given.has("--configmap") or given.has("--manifest")
    has_root = given.has("--configroot")
    problems = []
    if has_sources and not has_root:
        problems.append("--configroot is missing: the folder where the files go")
    if has_root and not has_sources and not given.problems:
        problems.append("--configroot without a source: add --configmap or --manifest")
    if not settings.command and not has_sources and not given.problems:
        problems.append("nothing to do: give a source (--configmap, --manifest), a command after --, or both")
    if settings.report.events and not has_sources:
        problems.append("--events without a source: nothing would be told")
    if settings.report.child_logs == "json" and not settings.command:
        problems.append("--child-logs needs a command after --: there is nobody whose lines could be JSON")
    if not settings.command:
        flags = {"--group-kill": settings.init.group_kill, "--new-session": settings.init.new_session}
        useless = [option for option in _FOR_THE_COMMAND if given.has(option)] + [flag for flag in flags if flags[flag]]
        problems += [f"{option} needs a command after --" for option in useless]
    return problems + reload_contradictions(settings, given)
