"""The command line and the environment → Settings. The usage text is the table of options: docopt reads it, and so do we.

Every option can be given by environment too. All problems of one invocation are told at once.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from docopt import docopt

from supervisor.convert import (
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
from supervisor.errors import UsageError
from supervisor.logs import DEBUG, INFO
from supervisor.settings import (
    DEFAULT_SIGNAL,
    ClusterSettings,
    FileSettings,
    HttpSettings,
    LogSettings,
    ReloadSettings,
    Settings,
    SourceSettings,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

USAGE = """\
Run a command as an init, keep its configuration files equal to a ConfigMap, and tell it to reload.

Usage:
  config-supervisor [--configmap=NAME]... [--manifest=FILE]... [options]

  Everything after -- is the command, untouched:   config-supervisor [options] -- COMMAND [ARG...]
  Without a command it is a sidecar: the app is told by HTTP.
  Without a source it is a plain init.

What is wanted:
  --configmap=[NS/]NAME        a ConfigMap to watch; repeatable. Without NS: the namespace "default"
  --manifest=FILE              ConfigMaps and Secrets in a local YAML file, watched for changes; repeatable

Files:
  --configroot=DIR             where files go; needed as soon as there is a source

Reload:
  --reload-signal=SIG          sent to the command after a change (HUP, if there is a command and no --reload-http)
  --reload-http=URL            requested after a change: http://… or https://…
  --reload-http-method=METHOD  (POST)
  --reload-interval=SECONDS    least time between two reloads (1)

Start:
  --startup-timeout=SECONDS    time for the first configuration; 0 waits for ever (60)

Report:
  --log-format=FORMAT          json, text, or auto: text on a terminal, else json (auto)
  --log-level=LEVEL            debug, info, warning or error (info)
  --v=N                        2 or more is --log-level=debug, as in the Go program

Cluster:
  --kubeconfig=FILE            instead of the pod's service account, $KUBECONFIG or ~/.kube/config
  --context=NAME               a context of the kubeconfig

  -h, --help                   show this
  --version                    show the version

By environment: --reload-http is CONFIG_SUPERVISOR_RELOAD_HTTP, and so on; repeatable ones are split at newlines. The
command line wins.

Exit codes: the command's own; 128+n if signal n ended it; 127 no such command, 126 not executable, 125 a fault of ours,
2 wrong usage. A sidecar that is asked to stop leaves with 0.
"""

_PREFIX = "CONFIG_SUPERVISOR_"
_REPEATABLE = {"--configmap", "--manifest"}
_FLAGS = {"-h", "--help", "--version"}
_OPTIONS = {match.split("=")[0]: "=" in match for match in re.findall(r"^  (?:-h, )?(--[a-z-]+=?)", USAGE, re.MULTILINE)}
# The variables of the Go program of 2016, and its flag that says what we find out by ourselves.
_OLD_VARIABLES = {
    "--configroot": "CONFIG_CONTROLLER_CONFIGROOT",
    "--configmap": "CONFIG_CONTROLLER_CONFIGMAP",
    "--reload-http": "CONFIG_CONTROLLER_URL",
    "--reload-http-method": "CONFIG_CONTROLLER_METHOD",
}
_OLD_FLAG = re.compile(r"--running-in-cluster(=(true|false))?")

T = TypeVar("T")
D = TypeVar("D")


class Leave(Exception):
    """The user only asked for a text; the message is that text."""


def read(argv: list[str], environment: Mapping[str, str]) -> Settings:
    """Make Settings. Raises UsageError with every problem found, and Leave if only a text is wanted."""
    words, command = _split(argv)
    given = _Given(words, environment)
    settings = _settings(given, command)
    given.problems += _contradictions(settings, given)
    if given.problems:
        raise UsageError(given.problems)
    return settings


def _split(argv: list[str]) -> tuple[list[str], list[str]]:
    """Our own words, and the command after `--`."""
    end = argv.index("--") if "--" in argv else len(argv)
    return [word for word in argv[:end] if not _OLD_FLAG.fullmatch(word)], argv[end + 1 :]


class _Value(NamedTuple):
    text: str
    name: str
    """As the user gave it: an option or a variable."""


class _Given:
    """What was given, by option, wherever it was given; and the problems with it."""

    def __init__(self, words: list[str], environment: Mapping[str, str]) -> None:
        if _FLAGS & set(words):
            from supervisor import __version__

            raise Leave(f"config-supervisor {__version__}" if "--version" in words else USAGE.rstrip())
        self.problems = _problems_of_words(words)
        self._parsed = {} if self.problems else docopt(USAGE, words, default_help=False)
        self._environment = environment

    def all(self, option: str) -> list[_Value]:
        """Every value of a repeatable option."""
        values = self._parsed.get(option) or []
        if values:
            return [_Value(value, option) for value in values]
        value = self._from_environment(option)
        return [_Value(line.strip(), value.name) for line in value.text.splitlines() if line.strip()] if value else []

    def one(self, option: str, convert: Callable[[str], T], default: D) -> T | D:
        """The value of an option, converted; a ValueError of `convert` becomes a problem with the option's name."""
        text = self._parsed.get(option)
        value = _Value(text, option) if text is not None else self._from_environment(option)
        return self.convert(value, convert, default) if value else default

    def convert(self, value: _Value, convert: Callable[[str], T], default: D) -> T | D:
        """Convert one value, or note why it cannot be."""
        try:
            return convert(value.text)
        except ValueError as error:
            self.problems.append(f"{value.name}={value.text}: {error}")
            return default

    def _from_environment(self, option: str) -> _Value | None:
        """A variable that is empty counts as not given: pod specs cannot take a variable of the image away."""
        new = _PREFIX + option[2:].upper().replace("-", "_")
        for name in (new, _OLD_VARIABLES.get(option, new)):
            if self._environment.get(name):
                return _Value(self._environment[name], name)
        return None


