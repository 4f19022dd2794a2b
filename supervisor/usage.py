"""The usage text, which is the table of all options: people read it, docopt reads it, and cli takes the names from it.

A line of the table is `  --name[=VALUE][ …]  meaning`; an option with … can be repeated, one without a value is a flag.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_HEAD = """\
Run a command as an init, keep its configuration files equal to a ConfigMap, and tell it to reload.

Usage:
  config-supervisor [options] [--] [COMMAND [ARG...]]

  Everything after -- is the command, untouched. Without a command it is a sidecar: the app is
  told by HTTP. Without a source it is a plain init.
"""

_OPTIONS = """\
What is wanted:
  --configmap=[NS/]NAME …      a ConfigMap to watch. Without NS: the namespace "default"
  --manifest=FILE …            ConfigMaps and Secrets in a local YAML file, watched for changes

Files:
  --configroot=DIR             where files go; needed as soon as there is a source

Reload:
  --reload-signal=SIG          sent to the command (HUP, if there is one and no --reload-http)
  --reload-http=URL            requested after a change: http://… or https://…
  --reload-http-method=METHOD  (POST)
  --reload-interval=SECONDS    least time between two reloads (1)

Start:
  --startup-timeout=SECONDS    time for the first configuration; 0 waits for ever (60)

Report:
  --listen=ADDRESS             probes, metrics and a status page: [HOST]:PORT or unix:PATH
  --unhealthy-after=SECONDS    /livez fails when a reload has been failing so long; 0: never (60)
  --child-logs=HOW             raw, or json: each line that the command prints becomes a JSON line (raw)
  --log-format=FORMAT          json, text, or auto: text on a terminal, else json (auto)
  --log-level=LEVEL            debug, info, warning or error (info)
  --v=N                        2 or more is --log-level=debug, as in the Go program

Cluster:
  --kubeconfig=FILE            instead of the service account, $KUBECONFIG or ~/.kube/config
  --context=NAME               a context of the kubeconfig

  -h, --help                   show this
  --version                    show the version
"""

_FOOT = """\
Options with … can be repeated. By environment: --reload-http is CONFIG_SUPERVISOR_RELOAD_HTTP, and
so on; repeatable ones are split at newlines, flags are true or false. The command line wins.

Exit codes: the command's own; 128+n if signal n ended it; 127 no such command, 126 not executable,
125 a fault of ours, 2 wrong usage. A sidecar that is asked to stop leaves with 0.
"""

HELP = f"{_HEAD}\n{_OPTIONS}\n{_FOOT}".rstrip()


class Option(NamedTuple):
    """What the table says of an option."""

    takes_value: bool
    is_repeatable: bool


def options() -> dict[str, Option]:
    """Every option of the table, by name."""
    lines = re.findall(r"^  (?:-h, )?(--[a-z-]+)(=\S+)?( …)?", _OPTIONS, re.MULTILINE)
    return {name: Option(bool(value), bool(more)) for name, value, more in lines}


def docopt_text() -> str:
    """The same table with the one usage line that docopt needs to know which options can be repeated."""
    repeatable = " ".join(f"[{name}=VALUE]..." for name, option in options().items() if option.is_repeatable)
    return f"Usage:\n  config-supervisor {repeatable} [options]\n\n{_OPTIONS}"
