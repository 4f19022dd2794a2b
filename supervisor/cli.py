"""The command line and the environment → what was given, by option. All problems of one invocation are told at once."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from docopt import docopt

from supervisor import usage
from supervisor.errors import UsageError
from supervisor.sections import contradictions, make_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from supervisor.settings import Settings

_PREFIX = "CONFIG_SUPERVISOR_"
_TRUTHS = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
# The variables of the Go program of 2016, and its flag that says what we find out by ourselves.
_OLD_VARIABLES = {
    "--configroot": "CONFIG_CONTROLLER_CONFIGROOT",
    "--configmap": "CONFIG_CONTROLLER_CONFIGMAP",
    "--reload-http": "CONFIG_CONTROLLER_URL",
    "--reload-http-method": "CONFIG_CONTROLLER_METHOD",
}
_OLD_FLAG = re.compile(r"--running-in-cluster(=(1|t|T|true|True|TRUE|0|f|F|false|False|FALSE))?")  # as Go reads a truth

T = TypeVar("T")
D = TypeVar("D")


class Leave(Exception):
    """The user only asked for a text; the message is that text."""


def read(argv: list[str], environment: Mapping[str, str]) -> Settings:
    """Make Settings. Raises UsageError with every problem found, and Leave if only a text is wanted."""
    words, command = split(argv)
    given = Given(words, environment)
    settings = make_settings(given, command)
    given.problems += contradictions(settings, given)
    if given.problems:
        raise UsageError(given.problems)
    return settings


class Asked(NamedTuple):
    """What a side command was asked."""

    settings: Settings
    given: Given
    contradictions: list[str]
    """Problems that a run with these options would have, and a side command may not."""


def read_form(form: str, argv: list[str], environment: Mapping[str, str]) -> Asked:
    """What a side command was asked. Raises UsageError for values that are wrong by themselves, and Leave as `read` does."""
    words, command = split(argv)
    given = Given(words, environment, form)
    settings = make_settings(given, command)
    if given.problems:
        raise UsageError(given.problems)
    return Asked(settings, given, contradictions(settings, given))


def split(argv: list[str]) -> tuple[list[str], list[str]]:
    """Our own words, and the command after `--`."""
    end = argv.index("--") if "--" in argv else len(argv)
    return [word for word in argv[:end] if not _OLD_FLAG.fullmatch(word)], argv[end + 1 :]


def variable_of(option: str) -> str:
    """The variable by which an option can be given."""
    return _PREFIX + option[2:].upper().replace("-", "_")


class Value(NamedTuple):
    """A value as the user gave it, with the name of the option or variable that holds it."""

    text: str
    name: str


class Given:
    """What was given, by option, wherever it was given; and the problems with it.

    `words` are ours, without `--` and the command. Raises Leave if only a text is wanted.
    """

    def __init__(self, words: list[str], environment: Mapping[str, str], form: str = "") -> None:
        text = _text_asked_for(words, form)
        if text:
            raise Leave(text)
        self.words = words
        self.problems = _problems_of_words(words, form)
        self._parsed = {} if self.problems or not words else docopt(usage.docopt_text(form), words, default_help=False)
        self.environment = environment
        self.profile: dict[str, str] = {}
        """Options that count as given, if they are not: what a profile says."""

    def all(self, option: str) -> list[Value]:
        """Every value of a repeatable option."""
        values = self._parsed.get(option) or []
        if values:
            return [Value(value, option) for value in values]
        value = self._from_environment(option)
        return [Value(line.strip(), value.name) for line in value.text.splitlines() if line.strip()] if value else []

    def one(self, option: str, convert: Callable[[str], T], default: D) -> T | D:
        """The value of an option, converted; a ValueError of `convert` becomes a problem with the option's name."""
        text = self._parsed.get(option)
        value = Value(text, option) if text is not None else self._from_environment(option)
        return self.convert(value, convert, default) if value else default

    def flag(self, option: str) -> bool:
        """Whether a flag is set; by environment it is true or false."""
        if self._parsed.get(option):
            return True
        value = self._from_environment(option)
        return self.convert(value, _to_truth, False) if value else False

    def convert(self, value: Value, convert: Callable[[str], T], default: D) -> T | D:
        """Convert one value, or note why it cannot be."""
        try:
            return convert(value.text)
        except ValueError as error:
            self.problems.append(f"{value.name}={value.text}: {error}")
            return default

    def convert_all(self, option: str, convert: Callable[[str], T]) -> tuple[T, ...]:
        """Every value of a repeatable option, converted, each once, in the order given."""
        values = (self.convert(value, convert, None) for value in self.all(option))
        return tuple(dict.fromkeys(value for value in values if value is not None))

    def has(self, option: str) -> bool:
        """Whether an option that takes a value was given anywhere, also a wrong one: that one is not missing as well."""
        return bool(self._parsed.get(option) or self._from_environment(option))

    def _from_environment(self, option: str) -> Value | None:
        """A variable that is empty counts as not given: pod specs cannot take a variable of the image away."""
        new = variable_of(option)
        for name in (new, _OLD_VARIABLES.get(option, new)):
            if self.environment.get(name):
                return Value(self.environment[name], name)
        if option in self.profile:
            return Value(self.profile[option], option)
        return None


def _text_asked_for(words: list[str], form: str) -> str:
    """The text that is all that the user wants; empty if it is something else, or if there is no such text."""
    if "--version" in words:
        from supervisor import __version__

        return f"config-supervisor {__version__}"
    for word, after in zip(words, [*words, ""][1:], strict=True):
        name, equals, value = word.partition("=")
        if word in {"-h", "--help"}:
            return usage.help_of(form)
        if word == "--man":
            from supervisor import manual

            return manual.page()
        text = _texts(name).get(value if equals else after)
        if text:
            return text
    return ""


def _texts(option: str) -> dict[str, str]:
    """The texts among which the value of an option chooses; none for most options."""
    if option == "--help":
        return usage.groups()
    if option == "--completion":
        from supervisor import manual

        return manual.completions()
    return {}


def _to_truth(text: str) -> bool:
    if text.lower() not in _TRUTHS:
        raise ValueError("expected true or false")
    return _TRUTHS[text.lower()]


def _problems_of_words(words: list[str], form: str) -> list[str]:
    """What docopt would refuse, each told in our words."""
    problems, seen, rest = [], set(), iter(words)
    table = usage.options(form)
    for word in rest:
        name, equals, _ = word.partition("=")
        if not word.startswith("-"):
            problems.append(_unexpected(word))
            break
        option = table.get(name)
        known = _texts(name)
        if option is None:
            problems.append(f"unknown option {name}: {usage.nearest(name, table) or 'see --help'}")
        elif option.takes_value and not equals and next(rest, None) is None:
            problems.append(f"{name} needs a value: {name}=…")
        elif known:  # one that is known would have been told by now
            problems.append(f"{word}: expected {' or '.join(f'{name}={each}' for each in known)}")
        elif equals and not option.takes_value:
            problems.append(f"{name} takes no value")
        elif name in seen and not option.is_repeatable:
            problems.append(f"{name} is given more than once")
        seen.add(name)
    return problems


def _unexpected(word: str) -> str:
    """A word before `--`: a command, or a side command that is written wrongly or stands in the wrong place."""
    nearest = usage.nearest(word, usage.FORMS)
    return f"unexpected word {word!r}: {f'{nearest} Or ' if nearest else ''}put -- before the command"