def _problems_of_words(words: list[str]) -> list[str]:
    """What docopt would refuse, each told in our words."""
    problems, seen, rest = [], set(), iter(words)
    for word in rest:
        option, equals, _ = word.partition("=")
        if not word.startswith("-"):
            problems.append(f"unexpected word {word!r}: put -- before the command")
            break
        if option not in _OPTIONS:
            problems.append(f"unknown option {option}: see --help")
        elif option in _FLAGS:
            problems.append(f"{option} takes no value")
        elif not equals and next(rest, None) is None:
            problems.append(f"{option} needs a value: {option}=…")
        elif option in seen and option not in _REPEATABLE:
            problems.append(f"{option} is given more than once")
        seen.add(option)
    return problems


def _settings(given: _Given, command: list[str]) -> Settings:
    names = [given.convert(value, to_object_name, None) for value in given.all("--configmap")]
    url = given.one("--reload-http", to_url, "")
    method = given.one("--reload-http-method", to_method, "POST")
    default_signal = int(DEFAULT_SIGNAL) if command and not url else None
    return Settings(
        command=command,
        sources=SourceSettings(
            configmaps=tuple(dict.fromkeys(name for name in names if name)),
            manifests=tuple(dict.fromkeys(os.path.abspath(value.text) for value in given.all("--manifest"))),
            cluster=ClusterSettings(given.one("--kubeconfig", to_existing_file, None), given.one("--context", str, None)),
        ),
        files=FileSettings(root=given.one("--configroot", to_folder, "")),
        reload=ReloadSettings(
            signal=given.one("--reload-signal", to_signal, default_signal),
            http=HttpSettings(url, method) if url else None,
            interval_s=given.one("--reload-interval", to_seconds, 1.0),
        ),
        logs=_log_settings(given),
        startup_timeout_s=given.one("--startup-timeout", to_seconds, 60.0),
    )


def _log_settings(given: _Given) -> LogSettings:
    verbosity = given.one("--v", to_whole_number, 0)
    return LogSettings(
        format=given.one("--log-format", to_log_format, to_log_format("auto")),
        level=given.one("--log-level", to_level, DEBUG if verbosity >= 2 else INFO),
    )


def _contradictions(settings: Settings, given: _Given) -> list[str]:
    """Problems of options that do not go together. A value that was given but is wrong is not missing as well."""
    has_sources = bool(given.all("--configmap") or given.all("--manifest"))
    has_root = bool(given.one("--configroot", str, ""))
    problems = []
    if has_sources and not has_root:
        problems.append("--configroot is missing: the folder where the files go")
    if has_root and not has_sources and not given.problems:
        problems.append("--configroot without a source: add --configmap or --manifest")
    if not settings.command and not has_sources and not given.problems:
        problems.append("nothing to do: give a source (--configmap, --manifest), a command after --, or both")
    if settings.reload.signal and not settings.command:
        problems.append("--reload-signal needs a command after --; a sidecar tells the app by --reload-http")
    return problems
