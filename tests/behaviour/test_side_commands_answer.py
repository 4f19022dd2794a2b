from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.asking import address_of, ask, wait_for_status
from tests.conftest import HttpApp, Manifest, Start, needs_root
from tests.manifests import configmap, put
from tests.running import AS_PID1, CANARY, SUPERVISOR, eventually, program
from tests.side import side
from tests.terminal import terminal

Manifests = Callable[..., Path]


@pytest.fixture
def config(tmp_path: Path) -> Manifests:
    """Write a manifest of one ConfigMap with these keys."""

    def write(data: dict[str, str]) -> Path:
        return put(tmp_path / "config.yaml", configmap("app", data))

    return write


# --- status


def test_status_tells_what_the_page_tells(start: Start, manifest: Manifest, root: Path, http_app: HttpApp) -> None:
    """In lines of `what: text`, without colours where nobody looks; exit code 0, for it is ready."""
    url, _ = http_app(root / "key", 200, 500, 200)
    options = (f"--manifest={manifest(key='one')}", f"--configroot={root}", f"--reload-http={url}", "--reload-interval=0")
    running = start("--listen=127.0.0.1:0", *options)
    address = address_of(running)
    running.wait_for_event("config.applied")
    manifest(key="two")
    running.wait_for_event("config.rolled_back")
    eventually(lambda: not ask(address, "/status.json").json["config"]["in_sync"], "the board is up to date")
    said = side("status", f"--listen={address}")
    lines = said.out.splitlines()

    assert (said.code, said.err) == (0, "")
    assert lines[0] == "What is wanted is not live"
    assert lines[1].startswith("why: POST http://")
    assert "ready: yes" in lines
    assert any(line.startswith("rolled back: ") and "answers 500" in line for line in lines)
    assert any(line.startswith("applied: ") for line in lines)
    assert any(line.startswith("source: manifest ") and ": ok, last contact" in line for line in lines)
    assert "\033" not in said.out
    assert json.loads(side("status", f"--listen={address}", "--json").out)["version"] == 1


def test_status_of_one_that_is_not_ready_is_1(start: Start, root: Path, tmp_path: Path) -> None:
    """Fit for an exec probe; on a socket file too, and the address may come from the environment."""
    where = f"unix:{tmp_path}/status.sock"
    running = start(f"--listen={where}", f"--manifest={tmp_path}/later.yaml", f"--configroot={root}", command=["true"])
    running.wait_for_event("source.problem")
    said = side("status", environment={"CONFIG_SUPERVISOR_LISTEN": where})

    assert said.code == 1
    assert said.out.splitlines()[0] == "No configuration is live yet"
    assert "cannot read" in said.out
    assert "command: true, does not run, not started yet, 0 restarts" in said.out


def test_status_of_nobody_is_1_and_says_so() -> None:
    """Nobody there, somebody else there, and no address at all."""
    with socket.socket() as nobody, socket.socket() as other:
        nobody.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        other.listen()
        away = side("status", f"--listen=127.0.0.1:{nobody.getsockname()[1]}")
        with subprocess.Popen(
            [*SUPERVISOR, "status", f"--listen=127.0.0.1:{other.getsockname()[1]}"], stderr=subprocess.PIPE
        ) as asking:
            client, _ = other.accept()
            client.recv(1000)
            client.sendall(b"HTTP/1.1 200 OK\r\n\r\n[]")
            client.close()
            assert asking.stderr
            strange = asking.stderr.read()
            assert asking.wait() == 1
    unknown = side("status")

    assert (away.code, away.out) == (1, "")
    assert away.err.endswith(": Connection refused\n")
    assert b"cannot ask 127.0.0.1:" in strange
    assert (unknown.code, unknown.err) == (
        2,
        "config-supervisor: status: --listen is missing: the address where the supervisor listens\n",
    )


