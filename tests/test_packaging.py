"""What is built and installed, and what is written about it: the wheel, the version, the options in --help and the README."""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from supervisor import __version__
from supervisor.profiles import PROFILES
from tests.checkout import README, REPOSITORY, clone
from tests.conftest import Start

CHANGELOG = (REPOSITORY / "CHANGELOG.md").read_text()
LOCKS = sorted(
    str(path.relative_to(REPOSITORY)) for place in ("", "[!.]*/**/") for path in REPOSITORY.glob(f"{place}*requirements*.lock")
)


# --- the version


def test_the_changelog_tells_of_this_version() -> None:
    """In a section of its own, or in the one of what is not released yet."""
    assert re.search(rf"^## \[({re.escape(__version__)}|Unreleased)\]", CHANGELOG, re.MULTILINE)


# --- the options


class Option(NamedTuple):
    """An option as it is written about."""

    default: str
    can_be_repeated: bool


def in_help() -> dict[str, Option]:
    """The options of --help: the default stands in parentheses at the end of the text, one word, or more after a comma."""
    done = subprocess.run([sys.executable, "-m", "supervisor", "--help"], cwd=REPOSITORY, stdout=subprocess.PIPE, check=True)
    text = re.sub(r"\n {20,}", "  ", done.stdout.decode())  # a long text goes on in the next line
    row = r"^  (?:-h, )?(--[a-z][a-z-]*(?:=\S+)?)( …)?  +.*?(?:\(([^\s()]+(?:, [^()]+)?)\))?$"
    return {option: Option(default, bool(more)) for option, more, default in re.findall(row, text, re.MULTILINE)}


def in_readme() -> dict[str, Option]:
    """The options of the README's table."""
    rows = re.findall(r"^\| (`--.+?) \| (.*?) ?\|", README, re.MULTILINE)
    return {
        option: Option(default.replace("`", ""), "…" in names)
        for names, default in rows
        for option in re.findall("`(.+?)`", names)
    }


def test_the_readme_has_the_options_of_the_help_text() -> None:
    """With the same words for their values, the same defaults, and the same ones can be repeated."""
    helped, read = in_help(), in_readme()

    assert len(helped) > 10
    assert sorted(read) == sorted(helped)
    assert {name for name in read if read[name].can_be_repeated} == {name for name in helped if helped[name].can_be_repeated}
    assert {name: read[name].default for name in helped if helped[name].default} == {
        name: option.default for name, option in helped.items() if option.default
    }


def test_the_readme_has_every_profile() -> None:
    """With its check, and what its users have to know."""
    rows = dict(re.findall(r"^\| `([a-z-]+)` \| (.*) \|$", README, re.MULTILINE))

    for name, profile in PROFILES.items():
        assert rows[name].endswith(f"| {profile['hint']}")
        assert profile["options"].get("--validate", "none") in rows[name]
        assert profile["parent"].get("--reload-signal", "") in rows[name]
        assert profile["parent"].get("--stop-signal", "") in rows[name]


def test_the_program_knows_the_options_of_the_help_text(start: Start) -> None:
    """Each of them, and that it takes a value."""
    for option in in_help():
        name, takes_value, _ = option.partition("=")
        said = start(name).err.wait_for_end()

        if takes_value:
            assert said == [f"config-supervisor: {name} needs a value: {name}=…"]
        else:  # alone it may be of no use
            assert [line for line in said if "unknown option" in line or "takes" in line] == []


def test_the_changelog_names_every_option() -> None:
    """Users look there for what is new."""
    named = set(re.findall(r"--[a-z][a-z-]*", CHANGELOG))

    assert {option.partition("=")[0] for option in in_help()} - named - {"--help"} == set()


# --- what is built and installed


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the source archive, and with the wheel that was built from it."""
    folder = tmp_path_factory.mktemp("built")
    source = clone(folder / "source")
    build = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(source)]
    subprocess.run(build, stdout=subprocess.DEVNULL, check=True)
    return folder


@pytest.fixture(scope="module")
def installed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an environment that holds the wheel and the locked dependencies, and nothing else."""
    folder = tmp_path_factory.mktemp("installed") / "environment"
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    pip = [str(folder / "bin" / "pip"), "install", "--quiet", "--retries=10"]
    subprocess.run([*pip, "--require-hashes", "-r", str(REPOSITORY / "requirements.lock")], check=True)
    subprocess.run([*pip, "--no-deps", "--no-index", str(only(built, "*.whl"))], check=True)
    return folder / "bin"


def only(folder: Path, pattern: str) -> Path:
    """The one file of a pattern."""
    (found,) = folder.glob(pattern)
    return found


