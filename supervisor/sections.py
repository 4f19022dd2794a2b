"""What was given → the sections of Settings, one function for each, and what is wrong with the whole."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from supervisor.convert import (
    to_address,
    to_child_logs,
    to_existing_file,
    to_folder,
    to_level,
    to_log_format,
    to_method,
    to_object_name,
    to_seconds,
    to_signal,
    to_url,
    to_whole_number,
)
from supervisor.logs import DEBUG, INFO
from supervisor.settings import (
    DEFAULT_SIGNAL,
    ClusterSettings,
    FileSettings,
    HttpSettings,
    LogSettings,
    ReloadSettings,
    ReportSettings,
    Settings,
    SourceSettings,
)

if TYPE_CHECKING:
    from supervisor.cli import Given


def make_settings(given: Given, command: list[str]) -> Settings:
    """Every section. What is wrong is noted in `given.problems`, and has its default here."""
    return Settings(
        command=command,
        sources=_sources(given),
        files=FileSettings(root=given.one("--configroot", to_folder, "")),
        reload=_reload(given, has_command=bool(command)),
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


def _reload(given: Given, *, has_command: bool) -> ReloadSettings:
    url = given.one("--reload-http", to_url, "")
    method = given.one("--reload-http-method", to_method, "POST")
    return ReloadSettings(
        signal=given.one("--reload-signal", to_signal, int(DEFAULT_SIGNAL) if has_command and not url else None),
        http=HttpSettings(url, method) if url else None,
        interval_s=given.one("--reload-interval", to_seconds, 1.0),
    )


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
    if settings.report.child_logs == "json" and not settings.command:
        problems.append("--child-logs needs a command after --: there is nobody whose lines could be JSON")
    if settings.reload.signal and not settings.command:
        problems.append("--reload-signal needs a command after --; a sidecar tells the app by --reload-http")
    return problems