@needs_root
def test_in_its_container_status_finds_the_supervisor_by_itself(start: Start) -> None:
    """An exec probe has the container's files and environment, but not the options of its ENTRYPOINT."""
    running = start("--listen=127.0.0.1:18439", as_pid1=True, command=program("show_signals"))
    running.out.wait_for("ready")
    enter = ["nsenter", f"--target={running.pid}", "--pid", "--mount"]
    done = subprocess.run([*enter, *SUPERVISOR, "status"], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("The command runs\n")


def test_on_a_terminal_status_is_aligned_and_has_colours(start: Start) -> None:
    """And only there."""
    running = start("--listen=127.0.0.1:0", command=program("show_signals"))
    running.out.wait_for("ready")
    with terminal(*SUPERVISOR, "status", f"--listen={address_of(running)}") as shown:
        shown.wait_for("command: +")

        assert "\033[32mThe command runs\033[0m" in shown.seen
        assert "ready:   \033[32myes\033[0m" in shown.seen


def test_a_hostile_name_does_not_move_the_cursor(start: Start, root: Path, tmp_path: Path) -> None:
    """Control characters are shown, not sent."""
    path = tmp_path / "\033[2Jm.yaml"
    running = start("--listen=127.0.0.1:0", f"--manifest={path}", f"--configroot={root}", command=["true"])
    running.wait_for_event("source.problem")
    said = side("status", f"--listen={address_of(running)}")

    assert "\033" not in said.out
    assert "\\x1b[2Jm.yaml" in said.out


# --- check


def test_check_says_what_would_change(config: Manifests, root: Path) -> None:
    """Beside what is there; nothing is written, and the exit code is 0."""
    root.mkdir()
    (root / "a.conf").write_text("old")
    (root / "..data").mkdir()
    (root / "..data" / "gone.conf").write_text("x")
    (root / "gone.conf").symlink_to("..data/gone.conf")
    before = sorted(os.listdir(root))
    said = side("check", f"--manifest={config({'a.conf': 'new', 'b.conf': 'y' * 3000})}", f"--configroot={root}")

    assert (said.code, said.err) == (0, "")
    assert said.out.splitlines()[:3] == ["changed a.conf, 3 B", "added b.conf, 2.93 KiB", "removed gone.conf"]
    assert "would go live, 3 changes" in said.out
    assert sorted(os.listdir(root)) == before


def test_check_runs_the_validation_on_what_was_built(config: Manifests, root: Path) -> None:
    """Its no is 1, with its last words; its yes is 0."""
    options = (f"--configroot={root}", "--validate=sh -c 'grep -q good {}/a.conf || { echo line 3: bad; exit 1; }'")
    good = side("check", f"--manifest={config({'a.conf': 'good'})}", *options)
    bad = side("check", f"--manifest={config({'a.conf': 'typo'})}", *options)
    as_json = json.loads(side("check", f"--manifest={config({'a.conf': 'typo'})}", *options, "--json").out)

    assert (good.code, bad.code) == (0, 1)
    assert good.out.splitlines()[-1].endswith("--validate says yes")
    assert bad.out.splitlines()[-1] == "refused: --validate: sh exits 1: line 3: bad"
    assert as_json == {
        "accepted": False,
        "reason": "--validate: sh exits 1: line 3: bad",
        "revision": as_json["revision"],
        "validated": False,
        "changed": [{"path": "a.conf", "what": "added", "bytes": 4}],
    }
    assert not root.exists()


@pytest.mark.parametrize(
    ("data", "reason"),
    [({"../x": "1"}, "a part of it begins with two dots"), ({"a": "1", "a/b": "2"}, "lies below it")],
)
def test_check_refuses_what_a_run_would_refuse(config: Manifests, root: Path, data: dict[str, str], reason: str) -> None:
    """By the same code."""
    said = side("check", f"--manifest={config(data)}", f"--configroot={root}")

    assert said.code == 1
    assert said.out.startswith("refused: ")
    assert reason in said.out


def test_check_says_where_a_manifest_is_broken(tmp_path: Path, root: Path) -> None:
    """With line and column."""
    (tmp_path / "broken.yaml").write_text(f"kind: ConfigMap\n  data: [{CANARY}")
    said = side("check", f"--manifest={tmp_path}/broken.yaml", f"--configroot={root}")

    assert said.code == 1
    assert "broken.yaml, line 2, column 7" in said.out


def test_check_tells_wrong_usage(root: Path) -> None:
    """All problems at once, and exit code 2."""
    said = side("check", f"--configroot={root}", "--validate=nginx -t")

    assert said.code == 2
    assert said.err.splitlines() == [
        "config-supervisor: check: --manifest or --watch-dir is missing: what is to be checked",
        "config-supervisor: check: --validate needs {}, which stands for the folder to check: nothing is written to --configroot",
    ]


def test_a_check_that_is_ended_leaves_nothing(config: Manifests, root: Path, tmp_path: Path) -> None:
    """Neither its hook nor its folder; the exit code is 128 and the signal's number."""
    flag = tmp_path / "running"
    options = (f"--manifest={config({'a': '1'})}", f"--configroot={root}", f"--validate=sh -c 'echo $$ > {flag}; sleep 100' {{}}")
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen([*SUPERVISOR, "check", *options], env=environment) as checking:
        pid = int(eventually(lambda: flag.exists() and flag.read_text(), "the hook runs"))
        checking.send_signal(signal.SIGTERM)

        assert checking.wait(10) == 128 + signal.SIGTERM
    eventually(lambda: not Path(f"/proc/{pid}").exists(), "the hook is gone")
    assert list(tmp_path.glob("config-supervisor-*")) == []


# --- doctor


def test_doctor_tells_each_thing_in_a_line(root: Path, tmp_path: Path) -> None:
    """Contradictions, variables that mean nothing, programs and addresses that are not to be had; exit code 1."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        said = side(
            "doctor",
            f"--manifest={tmp_path}/m.yaml",
            f"--configroot={root}/a/b",
            "--validate=no-such-checker {}",
            f"--listen=127.0.0.1:{taken.getsockname()[1]}",
            "--subreaper",
            "--",
            "sh",
            environment={"CONFIG_SUPERVISOR_CONFGMAP": "x", "CONFIG_SUPERVISOR_SERVICE_PORT_HTTP": "80"},
        )
    lines = dict(line[5:].split(": ", 1) for line in said.out.splitlines())
    marks = {line[5:].split(": ", 1)[0]: line[:4].strip() for line in said.out.splitlines()}

    assert said.code == 1
    assert lines["options"] == "the variable CONFIG_SUPERVISOR_CONFGMAP means nothing: did you mean CONFIG_SUPERVISOR_CONFIGMAP?"
    assert "it will be made" in lines["configroot"]
    assert lines["--validate"].startswith("there is no program 'no-such-checker'")
    assert lines["command"].endswith("/sh")
    assert "Address already in use" in lines["listen"]
    assert {what for what, mark in marks.items() if mark == "MEND"} == {"options", "--validate", "listen"}
    assert not root.exists()


def test_doctor_knows_a_supervisor_that_runs(start: Start) -> None:
    """Its address is not free, and that is well."""
    running = start("--listen=127.0.0.1:0", command=program("show_signals"))
    running.out.wait_for("ready")
    wait_for_status(address_of(running), "/readyz", 200)
    said = side("doctor", f"--listen={address_of(running)}", "--", "sh")

    assert said.code == 0
    assert f"ok   listen: a config-supervisor answers at {address_of(running)}" in said.out.splitlines()


@needs_root
def test_doctor_sees_that_the_configroot_cannot_be_written(tmp_path: Path) -> None:
    """Read-only, and for somebody else than root."""
    (tmp_path / "mine").mkdir(mode=0o700)
    mount = 'mount -t tmpfs -o ro none /mnt && exec "$@"'
    options = ("doctor", "--json", "--", "sh")
    read_only = subprocess.run(
        ["unshare", "--mount", "sh", "-c", mount, "sh", *SUPERVISOR, options[0], "--configroot=/mnt/config", *options[1:]],
        capture_output=True,
        text=True,
        check=False,
    )
    found = {one["what"]: one for one in json.loads(read_only.stdout)}

    assert read_only.returncode == 1
    assert found["configroot"]["text"].startswith(
        "/mnt/config is on tmpfs, read-only and cannot be written by user 0 (Read-only file"
    )


# --- their usage


@pytest.mark.parametrize("form", ["doctor", "check", "rbac", "status"])
def test_each_has_its_help(form: str) -> None:
    """On one screen of 100 columns."""
    said = side(form, "--help")

    assert said.code == 0
    assert f"config-supervisor {form} [options]" in said.out
    assert len(said.out.splitlines()) < 25
    assert max(map(len, said.out.splitlines())) <= 100


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["stats"], "unexpected word 'stats': did you mean status? Or put -- before the command"),
        (["nginx"], "unexpected word 'nginx': put -- before the command"),
        (["--confgmap=x"], "unknown option --confgmap: did you mean --configmap?"),
        (["--reload-htpp-method=x"], "unknown option --reload-htpp-method: did you mean --reload-http-method?"),
        (["--frobnicate"], "unknown option --frobnicate: see --help"),
        (["--json", "--", "sh"], "unknown option --json: see --help"),
        (["--configroot=/x", "check"], "unexpected word 'check': did you mean check? Or put -- before the command"),
        (["doctor", "--configmap"], "--configmap needs a value: --configmap=…"),
    ],
)
def test_what_is_mistyped_gets_the_nearest_word(words: list[str], problem: str) -> None:
    """With exit code 2."""
    said = side(*words)

    assert (said.code, said.out, said.err) == (2, "", f"config-supervisor: {problem}\n")


def test_as_pid1_too(config: Manifests, root: Path) -> None:
    """As a job in a cluster runs it."""
    words = [*SUPERVISOR, "check", f"--manifest={config({'a': '1'})}", f"--configroot={root}", "--validate=true {}"]
    done = subprocess.run([*(AS_PID1 if os.geteuid() == 0 else []), *words], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")
