from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from supervisor import cli, usage
from tests.checkout import README, REPOSITORY
from tests.running import SUPERVISOR
from tests.side import side
from tests.terminal import Terminal, terminal

HELP = side("--help").out
# As installed: a program of that name is on the path.
SHIM = '#!/bin/sh\nexec "{python}" -m supervisor "$@"\n'


def test_each_group_fits_a_screen_of_a_hundred_columns() -> None:
    """Thirty-five lines, with the blank ones that divide the groups."""
    groups = HELP.split("\n\n")

    assert max(map(len, HELP.splitlines())) <= 100
    assert max(len(group.splitlines()) for group in groups) <= 35
    assert len(groups) > 10


@pytest.mark.parametrize("name", usage.groups())
def test_one_group_can_be_asked_for(name: str) -> None:
    """By the last word of its title; and it is a part of the whole."""
    said = side(f"--help={name}")

    assert said.code == 0
    assert said.out.strip() in HELP


def test_the_groups_hold_every_option() -> None:
    """But for those that only give a text."""
    grouped = {row.name for group in usage.groups().values() for row in usage.rows(group)}

    assert set(usage.options()) - grouped == {"--help", "--version", "--completion", "--man"}


def test_a_group_or_shell_that_is_unknown_is_told_the_known_ones() -> None:
    """With exit code 2."""
    assert side("--help=relaod").code == 2
    assert "--help=reload" in side("--help=relaod").err
    assert side("--completion=fish").err == (
        "config-supervisor: --completion=fish: expected --completion=bash or --completion=zsh\n"
    )
    assert side("--completion").code == 2


def test_the_default_that_help_names_is_the_one_that_is_used() -> None:
    """To give it changes nothing."""
    common = ["--manifest=/m.yaml", "--configroot=/c", "--reload-http=http://localhost/"]
    plain = cli.read(common, {})
    named = {row.name: match[1] for row in usage.rows(usage.table()) if (match := re.search(r"\(([^() ,]+)\)$", row.meaning))}
    special = {"--kill-timeout": "never", "--reload-http-status": "2xx"}

    assert len(named) > 15
    for name, default in named.items():
        if name in special:
            assert default == special[name]
            continue
        words = [f"{name}={default}"] + (["--", "sh"] if name == "--stop-delay" else [])
        without = cli.read([*common, *words[1:]], {}) if words[1:] else plain
        assert cli.read([*common, *words], {}) == without, name


def test_every_option_is_read_by_a_section() -> None:
    """The table promises nothing that nobody looks at."""
    files = [REPOSITORY / "supervisor" / f"{name}.py" for name in ("sections", "reload_sections", "cli")]
    code = "".join(path.read_text() for path in files)

    assert [name for name in usage.options() if f'"{name}"' not in code] == []


def test_the_readme_lists_every_event_of_the_log() -> None:
    """By its dotted name, and no other."""
    code = "".join(path.read_text() for path in (REPOSITORY / "supervisor").rglob("*.py"))
    written = set(re.findall(r'(?:log|_log|note)\.?(?:debug|info|warning|error)?\)?\(\s*"([a-z_]+\.[a-z_]+)"', code))
    listed = set(re.findall(r"^\| `([a-z_]+\.[a-z_]+)` \|", README, re.MULTILINE))

    assert len(written) > 8
    assert listed == written | {f"config.{verdict}" for verdict in ("applied", "unchanged", "refused", "rolled_back", "failed")}


@pytest.mark.skipif(not shutil.which("man"), reason="no man")
def test_the_manual_page_holds_every_option(tmp_path: Path) -> None:
    """And man finds nothing to warn of."""
    page = tmp_path / "config-supervisor.1"
    page.write_text(side("--man").out)
    environment = {"MANWIDTH": "100", "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "MAN_KEEP_FORMATTING": ""}
    done = subprocess.run(["man", "--warnings", "-l", str(page)], capture_output=True, text=True, env=environment, check=True)
    shown = done.stdout.replace("\u2010", "-")

    assert done.stderr == ""
    assert [name for name in usage.options() if name not in shown] == []
    assert "doctor" in shown
    assert "CONFIG_SUPERVISOR_RELOAD_HTTP" in shown


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A folder with the program, and files to be completed."""
    folder = tmp_path / "bin"
    folder.mkdir()
    shim = folder / "config-supervisor"
    shim.write_text(SHIM.format(python=sys.executable))
    shim.chmod(0o755)
    (tmp_path / "manifest-of-mine.yaml").write_text("")
    return folder


def completed(shell: Terminal, typed: str, expected: str) -> None:
    """What is typed becomes what is expected when Tab is pressed."""
    shell.type(f"{typed}\t")
    shell.wait_for(re.escape(expected))
    shell.type("\x15")  # the line is thrown away


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_a_shell_completes_options_values_and_side_commands(shell: str, installed: Path, tmp_path: Path) -> None:
    """In a real one, at a terminal."""
    if not shutil.which(shell):
        pytest.skip(f"no {shell}")
    words = {"bash": ["bash", "--norc", "--noprofile", "-i"], "zsh": ["zsh", "-f", "-i"]}[shell]
    prepare = {"bash": "", "zsh": "autoload -U compinit; compinit -u -D; "}[shell]
    environment = {
        "PATH": f"{installed}:/usr/bin:/bin",
        "PYTHONPATH": str(REPOSITORY),
        "PS1": "> ",
        "TERM": "dumb",
        "HOME": str(tmp_path),
        "LC_ALL": "C.UTF-8",
    }
    with terminal(*words, environment=environment, cwd=tmp_path) as opened:
        opened.type(f"{prepare}source <(config-supervisor --completion={shell}); echo rea''dy\n")
        opened.wait_for("ready")
        completed(opened, "config-supervisor --reload-htt-", "--reload-htt-")
        completed(opened, "config-supervisor --start-w", "config-supervisor --start-with-last")
        completed(opened, "config-supervisor --layo", "config-supervisor --layout=")
        completed(opened, "config-supervisor --layout=f", "config-supervisor --layout=files")
        completed(opened, "config-supervisor --profile=post", "config-supervisor --profile=postgresql")
        completed(opened, "config-supervisor --manifest=manifest-of", "--manifest=manifest-of-mine.yaml")
        completed(opened, "config-supervisor doc", "config-supervisor doctor")


@pytest.mark.plain
def test_the_program_is_the_one_of_this_checkout() -> None:
    """So that what is tested here is what is developed here."""
    assert SUPERVISOR[0] == sys.executable
