"""The usage text, which is the table of all options: people read it, docopt reads it, and cli takes the names from it.

A line of the table is `  --name[=VALUE][ …]  meaning`; an option with … can be repeated, one without a value is a flag.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

_HEAD = """\
Run a command as an init, keep its configuration files equal to ConfigMaps, and tell it to reload.

Usage:
  config-supervisor [options] [--] [COMMAND [ARG...]]
  config-supervisor doctor [options]   check all that a run needs, and say how to mend what fails
  config-supervisor check [options]    for a pull request: build and check the files of --manifest
  config-supervisor rbac [options]     print the least Role that these options need
  config-supervisor status [options]   ask the one that runs; exit 0: it is ready, 1: it is not

  Everything after -- is the command, untouched. Without a command it is a sidecar: the app is
  told by HTTP. Without a source it is a plain init.
"""

_OPTIONS = """\
What is wanted:
  --configmap=[NS/]NAME …      a ConfigMap to watch
  --secret=[NS/]NAME …         a Secret to watch
  --configmap-selector=[NS/]SELECTOR …  all ConfigMaps with these labels, as app=web,tier!=cache
  --secret-selector=[NS/]SELECTOR …     all Secrets with these labels
  --namespace=NS               of those that are named without NS (default)
  --manifest=FILE …            ConfigMaps and Secrets in a local YAML file, watched for changes
  --watch-dir=DIR …            a local folder, as a mounted ConfigMap, watched for changes
  --optional                   what does not exist is empty, instead of being waited for

Files:
  --configroot=DIR             where files go; needed as soon as there is a source
  --item=[[NS/]NAME:]KEY=PATH …  only these keys (of this object), at these paths
  --path=TEMPLATE              path of every other key, with {namespace}, {name}, {key} ({key})
  --key-separator=TEXT         what stands for / in keys
  --expand                     replace $(NAME) in text files by the environment
  --gunzip                     unpack keys that end in .gz, 64 MiB at the most
  --file-mode=OCTAL            of files, whatever the umask (0666)
  --secret-mode=OCTAL          of files that come from Secrets (0640)
  --dir-mode=OCTAL             of folders (0755)
  --layout=LAYOUT              atomic: links, exchanged in one step; files: no links (atomic)
  --fsync                      wait for the disk, so that a power cut cannot tear a revision

For one app:
  --profile=NAME               the right validate, reload, confirm and stop options for an app. Any
                               that is given wins. NAME: alertmanager, apache, caddy, dnsmasq,
                               envoy, fluent-bit, haproxy, mosquitto, nginx, pgbouncer, postgresql,
                               prometheus, redis, squid, unbound, vector

Reload:
  --reload-signal=SIG          sent to the command (HUP, if there is one and no other way is given)
  --reload-signal-force        send it even if the app has no handler for it and would end
  --reload-process=NAME        send the signal to processes of that name instead, or to the one
                               of a PID file: pid:/path (a sidecar needs shareProcessNamespace)
  --reload-http=URL            requested after a change: http://…, https://… or, for a socket
                               file, http+unix://%2Fpath%2Fto%2Fsocket/…
  --reload-http-method=METHOD  (POST)
  --reload-http-header=NAME=VALUE …
                               a header of the request
  --reload-http-header-file=NAME=FILE …
                               a header whose value is read from a file, for each request anew
  --reload-http-body=TEXT      the body of the request
  --reload-http-ca=FILE        certificates to trust, instead of the system's
  --reload-http-timeout=SECONDS
                               for the whole request (10)
  --reload-http-status=LIST    statuses that are a yes: 2xx, or as 200,204 or 200-299 (2xx)
  --reload-command=CMD         run to tell the app, without a shell; an exit code is its word
  --reload-restart             stop the command and start it again
  --reload-exit                stop, so that Kubernetes starts the container again
  --reload-none                tell nobody: only keep the files
  --reload-retries=N           so often an app that cannot be reached is asked again (5)
  --reload-interval=SECONDS    least time between two reloads (1)
  --splay=SECONDS              wait a random part of this before publishing a change (0)

Safety:
  --validate=CMD               check a revision: with {} in it, run on the staged folder, for which
                               {} stands, before it is published; without, after that and before
                               the reload
  --confirm-http=URL           the app took it when this answers 2xx …
  --confirm-match=REGEX        … with a body that matches
  --confirm-command=CMD        the app took it when this exits 0
  --confirm-workers            the app took it when its master has started new workers
  --confirm-within=SECONDS     time for that, from the reload on (30)
  --settle=SECONDS             from the reload on, time in which the command must not die (1)
  --no-rollback                keep new files even if they are refused
  --hook-timeout=SECONDS       for every command that is run: TERM, then KILL to its group (60)

Start:
  --startup-timeout=SECONDS    time for the first configuration; 0 waits for ever (60)
  --start-with-last            start with what an earlier run left, if the cluster does not answer
  --once                       write the files, then leave with 0, or become the command

Init:
  --kill-timeout=SECONDS       from a stop signal to KILL for the command and its group (never)
  --stop-delay=SECONDS         wait before a stop signal is forwarded; a second one ends that (0)
  --stop-signal=SIG            what TERM becomes for the command; the same as --rewrite=TERM:SIG
  --rewrite=A:B …              forward signal B instead of A, by name or number; 0 drops it
  --group-kill                 forward to the command's process group, and end what it leaves behind
  --subreaper                  reap orphans without being PID 1
  --parent-death-signal=SIG    sent to us, and so forwarded, when our parent dies
  --remap-exit=CODE …          leave with 0 when the command exits with CODE, as 143
  --new-session                start the command in a session of its own, with the terminal
  --user=USER[:GROUP]          run the command, and nothing else, as somebody else

