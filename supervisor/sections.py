"""What was given → the sections of Settings, one function for each, and what is wrong with the whole."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from supervisor.convert import (
    to_existing_file,
    to_folder,
    to_level,
    to_log_format,
    to_object_name,
    to_seconds,
    to_whole_number,
)
from supervisor.logs import DEBUG, INFO
from supervisor.reload_sections import reload_contradictions, reload_section, safety_section
from supervisor.settings import (
    ClusterSettings,
    FileSettings,
    LogSettings,
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
        reload=reload_section(given, has_command=bool(command)),
        safety=safety_section(given),
        logs=_logs(given),
        startup_timeout_s=given.one("--startup-timeout", to_seconds, 60.0),
    )


def _sources(given: Given) -> SourceSettings:
    return SourceSettings(
        configmaps=given.convert_all("--configmap", to_object_name),
        manifests=given.convert_all("--manifest", os.path.abspath),
        cluster=ClusterSettings(given.one("--kubeconfig", to_existing_file, None), given.one("--context", str, None)),
    )


def _logs(given: Given) -> LogSettings:
    verbosity = given.one("--v", to_whole_number, 0)
    return LogSettings(
        format=given.one("--log-format", to_log_format, to_log_format("auto")),
        level=given.one("--log-level", to_level, DEBUG if verbosity >= 2 else INFO),
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
    return problems + reload_contradictions(settings, given)
