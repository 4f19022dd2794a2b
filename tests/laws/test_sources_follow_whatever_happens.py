from __future__ import annotations

import base64
import itertools
import json
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, Self

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.laws.folders import Folder, files_of, folders, make, passing_folder
from tests.running import Lines, eventually, program
from tests.stand_ins.api import StandInApi
from tests.stand_ins.client import ApiError, Client, Kind

# Of each object its keys and their contents.
Contents = dict[str, dict[str, str]]

_numbers = itertools.count(1)
_KINDS: list[Kind] = ["ConfigMap", "Secret"]

Act = Literal["apply", "unlabel", "delete", "drop", "forget"]
_acts: st.SearchStrategy[Act] = st.sampled_from(["apply", "apply", "apply", "unlabel", "delete", "drop", "forget"])
_steps = st.lists(st.tuples(_acts, st.sampled_from(["a", "b", "c"]), st.sampled_from(["1", "2"])), max_size=12)


@pytest.fixture(scope="module")
def api() -> Iterator[StandInApi]:
    """One for all examples: each has a namespace of its own."""
    with StandInApi() as api:
        yield api


class Follower:
    """A process that follows what it is told to: its threads are not for this one, where hypothesis draws."""

    def __init__(self, kubeconfig: Path | None = None) -> None:
        words = program("follow", str(kubeconfig or ""))
        self._process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._process.stdout
        self._lines = Lines(self._process.stdout)

    def follow(self, named: str) -> None:
        """Begin."""
        assert self._process.stdin
        self._process.stdin.write(f"{named}\n".encode())
        self._process.stdin.flush()

    def newest(self, named: str) -> Contents | None:
        """What it has heard last."""
        words = [json.loads(line) for line in self._lines.all() if line.startswith(json.dumps([named])[:-1])]
        return words[-1][1] if words else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        assert self._process.stdin
        self._process.stdin.close()


@pytest.fixture(scope="module")
def follower(api: StandInApi) -> Iterator[Follower]:
    """One for all examples."""
    with TemporaryDirectory() as folder, Follower(api.write_kubeconfig(Path(folder, "kubeconfig"))) as made:
        yield made


@settings(max_examples=60)
@given(kind=st.sampled_from(_KINDS), before=_steps, steps=_steps)
def test_a_selector_ends_at_what_the_api_holds(
    api: StandInApi, follower: Follower, kind: Kind, before: Sequence[tuple[Act, str, str]], steps: Sequence[tuple[Act, str, str]]
) -> None:
    """Objects come, change, lose the label, go, and come back, and connections and versions are lost meanwhile."""
    client, namespace = api.client(), f"ns-{next(_numbers)}"
    for act, name, text in before:
        do(api, client, kind, namespace, act, name, text)
    follower.follow(f"{kind} {namespace}")
    for act, name, text in steps:
        do(api, client, kind, namespace, act, name, text)

    expected = held(client, kind, namespace)
    eventually(lambda: follower.newest(f"{kind} {namespace}") == expected, f"{expected}")


def do(api: StandInApi, client: Client, kind: Kind, namespace: str, act: Act, name: str, text: str) -> None:
    """One thing that happens."""
    if act == "drop":
        api.drop_watches()
    elif act == "forget":
        api.compact()
    elif act == "delete":
        try:
            client.delete(kind, namespace, name)
        except ApiError as error:
            if error.status != 404:
                raise
    else:
        client.apply(kind, namespace, name, {"key": text}, labels={"app": "web"} if act == "apply" else {})


def held(client: Client, kind: Kind, namespace: str) -> Contents:
    """What the API says that there is."""
    found = client.list(kind, namespace, labels="app=web")["items"]
    return {
        item["metadata"]["name"]: {
            key: base64.b64decode(text).decode() if kind == "Secret" else text for key, text in item["data"].items()
        }
        for item in found
    }


@settings(max_examples=25)
@given(states=st.lists(folders, min_size=1, max_size=4))
def test_a_folder_ends_at_what_is_in_it(states: Sequence[Folder]) -> None:
    """Files and folders come, change and go, and become each other."""
    # One for each example: a source is never told to stop, and the kernel gives a user 128 instances of inotify.
    with passing_folder() as place, Follower() as follower:
        make(states[0], place / "watched")
        named = f"Folder {place}/watched"
        follower.follow(named)
        for before, state in itertools.pairwise(states):
            turn(before, state, place / "watched")

        expected = {"watched": {path: text.encode().decode("latin-1") for path, text in files_of(states[-1])}}
        eventually(lambda: follower.newest(named) == expected, f"{expected}")


def turn(before: Folder, after: Folder, place: Path) -> None:
    """Make one state of another, in place."""
    for name in before.keys() - after.keys():
        remove(before[name], place / name)
    for name, content in after.items():
        old = before.get(name)
        if isinstance(content, dict) and isinstance(old, dict):
            turn(old, content, place / name)
        elif isinstance(content, dict):
            remove(old, place / name)
            make(content, place / name)
        else:
            remove(old if isinstance(old, dict) else None, place / name)
            (place / name).write_text(content)


def remove(what: Folder | str | None, place: Path) -> None:
    """A file, or a folder with all in it."""
    if isinstance(what, dict):
        for name, content in what.items():
            remove(content, place / name)
        place.rmdir()
    elif what is not None:
        place.unlink()
