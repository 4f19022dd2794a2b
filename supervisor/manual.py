"""The table of options in other forms: completions for shells, and a manual page."""

from __future__ import annotations

import re

from supervisor import __version__, usage
from supervisor.profiles import PROFILES

# What can be said for the values of some options; of others their name in the table tells: FILE, DIR, SIG, CMD.
_CHOICES = {
    "--layout": ("atomic", "files"),
    "--log-format": ("auto", "json", "text"),
    "--log-level": ("debug", "info", "warning", "error"),
    "--child-logs": ("raw", "json"),
    "--completion": ("bash", "zsh"),
    "--reload-http-method": ("POST", "PUT", "GET"),
}

_BASH = r"""# bash completion of config-supervisor: source <(config-supervisor --completion=bash)
_config_supervisor() {
    local current=${COMP_WORDS[COMP_CWORD]} option= i
    COMPREPLY=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        if [[ ${COMP_WORDS[i]} == -- ]]; then # the command
            if ((COMP_CWORD == i + 1)); then mapfile -t COMPREPLY < <(compgen -c -- "$current")
            else mapfile -t COMPREPLY < <(compgen -f -- "$current"); fi
            return
        fi
    done
    # Bash splits words at = as a rule: --option = value.
    if [[ $current == = ]]; then option=${COMP_WORDS[COMP_CWORD - 1]} current=
    elif [[ ${COMP_WORDS[COMP_CWORD - 1]} == = ]]; then option=${COMP_WORDS[COMP_CWORD - 2]}; fi
    case $option in
@VALUES@
    esac
    case $current in
        -*) mapfile -t COMPREPLY < <(compgen -W "@OPTIONS@" -- "$current")
            [[ ${COMPREPLY[0]-} == *= ]] && compopt -o nospace ;;
        *) ((COMP_CWORD == 1)) && mapfile -t COMPREPLY < <(compgen -W "@FORMS@" -- "$current") ;;
    esac
}
complete -F _config_supervisor config-supervisor config-controller
"""

_ZSH = r"""#compdef config-supervisor config-controller
# zsh completion of config-supervisor: source <(config-supervisor --completion=zsh)
_config_supervisor() {
    local -a forms=(@FORMS@)
    if ((CURRENT == 2)) && [[ $words[2] != -* ]]; then
        _describe -t commands 'side command' forms
        return
    fi
    if [[ -n ${forms[(r)$words[2]:*]} ]]; then
        shift words
        ((CURRENT--))
    fi
    _arguments -S \
@OPTIONS@
        '*::command:_normal'
}
compdef _config_supervisor config-supervisor config-controller
"""


def completions() -> dict[str, str]:
    """The script for each shell."""
    return {"bash": _for_bash(), "zsh": _for_zsh()}


def _all_rows() -> list[usage.Row]:
    table = usage.table()
    more = [row for form in usage.FORMS for row in usage.rows(usage.FORMS[form][1])]
    return list({row.name: row for row in (*usage.rows(table), *more)}.values())


def _choices(row: usage.Row) -> tuple[str, ...]:
    return tuple(PROFILES) if row.name == "--profile" else _CHOICES.get(row.name, ())


def _for_bash() -> str:
    cases = []
    for row in _all_rows():
        if _choices(row):
            action = f'compgen -W "{" ".join(_choices(row))}" -- "$current"'
        else:
            kinds = {"DIR": "-d", "FILE": "-f", "NAME=FILE": "-f", "SIG": "-A signal", "CMD": "-c", "USER[:GROUP]": "-u"}
            action = f'compgen {kinds[row.value]} -- "$current"' if row.value in kinds else ""
        if action:
            cases.append(f"        {row.name}) mapfile -t COMPREPLY < <({action}); return ;;")
    cases.append("        ?*) return ;;")
    options = " ".join(row.name + ("=" if row.value else "") for row in _all_rows())
    return _BASH.replace("@VALUES@", "\n".join(cases)).replace("@OPTIONS@", options).replace("@FORMS@", " ".join(usage.FORMS))


def _for_zsh() -> str:
    lines = []
    for row in _all_rows():
        repeated = "*" if row.is_repeatable else ""
        value = ""
        if row.value:
            kinds = {"DIR": "_files -/", "FILE": "_files", "SIG": "_signals", "CMD": "_cmdstring", "USER[:GROUP]": "_users"}
            action = f"({' '.join(_choices(row))})" if _choices(row) else kinds.get(row.value, "")
            value = f":{_zsh(row.value)}:{action}"
        lines.append(f"        '{repeated}{row.name}{'=' if row.value else ''}[{_zsh(row.meaning)}]{value}' \\")
    forms = " ".join(
        f"'{form}:{about[0].split('. ')[0].split(': ')[0].replace(chr(10), ' ').strip()}'" for form, about in usage.FORMS.items()
    )
    return _ZSH.replace("@OPTIONS@", "\n".join(lines)).replace("@FORMS@", forms)


def _zsh(text: str) -> str:
    """A text as _arguments takes it, between single quotes."""
    return re.sub(r"([\[\]:\\])", r"\\\1", text).replace("'", r"'\''")


def page() -> str:
    """The manual page, in the macros that man(7) describes."""
    parts = [
        f'.TH CONFIG-SUPERVISOR 1 "" "config-supervisor {__version__}" "User Commands"',
        ".nh",  # options and variables are no words to be divided
        ".SH NAME",
        r"config\-supervisor \- an init for containers that keeps the configuration of its command up to date",
        ".SH SYNOPSIS",
        *(
            f".br\n.B {_roff(line)}"
            for line in (
                "config-supervisor [options] [--] [COMMAND [ARG...]]",
                *(f"config-supervisor {form} [options]" for form in usage.FORMS),
            )
        ),
        ".SH OPTIONS",
    ]
    for group in usage.groups().values():
        title, _, table = group.partition(":\n")
        parts.append(f'.SS "{_roff(title)}"')
        parts += [_entry(row) for row in usage.rows(table)]
    parts += [
        '.SS "Texts"',
        *(_entry(row) for row in usage.rows(usage.table()) if row.name in {"--help", "--version", "--completion", "--man"}),
    ]
    parts.append(".SH SIDE COMMANDS")
    for form, (about, more) in usage.FORMS.items():
        parts += [f'.SS "{form}"', _roff(" ".join(about.split())), *(_entry(row) for row in usage.rows(more))]
    parts += [".SH ENVIRONMENT AND EXIT CODES", *(f".PP\n{_roff(' '.join(part.split()))}" for part in usage.FOOT.split("\n\n"))]
    return "\n".join(parts)


def _entry(row: usage.Row) -> str:
    value = f"=\\fI{_roff(row.value)}\\fR" if row.value else ""
    repeated = " ..." if row.is_repeatable else ""
    return f".TP\n\\fB{_roff(row.name)}\\fR{value}{repeated}\n{_roff(row.meaning)}"


def _roff(text: str) -> str:
    """A text with what roff would take for its own escaped; one that begins a line must not begin with a dot or a quote."""
    escaped = text.replace("\\", r"\e").replace("-", r"\-").replace("…", "...").replace("'", r"\(aq")
    return f"\\&{escaped}" if escaped.startswith((".", "'")) else escaped
