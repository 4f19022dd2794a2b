from __future__ import annotations

import re

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from supervisor import cli
from supervisor.errors import UsageError
from supervisor.settings import Settings
from tests.laws.conftest import CASES


def options() -> list[str]:
    """Those of the help text."""
    try:
        cli.read(["--help"], {})
    except cli.Leave as leave:
        return re.findall(r"^  (?:-h, )?(--[a-z-]+)", str(leave), re.MULTILINE)
    raise AssertionError("no help")


OPTIONS = options()
# What the kernel hands over: any bytes but NUL, decoded as Python does it.
texts = st.binary(max_size=12).map(lambda given: given.replace(b"\0", b"").decode(errors="surrogateescape")) | st.text(
    st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12
)
VALUES = [
    *("", "0", "1", "-1", "2.5", "1e999", "nan", "9" * 12, "HUP", "KILL", "64", "POST", "json", "debug", "x" * 300),
    *("app", "a/b", "a/b/c", "/", ".", "/tmp", __file__, "a=b", "a:b", "{key}", "%n"),
    *("http://a/", "https://[::1]:8443/x?y", "http://[", "http://a:99999/", "//"),
]
values = st.sampled_from(VALUES) | texts
assigned = st.builds("{}={}".format, st.sampled_from(OPTIONS), values)
odd = st.sampled_from([*OPTIONS, "--", "-h", "-", "-v", "--=", "--running-in-cluster", "--running-in-cluster=true", "--no-such"])
words = odd | assigned | values
names = st.sampled_from(
    [
        *("CONFIG_SUPERVISOR_" + option[2:].upper().replace("-", "_") for option in OPTIONS),
        *("CONFIG_CONTROLLER_" + name for name in ("CONFIGROOT", "CONFIGMAP", "URL", "METHOD")),
    ]
)
environments = st.dictionaries(names, values | st.lists(values, max_size=3).map("\n".join), max_size=5)


def read(argv: list[str], environment: dict[str, str]) -> Settings | list[str]:
    """Settings, problems, or a text as a list of its lines. Everything else that is raised is a mistake of ours."""
    try:
        return cli.read(argv, environment)
    except UsageError as error:
        return error.problems
    except cli.Leave as leave:
        return str(leave).splitlines()


@pytest.mark.fuzz("any words and any environment", "settings, or problems said in words", CASES)
@given(argv=st.lists(words, max_size=8), command=st.none() | st.lists(words, max_size=3), environment=environments)
def test_any_words_and_any_environment(argv: list[str], command: list[str] | None, environment: dict[str, str]) -> None:
    """Give settings with the very command, at least one problem said in words, or a text; never another error."""
    check(argv, command, environment)


@pytest.mark.fuzz("one odd word in a command line that is right", "settings, or problems said in words", CASES)
@given(word=assigned, environment=st.just({}) | st.builds(lambda name, value: {name: value}, names, values))
def test_one_odd_word_in_a_run_that_is_right(word: str, environment: dict[str, str]) -> None:
    """So that more is looked at than the first mistake of many."""
    check(["--configmap=app", "--configroot=/tmp", word], ["app"], environment)


def check(argv: list[str], command: list[str] | None, environment: dict[str, str]) -> None:
    """Read it, and look at what comes."""
    ours = [word for word in argv if word != "--"]
    found = read([*ours, *([] if command is None else ["--", *command])], environment)
    event(type(found).__name__)

    if isinstance(found, Settings):
        assert found.command == (command or [])
    else:
        assert found
        assert found[0]