@pytest.mark.slow
def test_the_wheel_holds_the_package_and_its_types(built: Path) -> None:
    """All of our modules, the mark that they are typed, the two scripts, the licence; no tests."""
    with zipfile.ZipFile(only(built, "*.whl")) as wheel:
        names = set(wheel.namelist())

    modules = {str(path.relative_to(REPOSITORY)) for path in (REPOSITORY / "supervisor").rglob("*.py")}
    about, data = f"config_supervisor-{__version__}.dist-info/", f"config_supervisor-{__version__}.data/"
    scripts = {f"{data}scripts/{name}" for name in ("config-supervisor", "config-controller")}
    assert {name for name in names if not name.startswith(about)} == {*modules, *scripts, "supervisor/py.typed"}
    assert {about + name for name in ("METADATA", "licenses/LICENSE")} <= names


@pytest.mark.slow
def test_the_source_archive_is_enough_to_develop(built: Path) -> None:
    """It holds what `make` and the tests need; that the wheel was built from it shows the rest."""
    with tarfile.open(only(built, "*.tar.gz")) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}

    wanted = {"Makefile", "README.md", "requirements-dev.lock", "examples/greeter.yaml", "docker/Dockerfile", ".ci/run"}
    assert (wanted | {"tests/test_packaging.py"}) - names == set()


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", ["config-supervisor", "config-controller"])
def test_an_installed_program_tells_its_version_and_runs(installed: Path, tmp_path: Path, name: str) -> None:
    """From anywhere: its code is that of the wheel, and not of a checkout that is near."""
    run = run_in(tmp_path, installed)

    assert run(name, "--version").stdout == f"config-supervisor {__version__}\n"
    done = run(name, "--subreaper", "--", "sh", "-c", "echo $PWD; exit 7")
    assert (done.returncode, done.stdout, done.stderr) == (7, f"{tmp_path}\n", "")
    where = run("python", "-c", "import supervisor; print(supervisor.__file__)").stdout
    assert where.startswith(str(installed.parent))


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_locked_dependencies_are_all_that_it_needs(installed: Path, tmp_path: Path) -> None:
    """Every room can be imported, and pip finds nothing that is missing or too old."""
    run = run_in(tmp_path, installed)
    walk = (
        "import importlib, pkgutil, supervisor\n"
        "for found in pkgutil.walk_packages(supervisor.__path__, 'supervisor.'):\n"
        "    if not found.name.endswith('__main__'): importlib.import_module(found.name)"
    )

    assert run("pip", "check").stdout == "No broken requirements found.\n"
    assert run("python", "-W", "error", "-c", walk).stderr == ""


def run_in(folder: Path, programs: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a program from `programs`, in a folder, with no path of ours in its environment."""

    def run(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        words = [str(programs / name), *arguments]
        return subprocess.run(words, cwd=folder, env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=False)

    return run


@pytest.mark.parametrize("lock", LOCKS)
def test_every_dependency_is_locked_by_version_and_hash(lock: str) -> None:
    """And whatever installs from a lock file insists on the hashes."""
    assert len(LOCKS) >= 4
    entries = re.split(r"\n(?=[a-zA-Z0-9])", (REPOSITORY / lock).read_text().rstrip())

    assert len(entries) >= 5
    assert [entry for entry in entries if not re.match(r"[\w.-]+==[\w.]+[^\n]*\\\n    --hash=sha256:[0-9a-f]{64}", entry)] == []


def test_all_lock_files_name_one_version() -> None:
    """What builds the wheel here builds it for the image."""
    named = {line.split()[0] for lock in LOCKS for line in (REPOSITORY / lock).read_text().splitlines() if line[:1].isalnum()}

    assert len(named) == len({one.partition("==")[0] for one in named})


def test_nothing_is_installed_that_is_not_locked() -> None:
    """Neither by make nor in an image: from a lock file with its hashes, or what is here, with what is installed already."""
    found = 0
    for path in (REPOSITORY / "Makefile", *(REPOSITORY / "docker").glob("*.py"), *(REPOSITORY / "docker").rglob("Dockerfile")):
        for line in path.read_text().splitlines():
            if re.search(r"\*pip, |pip install --", line):
                found += 1
                assert "--require-hashes" in line or "--no-build-isolation" in line, path

    assert found == 6


def test_every_promise_of_the_security_policy_names_a_test_that_is_there() -> None:
    """As paths of this repository."""
    named = set(re.findall(r"`(tests/[\w/.]+)`", (REPOSITORY / "SECURITY.md").read_text()))

    assert len(named) > 12
    assert [path for path in sorted(named) if not (REPOSITORY / path).is_file()] == []
