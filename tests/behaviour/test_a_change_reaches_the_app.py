from __future__ import annotations

import os
import signal
import socket
import stat
import time
from itertools import pairwise
from pathlib import Path

from tests.conftest import HttpApp, Manifest, Start
from tests.running import Running, program


def test_the_first_configuration_is_there_when_the_command_starts(start: Start, manifest: Manifest, root: Path) -> None:
    """The command finds its file at its first look, and gets no signal for it."""
    running = start(f"--manifest={manifest(key='one')}", f"--configroot={root}", command=program("show_config", f"{root}/key"))

    running.out.wait_for("^started 'one'$")
    running.stop()
    assert [line for line in running.out.wait_for_end() if "reloaded" in line] == []


def test_the_command_waits_for_a_configuration_that_comes_later(
    start: Start, manifest: Manifest, root: Path, tmp_path: Path
) -> None:
    """As long as there is none, nothing runs; the log says once what is missing."""
    running = start(f"--manifest={tmp_path}/manifest.yaml", f"--configroot={root}", command=program("show_config", f"{root}/key"))
    running.wait_for_event("source.problem")
    manifest(key="one")

    running.out.wait_for("^started 'one'$")
    assert len(running.events("source.problem")) == 1


def test_a_change_is_told_by_sighup_and_the_file_is_new_by_then(start: Start, manifest: Manifest, root: Path) -> None:
    """The app reads the new content in its handler."""
    running = start(
        f"--manifest={manifest(key='one')}",
        f"--configroot={root}",
        "--reload-interval=0",
        command=program("show_config", f"{root}/key"),
    )
    running.out.wait_for("^started 'one'$")

    for count, value in enumerate(["two", "three", "four"], start=1):
        manifest(key=value)
        assert running.out.wait_for("^reloaded", times=count).endswith(f" '{value}'")


def test_another_signal_can_be_chosen(start: Start, manifest: Manifest, root: Path) -> None:
    """By name, with or without SIG, or by number."""
    running = start(
        f"--manifest={manifest(key='one')}", f"--configroot={root}", "--reload-signal=usr2", command=program("show_signals")
    )
    running.out.wait_for("ready")
    manifest(key="two")

    running.out.wait_for(f"^signal {int(signal.SIGUSR2)}$")


def test_a_sidecar_tells_the_app_by_http(start: Start, manifest: Manifest, root: Path, http_app: HttpApp) -> None:
    """By POST, once the file is there; also of the first configuration, which a running app does not have."""
    url, lines = http_app(root / "key")
    running = start(f"--manifest={manifest(key='one')}", f"--configroot={root}", f"--reload-http={url}/-/reload?now=1")

    lines.wait_for("^POST /-/reload.now=1 'one'$")
    manifest(key="two")
    lines.wait_for("^POST /-/reload.now=1 'two'$")
    assert running.stop() == 0


def test_a_command_can_be_told_by_http_with_another_method(
    start: Start, manifest: Manifest, root: Path, http_app: HttpApp
) -> None:
    """Then it gets no signal, and is not told of the configuration that it starts with."""
    url, lines = http_app(root / "key")
    running = start(
        f"--manifest={manifest(key='one')}",
        f"--configroot={root}",
        f"--reload-http={url}/reload",
        "--reload-http-method=put",
        command=program("show_signals"),
    )
    running.out.wait_for("ready")
    manifest(key="two")

    assert lines.wait_for("^PUT|^POST") == "PUT /reload 'two'"
    running.stop()
    assert running.out.wait_for_end() == ["ready", "signal 15"]


