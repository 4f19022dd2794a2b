"""What was given → the sections of Settings, one function for each, and what is wrong with the whole."""

from __future__ import annotations

import os
from functools import partial
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
    to_rewrite,
    to_seconds,
    to_user,
    to_whole_number,
)
from supervisor.logs import DEBUG, INFO
from supervisor.reload_sections import apply_profile, reload_contradictions, reload_section, safety_section
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

_SOURCES = ("--configmap", "--secret", "--configmap-selector", "--secret-selector", "--manifest", "--watch-dir")
_FOR_THE_COMMAND = ("--kill-timeout", "--stop-delay", "--stop-signal", "--rewrite", "--remap-exit", "--user")


def make_settings(given: Given, command: list[str]) -> Settings:
    """Every section. What is wrong is noted in `given.problems`, and has its default here."""
    sources = _sources(given)
    files = _files(given, sources.namespace)
    apply_profile(given, files.root, has_command=bool(command))
    return Settings(
        command=command,
        sources=sources,
        files=files,
        reload=reload_section(given, has_command=bool(command)),
        safety=safety_section(given),
        init=_init(given),
        logs=_logs(given),
        report=_report(given),
        startup_timeout_s=given.one("--startup-timeout", to_seconds, 60.0),
        start_with_last=given.flag("--start-with-last"),
        once=given.flag("--once"),
    )


def _sources(given: Given) -> SourceSettings:
    from supervisor.convert_wanted import to_namespace, to_object_name, to_selector

    namespace = given.one("--namespace", to_namespace, "default")
    to_name = partial(to_object_name, default_namespace=namespace)
    to_labels = partial(to_selector, default_namespace=namespace)
    return SourceSettings(
        configmaps=given.convert_all("--configmap", to_name),
        secrets=given.convert_all("--secret", to_name),
        configmap_selectors=given.convert_all("--configmap-selector", to_labels),
        secret_selectors=given.convert_all("--secret-selector", to_labels),
        manifests=given.convert_all("--manifest", os.path.abspath),
        folders=given.convert_all("--watch-dir", os.path.abspath),
        namespace=namespace,
        optional=given.flag("--optional"),
        cluster=ClusterSettings(given.one("--kubeconfig", to_existing_file, None), given.one("--context", str, None)),
    )


def _files(given: Given, namespace: str) -> FileSettings:
    from supervisor.convert_wanted import to_file_mode, to_folder_mode, to_item, to_layout, to_separator, to_template

    return FileSettings(
        root=given.one("--configroot", to_folder, ""),
        items=given.convert_all("--item", partial(to_item, default_namespace=namespace)),
        items_optional=given.flag("--optional"),
        template=given.one("--path", to_template, "{key}"),
        key_separator=given.one("--key-separator", to_separator, ""),
        expand=given.environment if given.flag("--expand") else None,
        gunzip=given.flag("--gunzip"),
        mode=given.one("--file-mode", to_file_mode, 0o666),
        secret_mode=given.one("--secret-mode", to_file_mode, 0o640),
        folder_mode=given.one("--dir-mode", to_folder_mode, 0o755),
        layout=given.one("--layout", to_layout, "atomic"),
        fsync=given.flag("--fsync"),
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
    has_sources = any(given.has(option) for option in _SOURCES)
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
    return problems + reload_contradictions(settings, given) + _contradictions_of_files(settings)


def _contradictions_of_files(settings: Settings) -> list[str]:
    problems = []
    if settings.once and settings.command and not settings.has_sources:
        problems.append("--once without a source: there is nothing to write")
    if settings.sources.folders and "{namespace}" in settings.files.template:
        problems.append("--path with {namespace}: the files of a --watch-dir have none")
    inside = [folder for folder in settings.sources.folders if _lies_in(settings.files.root, folder)]
    problems += [f"--watch-dir={folder} holds the configroot: what is written would be watched" for folder in inside]
    return problems


def _lies_in(path: str, folder: str) -> bool:
    return bool(path) and os.path.commonpath((os.path.realpath(path), os.path.realpath(folder))) == os.path.realpath(folder)
