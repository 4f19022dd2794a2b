"""Apps that watch their files themselves, by Debian's own watchers: what they see is what the kubelet lets them see."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from tests.apps.conftest import free_port, get
from tests.conftest import Manifest, Start
from tests.manifests import configmap, put
from tests.running import Lines, eventually, program
from tests.stand_ins.api import StandInApi
from tests.stand_ins.kubelet import Mount

pytestmark = pytest.mark.apps

Write = Callable[..., None]
Watch = Callable[..., Lines]
KEEPERS = ["kubelet", "atomic", "files"]


@pytest.fixture(params=KEEPERS)
def keeper(request: pytest.FixtureRequest) -> str:
    """Who keeps the folder: a kubelet, or the program with one of its layouts."""
    return str(request.param)


@pytest.fixture
def write(keeper: str, start: Start, tmp_path: Path, root: Path) -> Write:
    """Put a state into the folder, and return when it is there."""
    if keeper == "kubelet":
        mount = Mount(root)
        return lambda **data: mount.write(data)
    path = tmp_path / "manifest.yaml"
    start(f"--manifest={path}", f"--configroot={root}", f"--layout={keeper}", "--reload-interval=0")

    def write(**data: str) -> None:
        put(path, configmap("app", data))
        eventually(
            lambda: all((root / key).exists() and (root / key).read_text() == text for key, text in data.items()), "it is there"
        )

    return write


@pytest.fixture
def watch() -> Iterator[Watch]:
    """Start a watcher, and return what it prints, when it watches."""
    with ExitStack() as stack:

        def watch(*words: str, ready: str) -> Lines:
            if not shutil.which(words[0]):
                pytest.skip(f"no {words[0]}")
            process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
            stack.callback(process.wait)
            stack.callback(os.killpg, process.pid, signal.SIGKILL)
            assert process.stdout
            lines = Lines(process.stdout)
            lines.wait_for(ready)
            return lines

        yield watch


def inotifywait(watch: Watch, path: Path) -> Lines:
    """Every event that changes something, as `EVENTS NAME`."""
    events = "modify,attrib,close_write,move,create,delete,move_self,delete_self"
    return watch("inotifywait", "--monitor", "--format=%e %f", f"--event={events}", str(path), ready="Watches established")


def test_a_file_that_is_watched_is_deleted(write: Write, watch: Watch, root: Path) -> None:
    """The sign on which apps open it again; at each change, and not when another file has changed."""
    write(key="1", other="1")
    for number in (2, 3):
        events = inotifywait(watch, root / "key")
        write(key=str(number), other="1")

        events.wait_for("^DELETE_SELF")


@pytest.mark.parametrize("keeper", ["atomic", "files"], indirect=True)
def test_a_file_that_did_not_change_is_left_in_peace(write: Write, watch: Watch, root: Path) -> None:
    """There the kubelet does more than needs be: it deletes all."""
    write(key="1", other="1")
    events, others = inotifywait(watch, root / "key"), inotifywait(watch, root / "other")
    write(key="2", other="1")
    events.wait_for("^DELETE_SELF")
    write(key="3", other="2")
    others.wait_for("^DELETE_SELF")

    seen = [line for line in others.all() if line.startswith(("MODIFY", "CLOSE_WRITE", "DELETE_SELF", "MOVE"))]
    assert seen == ["DELETE_SELF "]


def test_the_folder_that_is_watched_gets_a_new_link(write: Write, watch: Watch, root: Path) -> None:
    """`..data` is moved in, for which many apps wait. New and old names come and go."""
    write(key="1", old="1")
    events = inotifywait(watch, root)
    write(key="2", new="2")

    events.wait_for(r"^MOVED_TO \.\.data$")
    events.wait_for("^(CREATE|MOVED_TO) new$")
    events.wait_for("^DELETE old$")


@pytest.mark.parametrize("keeper", ["files"], indirect=True)
def test_a_plain_file_is_moved_into_its_folder(write: Write, watch: Watch, root: Path) -> None:
    """As an editor does it."""
    write(key="1", other="1")
    events = inotifywait(watch, root)
    write(key="2", other="1")
    write(key="3", other="1")

    events.wait_for("^MOVED_TO key$", times=2)
    assert [line for line in events.all() if line.endswith(" other")] == []


@pytest.mark.parametrize("keeper", ["kubelet", "atomic"], indirect=True)
def test_who_watches_what_the_link_leads_to_is_woken(write: Write, watch: Watch, root: Path) -> None:
    """Something happens to the old folder, at each change."""
    write(key="1")
    for number in (2, 3):
        events = inotifywait(watch, root / "..data")
        write(key=str(number))

        events.wait_for("^(DELETE|MOVED_TO) key$")


@pytest.mark.parametrize("layout", ["atomic", "files"])
def test_beside_an_app_that_is_told_a_watcher_is_woken_too(
    start: Start, manifest: Manifest, root: Path, watch: Watch, layout: str
) -> None:
    """A moment after it, at each change."""
    options = [f"--manifest={manifest(key='0')}", f"--configroot={root}", f"--layout={layout}", "--settle=0"]
    numbers = itertools.count(1)
    for more in [], ["--reload-interval=0"]:
        with start(*options, *more, command=program("show_config", f"{root}/key")) as running:
            running.out.wait_for("^started ")
            for number in itertools.islice(numbers, 2):
                events = inotifywait(watch, root / "key")
                manifest(key=str(number))
                running.out.wait_for(f"^reloaded .* '{number}'")
                events.wait_for("^DELETE_SELF")


def test_an_app_that_nobody_tells_is_woken_at_once(start: Start, manifest: Manifest, root: Path, watch: Watch) -> None:
    """Before it is seen whether it lives with the change."""
    options = [f"--manifest={manifest(key='0')}", f"--configroot={root}", "--reload-none", "--settle=60"]
    running = start(*options, command=program("show_config", f"{root}/key"))
    running.out.wait_for("^started ")
    events = inotifywait(watch, root / "key")
    manifest(key="1")
    events.wait_for("^DELETE_SELF")
    assert len(running.events("config.applied")) <= 1, "the first one, whose place it has taken"


def test_it_is_woken_also_when_the_program_was_killed_before(start: Start, manifest: Manifest, root: Path, watch: Watch) -> None:
    """The next run does what is left to do."""
    options = [f"--manifest={manifest(key='0')}", f"--configroot={root}", "--settle=0", "--reload-interval=0"]
    with start(*options, command=program("show_config", f"{root}/key")) as running:
        running.out.wait_for("^started ")
        events = inotifywait(watch, root / "key")
        manifest(key="1")
        running.out.wait_for("^reloaded .* '1'$")
        (orphan,) = running.child_pids()
        running.send(signal.SIGKILL)
        running.wait()
        os.kill(orphan, signal.SIGKILL)
    assert not [line for line in events.all() if "DELETE" in line], "killed too late: it was woken already"
    start(*options, command=program("show_config", f"{root}/key"))
    events.wait_for("^DELETE_SELF")


def test_it_is_woken_while_the_object_changes_and_its_content_does_not(
    start: Start, root: Path, tmp_path: Path, watch: Watch
) -> None:
    """As where somebody writes annotations all the time."""
    with StandInApi() as api:
        client = api.client()
        client.create("ConfigMap", "default", "app", {"key": "0"})
        options = [f"--kubeconfig={api.write_kubeconfig(tmp_path / 'kubeconfig')}", "--configmap=app", f"--configroot={root}"]
        running = start(*options, "--settle=0", "--reload-interval=0", command=program("show_config", f"{root}/key"))
        running.out.wait_for("^started ")
        events = inotifywait(watch, root / "key")
        for number in range(100):
            client.replace("ConfigMap", "default", "app", {"key": "1"}, labels={"number": str(number)})
            with suppress(AssertionError):  # not yet
                events.wait_for("^DELETE_SELF", deadline_s=0.3)
                return
        pytest.fail("it is never woken")


def test_tail_follows(write: Write, watch: Watch, root: Path) -> None:
    """It opens the file of that name again."""
    write(key="line 1\n")
    lines = watch("tail", "--follow=name", "--retry", "--sleep-interval=0.1", str(root / "key"), ready="^line 1$")
    for number in (2, 3):
        write(key=f"line {number}\n")
        lines.wait_for(f"^line {number}$")


def test_nginx_is_reloaded_by_a_watcher(write: Write, watch: Watch, root: Path, tmp_path: Path) -> None:
    """A small loop of inotifywait beside it, as people write them."""
    if not shutil.which("nginx", path="/usr/sbin:/usr/bin"):
        pytest.skip("no nginx")
    port = free_port()
    main = f"daemon off; pid {tmp_path}/nginx.pid; error_log stderr; events {{}} http {{ include site; }}"
    site = f"access_log off; server {{ listen 127.0.0.1:{port}; location / {{ return 200 %s; }} }}"
    write(main=main, site=site % "one")
    script = (
        'PATH=$PATH:/usr/sbin; nginx -c "$1/main" & '
        'inotifywait --monitor --event=moved_to --event=create "$1" | '
        'while read -r event; do case $event in *" ..data"|*" site") nginx -c "$1/main" -s reload;; esac; done & wait'
    )
    watch("sh", "-c", script, "sh", str(root), ready="Watches established")
    eventually(lambda: answers(port) == "one", "nginx answers")
    for word in ("two", "three"):
        write(main=main, site=site % word)
        eventually(lambda word=word: answers(port) == word, f"nginx answers {word}")  # type: ignore[misc]


def answers(port: int) -> str:
    """What nginx says, empty if it says nothing."""
    try:
        return get(port)
    except OSError:
        return ""