Report:
  --listen=ADDRESS             probes, metrics and a status page: [HOST]:PORT or unix:PATH
  --unhealthy-after=SECONDS    /livez fails when a reload has been failing so long; 0: never (60)
  --events                     write Kubernetes Events of what becomes of changes, on the pod
  --termination-log=FILE       one JSON line at the end (/dev/termination-log, if it exists)
  --child-logs=HOW             json: each line it prints becomes a JSON line; raw: as it is (raw)
  --log-format=FORMAT          json, text, or auto: text on a terminal, else json (auto)
  --log-level=LEVEL            debug, info, warning or error (info)
  --v=N                        2 or more is --log-level=debug, as in the Go program

Cluster:
  --kubeconfig=FILE            instead of the service account, $KUBECONFIG or ~/.kube/config
  --context=NAME               a context of the kubeconfig

  -h, --help                   show this; --help=reload and so on: one group of it
  --version                    show the version
  --completion=SHELL           what bash or zsh needs to complete all this, for it to source
  --man                        a manual page, for man -l -
"""

# What each side command is for, and the options that it has besides those of a run.
FORMS = {
    "doctor": (
        """\
Check all that a run with these options needs, each thing by trying it: one line for each, with ok
or how to mend it. Exit code 0: all is well; 1: something is to be mended; 2: wrong usage.
""",
        """\
  --json                       the same as JSON
""",
    ),
    "check": (
        """\
For a pull request: build the files of --manifest and --watch-dir in a temporary place, run
--validate on them, say what would change in --configroot. Nothing outside that place is written.
Exit code 0: this would go live; 1: it would be refused; 2: wrong usage.
""",
        """\
  --json                       the same as JSON
""",
    ),
    "rbac": (
        """\
Print the ServiceAccount and the least Role and RoleBinding that a run with these options needs, as
YAML for kubectl apply.
""",
        """\
  --service-account=[NS/]NAME  who runs the pod (config-supervisor, where the first object is)
""",
    ),
    "status": (
        """\
Ask the supervisor that runs at --listen what is live, what is wanted, and why they differ. Without
--listen, the address of the supervisor that is PID 1. Exit code 0: it is ready; 1: it is not, or
does not answer. Fit for an exec probe.
""",
        """\
  --json                       as /status.json tells it
""",
    ),
}

FOOT = """\
Options with … can be repeated. By environment: --reload-http is CONFIG_SUPERVISOR_RELOAD_HTTP, and
so on; repeatable ones are split at newlines, flags are true or false. The command line wins.

Exit codes: the command's own; 128+n if signal n ended it; 127 no such command, 126 not executable,
125 a fault of ours, 2 wrong usage. A sidecar that is asked to stop leaves with 0.
"""

HELP = f"{_HEAD}\n{_OPTIONS}\n{FOOT}".rstrip()


class Option(NamedTuple):
    """What the table says of an option."""

    takes_value: bool
    is_repeatable: bool


def help_of(form: str) -> str:
    """The help of a side command, or of a run where `form` is empty."""
    if not form:
        return HELP
    about, more = FORMS[form]
    usage = f"Usage:\n  config-supervisor {form} [options]"
    return f"{about}\n{usage}\n\n{more}\nAnd all options of a run: see config-supervisor --help."


def groups() -> dict[str, str]:
    """The part of the table for each group, by the last word of its title in small letters, as `reload`."""
    parts = re.findall(r"^([A-Z][a-z ]+):\n((?:  .*\n)+)", _OPTIONS, re.MULTILINE)
    return {title.split()[-1].lower(): f"{title}:\n{rows}" for title, rows in parts}


class Row(NamedTuple):
    """One option, as the table tells it."""

    name: str
    value: str
    """What stands for the value, as SECONDS; empty: it takes none."""
    is_repeatable: bool
    meaning: str


def rows(table: str) -> list[Row]:
    """The options of a part of the table, with the whole meaning of each on one line."""
    found = re.findall(r"^  (?:-h, )?(--[a-z-]+)(?:=(\S+))?( …)?(.*(?:\n {6,}.*)*)", table, re.MULTILINE)
    return [Row(name, value, bool(more), " ".join(meaning.split())) for name, value, more, meaning in found]


def options(form: str = "") -> dict[str, Option]:
    """Every option of a run, or of a side command, by name."""
    lines = re.findall(r"^  (?:-h, )?(--[a-z-]+)(=\S+)?( …)?", table(form), re.MULTILINE)
    return {name: Option(bool(value), bool(more)) for name, value, more in lines}


def docopt_text(form: str = "") -> str:
    """The same table with the one usage line that docopt needs to know which options can be repeated."""
    repeatable = " ".join(f"[{name}=VALUE]..." for name, option in options().items() if option.is_repeatable)
    return f"Usage:\n  config-supervisor {repeatable} [options]\n\n{table(form)}"


def table(form: str = "") -> str:
    """The rows of a run, or of a side command."""
    return _OPTIONS + (FORMS[form][1] if form else "")


def nearest(name: str, known: Iterable[str]) -> str:
    """A question that names what may have been meant; empty if nothing is near."""
    from difflib import get_close_matches

    found = get_close_matches(name, known, n=1, cutoff=0.7)
    return f"did you mean {found[0]}?" if found else ""
