"""The inits that the program can take the place of, and how each is told the same things.

A test that runs with all of them shows that our reading of what is right is theirs too.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from typing import NamedTuple

import pytest

from tests.running import SUPERVISOR


class Init(NamedTuple):
    """An init, and the options for what it can do. `bare` is what it gets where nothing special is asked for."""

    name: str
    words: list[str]
    options: Mapping[str, str]
    bare: str = ""

    def told(self, **wishes: object) -> list[str]:
        """Its options for some wishes: `told(rewrite="15:3", group=True)`."""
        if not wishes:
            return self.bare.split()
        return " ".join(self.options[wish].format(value) for wish, value in wishes.items()).split()


# What each can do. "plain" are the things that all can.
_OURS = Init(
    "config-supervisor",
    SUPERVISOR,
    {
        "group": "--group-kill",
        "session": "--new-session",
        "subreaper": "--subreaper",
        "rewrite": "--rewrite={}",
        "remap": "--remap-exit={}",
        "parent_death": "--parent-death-signal={}",
        "own group": "",
        "says why": "",
        "keeps ignored": "",
    },
)
_TINI = Init(
    "tini",
    ["tini"],
    {
        "group": "-g",
        "subreaper": "-s",
        "remap": "-e {}",
        "parent_death": "-p SIG{}",
        "own group": "",
        "says why": "",
        "keeps ignored": "",
    },
)
_DUMB_INIT = Init("dumb-init", ["dumb-init"], {"group": "", "session": "", "rewrite": "-r {}"}, bare="-c")
OURS, TINI, DUMB_INIT = _OURS.name, _TINI.name, _DUMB_INIT.name


def every_init(*features: str) -> pytest.MarkDecorator:
    """Run a test with each init that has some features."""
    return pytest.mark.parametrize(
        "init",
        [
            pytest.param(init, id=init.name, marks=pytest.mark.skipif(not shutil.which(init.words[0]), reason=f"no {init.name}"))
            for init in (_OURS, _TINI, _DUMB_INIT)
            if set(features) <= set(init.options)
        ],
    )