def test_an_app_that_cannot_be_reached_is_asked_again(start: Start, manifest: Manifest, root: Path) -> None:
    """It may only be starting: here it begins to listen after the first try was refused."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
        running = start(f"--manifest={manifest(key='one')}", f"--configroot={root}", f"--reload-http=http://127.0.0.1:{port}/")
        running.wait_for_event("source.found")
        reserved.listen()
        request, _ = reserved.accept()
        request.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
        request.close()

        assert running.wait_for_event("config.applied")["verdict"] == "applied"


def test_an_app_that_says_no_is_not_asked_again(start: Start, manifest: Manifest, root: Path, http_app: HttpApp) -> None:
    """The log tells the status; the next revision is told as if nothing had been."""
    url, lines = http_app(root / "key", 500, 200)
    running = start(f"--manifest={manifest(key='one')}", f"--configroot={root}", f"--reload-http={url}/reload")

    assert "answers 500" in running.wait_for_event("config.refused")["message"]
    manifest(key="two")
    lines.wait_for("^POST /reload 'two'$")
    running.wait_for_event("config.applied")
    assert lines.all()[1:] == ["POST /reload 'one'", "POST /reload 'two'"]


def test_unchanged_content_is_neither_written_nor_told(start: Start, manifest: Manifest, root: Path) -> None:
    """Not after an edit that changes no content, and not after a restart."""
    options = [f"--manifest={manifest(key='one')}", f"--configroot={root}", "--log-level=debug", "--reload-interval=0"]
    command = program("show_config", f"{root}/key")
    running = start(*options, command=command)
    running.out.wait_for("^started")
    manifest(key="one")
    manifest(key="two")
    running.out.wait_for("^reloaded .*'two'$")
    running.stop()
    assert len(running.out.wait_for_end()) == 2
    live = os.readlink(root / "..data")
    written = os.stat(root / "key").st_mtime_ns

    again = start(*options, command=command)
    assert again.wait_for_event("config.unchanged")["changed"] == []
    again.out.wait_for("^started 'two'$")

    assert os.readlink(root / "..data") == live
    assert os.stat(root / "key").st_mtime_ns == written
    again.stop()
    assert again.out.wait_for_end() == ["started 'two'"]


def test_reloads_keep_their_distance_and_the_newest_gets_through(start: Start, manifest: Manifest, root: Path) -> None:
    """Thirty changes in a row: the first is told at once, then at most one in the interval, the last of all in the end."""
    running = start(
        f"--manifest={manifest(key='0')}",
        f"--configroot={root}",
        "--reload-interval=1",
        command=program("show_config", f"{root}/key"),
    )
    running.out.wait_for("^started")
    began = time.monotonic()
    for number in range(1, 31):
        manifest(key=str(number))
        time.sleep(0.05)  # a user who edits on and on
    took_s = time.monotonic() - began

    running.out.wait_for("^reloaded .*'30'$")
    moments = [int(line.split()[1]) for line in running.out.all() if line.startswith("reloaded")]
    assert len(moments) <= 2 + took_s
    assert all(later - earlier > 0.8e9 for earlier, later in pairwise(moments))


def test_files_have_mode_0666_whatever_the_umask(manifest: Manifest, root: Path) -> None:
    """Any user of the container may be the app."""
    umask = os.umask(0o077)
    try:
        with Running([f"--manifest={manifest(key='one')}", f"--configroot={root}"]) as running:
            running.wait_for_event("config.applied")
    finally:
        os.umask(umask)

    assert stat.S_IMODE(os.stat(root / "key").st_mode) == 0o666
    assert stat.S_IMODE(os.stat(root).st_mode) == 0o755


def test_one_line_tells_of_each_revision_and_no_line_of_contents(start: Start, manifest: Manifest, root: Path) -> None:
    """Names, sizes and versions; a canary in the content is nowhere, also at debug."""
    running = start(
        f"--manifest={manifest(key='canary-7351', other='x')}", f"--configroot={root}", "--v=9", command=program("show_signals")
    )
    running.out.wait_for("ready")
    manifest(key="canary-7351!")
    applied = running.wait_for_event("config.applied", times=2)
    running.stop()

    assert applied["verdict"] == "applied"
    assert applied["origins"] == [{"kind": "ConfigMap", "namespace": "default", "name": "app", "resource_version": ""}]
    assert applied["changed"] == [
        {"path": "key", "what": "changed", "bytes": 12},
        {"path": "other", "what": "removed", "bytes": 0},
    ]
    assert applied["took_ms"] > 0
    assert len(applied["revision"]) == 12
    assert "canary" not in "\n".join(running.err.wait_for_end())


def test_what_is_newer_does_not_wait_for_the_cleaning_up(start: Start, manifest: Manifest, root: Path) -> None:
    """We clean up when nothing newer comes for a second: 50 changes, each made once the app has the one before, do not wait."""
    options = [f"--manifest={manifest(key='0')}", f"--configroot={root}", "--reload-interval=0", "--settle=0"]
    running = start(*options, command=program("show_config", f"{root}/key"))
    running.out.wait_for("^started")
    began = time.monotonic()
    for number in range(1, 51):
        manifest(key=str(number))
        running.out.wait_for(f"^reloaded .* '{number}'$")

    assert time.monotonic() - began < 50 * 0.5
    running.wait_for_event("config.applied", 50)
