"""The command line and the environment → Settings. The usage text is the table of options: docopt reads it, and so do we.

Every option can be given by environment too. All problems of one invocation are told at once.
"""

from __future__ import annotations

import os
import re
import signal
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeVar

from docopt import docopt

from supervisor.errors import UsageError
from supervisor.logs import DEBUG, INFO, LEVELS
from supervisor.settings import (
    DEFAULT_SIGNAL,
    ClusterSettings,
    FileSettings,
    HttpSettings,
    LogSettings,
    ObjectName,
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

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_NAME_MAX = 253

T = TypeVar("T")


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

    def one(self, option: str, convert: Callable[[str], T], default: T) -> T:
        """The value of an option, converted; a ValueError of `convert` becomes a problem with the option's name."""
        text = self._parsed.get(option)
        value = _Value(text, option) if text is not None else self._from_environment(option)
        return self.convert(value, convert, default) if value else default

    def convert(self, value: _Value, convert: Callable[[str], T], default: T) -> T:
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
        elif not equals and next(rest, None) is None:
            problems.append(f"{option} needs a value: {option}=…")
        elif option in seen and option not in _REPEATABLE:
            problems.append(f"{option} is given more than once")
        seen.add(option)
    return problems


def _settings(given: _Given, command: list[str]) -> Settings:
    names = [given.convert(value, _object_name, None) for value in given.all("--configmap")]
    url = given.one("--reload-http", _url, "")
    method = given.one("--reload-http-method", _method, "POST")
    default_signal = int(DEFAULT_SIGNAL) if command and not url else None
    return Settings(
        command=command,
        sources=SourceSettings(
            configmaps=tuple(dict.fromkeys(name for name in names if name)),
            manifests=tuple(dict.fromkeys(os.path.abspath(value.text) for value in given.all("--manifest"))),
            cluster=ClusterSettings(given.one("--kubeconfig", _file, None), given.one("--context", _text, None)),
        ),
        files=FileSettings(root=given.one("--configroot", _folder, "")),
        reload=ReloadSettings(
            signal=given.one("--reload-signal", _signal, default_signal),
            http=HttpSettings(url, method) if url else None,
            interval_s=given.one("--reload-interval", _seconds, 1.0),
        ),
        logs=_log_settings(given),
        startup_timeout_s=given.one("--startup-timeout", _seconds, 60.0),
    )


def _log_settings(given: _Given) -> LogSettings:
    verbosity = given.one("--v", _whole, 0)
    return LogSettings(
        format=given.one("--log-format", _log_format, _log_format("auto")),
        level=given.one("--log-level", _level, DEBUG if verbosity >= 2 else INFO),
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


# --- one value each: return it converted, or raise ValueError with what is expected


def _object_name(text: str) -> ObjectName | None:
    namespace, slash, name = text.rpartition("/")
    if not slash:
        namespace = "default"
    if not _LABEL.fullmatch(namespace):
        raise ValueError(f"{namespace!r} is not a namespace; expected [NAMESPACE/]NAME")
    if not _SUBDOMAIN.fullmatch(name) or len(name) > _NAME_MAX:
        raise ValueError(f"{name!r} is not the name of an object; expected [NAMESPACE/]NAME")
    return ObjectName(namespace, name)


def _text(text: str) -> str | None:
    return text or None


def _file(text: str) -> str | None:
    if not os.path.isfile(text):
        raise ValueError("there is no such file")
    return os.path.abspath(text)


def _folder(text: str) -> str:
    if os.path.exists(text) and not os.path.isdir(text):
        raise ValueError("is not a folder")
    return os.path.abspath(text)


def _url(text: str) -> str:
    from urllib.parse import urlsplit

    url = urlsplit(text)
    if url.scheme not in {"http", "https"} or not url.hostname or not text.isprintable() or " " in text:
        raise ValueError("expected http://HOST[:PORT]/PATH or https://…")
    if url.port == 0:
        raise ValueError("port 0 cannot be reached")
    return text


def _method(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z]{1,20}", text):
        raise ValueError("expected an HTTP method, as POST")
    return text.upper()


def _signal(text: str) -> int | None:
    """A number, or a name with or without SIG."""
    name = text.upper().removeprefix("SIG")
    number = int(name) if name.isdecimal() and name.isascii() else getattr(signal, f"SIG{name}", None)
    if number not in signal.valid_signals():
        raise ValueError("expected a signal, as HUP or 1")
    if number in {signal.SIGKILL, signal.SIGSTOP}:
        raise ValueError("no process can reload on that signal")
    return int(number)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1
    if not 0 <= seconds <= 1e9:
        raise ValueError("expected seconds, as 30 or 0.5")
    return seconds


def _whole(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise ValueError("expected a whole number")
    return int(text)


def _log_format(text: str) -> Literal["json", "text"]:
    match text:
        case "json" | "text":
            return text
        case "auto":
            return "text" if os.isatty(2) else "json"
    raise ValueError("expected json, text or auto")


def _level(text: str) -> int:
    if text.lower() not in LEVELS:
        raise ValueError("expected debug, info, warning or error")
    return LEVELS[text.lower()]
