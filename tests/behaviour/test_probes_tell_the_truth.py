from __future__ import annotations

import os
import signal
import socket
import statistics
from pathlib import Path

import pytest

from tests.asking import address_of, ask, wait_for_status
from tests.conftest import HttpApp, Manifest, Start, needs_root
from tests.running import Running, eventually, program

SLOW_APP = """
import http.server
class Slow(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        print("asked", flush=True)
        import time; time.sleep(60)
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Slow)
print("port", server.server_port, flush=True)
server.serve_forever()
"""


def statuses(address: str) -> dict[str, int]:
    """What each probe answers."""
    return {path: ask(address, path).status for path in ("/startupz", "/readyz", "/livez", "/healthz")}


def test_before_the_first_configuration_we_are_alive_but_not_ready(
    start: Start, manifest: Manifest, root: Path, tmp_path: Path
) -> None:
    """The reason stands in the body; when the file is there and the command runs, all are green."""
    running = start(
        "--listen=127.0.0.1:0", f"--manifest={tmp_path}/manifest.yaml", f"--configroot={root}", command=program("show_signals")
    )
    address = address_of(running)
    running.wait_for_event("source.problem")
    before, why = statuses(address), ask(address, "/readyz").json
    manifest(key="one")
    running.out.wait_for("ready")
    wait_for_status(address, "/readyz", 200)

    assert before == {"/startupz": 503, "/readyz": 503, "/livez": 200, "/healthz": 200}
    assert why["status"] == "failing"
    assert "no configuration is live yet" in why["reason"]
    assert "cannot read" in why["reason"]
    assert statuses(address) == dict.fromkeys(before, 200)
    assert ask(address, "/livez").json == {"status": "ok"}


def test_a_plain_init_is_ready_when_its_command_runs(start: Start) -> None:
    """There is nothing else to wait for."""
    running = start("--listen=127.0.0.1:0", command=program("show_signals"))
    running.out.wait_for("ready")

    wait_for_status(address_of(running), "/readyz", 200)  # the command may be faster than we know that it runs
    assert set(statuses(address_of(running)).values()) == {200}


def test_a_sidecar_is_ready_when_its_files_are_there(start: Start, manifest: Manifest, root: Path) -> None:
    """Whether or not the app can be told: a native sidecar's app only starts afterwards."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"--reload-http=http://127.0.0.1:{nobody.getsockname()[1]}/"
        running = start("--listen=127.0.0.1:0", f"--manifest={manifest(key='one')}", f"--configroot={root}", url)

        wait_for_status(address_of(running), "/startupz", 200)
        assert set(statuses(address_of(running)).values()) == {200}


def test_from_the_beginning_of_a_stop_we_are_not_ready(start: Start) -> None:
    """The app takes its time; load balancers let go, and Kubernetes has no reason to kill."""
    running = start("--listen=127.0.0.1:0", command=program("ignore_term"))
    running.out.wait_for("ready")
    address = address_of(running)
    running.send(signal.SIGTERM)
    running.out.wait_for("asked to stop")

    assert ask(address, "/readyz").json == {"status": "failing", "reason": "a stop is under way"}
    assert ask(address, "/readyz").status == 503
    assert ask(address, "/livez").status == 200
    running.send(signal.SIGUSR1)
    running.wait()


def test_a_reload_that_keeps_failing_ends_in_livez(start: Start, manifest: Manifest, root: Path, http_app: HttpApp) -> None:
    """After --unhealthy-after, if the app does not take the way back either; the next one that works makes it green again."""
    url, _ = http_app(root / "key", 200, 500, 500, 200)
    options = (f"--manifest={manifest(key='one')}", f"--configroot={root}", f"--reload-http={url}", "--reload-interval=0")
    running = start("--listen=127.0.0.1:0", "--unhealthy-after=3", *options)
    address = address_of(running)
    running.wait_for_event("config.applied")
    manifest(key="two")
    running.wait_for_event("config.failed")
    at_once = ask(address, "/livez").status
    why = wait_for_status(address, "/livez", 503).json["reason"]
    ready = ask(address, "/readyz").status
    manifest(key="three")

    wait_for_status(address, "/livez", 200)
    assert at_once == 200
    assert why.startswith("the app has not taken its configuration for ")
    assert "answers 500" in why
    assert ready == 200


def test_a_roll_back_keeps_livez_green(start: Start, manifest: Manifest, root: Path, http_app: HttpApp) -> None:
    """The app runs with what it had: that is no reason to start it again. Only the data tells."""
    url, _ = http_app(root / "key", 200, 500, 200)
    options = (f"--manifest={manifest(key='one')}", f"--configroot={root}", f"--reload-http={url}", "--reload-interval=0")
    running = start("--listen=127.0.0.1:0", "--unhealthy-after=0.001", *options)
    address = address_of(running)
    running.wait_for_event("config.applied")
    manifest(key="two")
    running.wait_for_event("config.rolled_back")
    eventually(lambda: not ask(address, "/status.json").json["config"]["in_sync"], "the data tells")

    assert statuses(address) == {"/startupz": 200, "/readyz": 200, "/livez": 200, "/healthz": 200}
    assert ask(address, "/status.json").json["config"]["failing_since"] is None


def test_unhealthy_after_can_be_switched_off(start: Start, manifest: Manifest, root: Path, http_app: HttpApp) -> None:
    """With 0; the metric tells all the same."""
    url, _ = http_app(root / "key", 500)
    options = (f"--manifest={manifest(key='one')}", f"--configroot={root}", f"--reload-http={url}")
    running = start("--listen=127.0.0.1:0", "--unhealthy-after=0", *options)
    address = address_of(running)
    running.wait_for_event("config.refused")

    assert ask(address, "/livez").status == 200
    assert b"config_supervisor_config_in_sync 0.0" in ask(address, "/metrics").body


def test_probes_answer_within_five_milliseconds_while_a_reload_runs(start: Start, manifest: Manifest, root: Path) -> None:
    """The app has been asked to reload, and takes a minute for its answer."""
    app = start(command=["python3", "-c", SLOW_APP])
    url = f"http://127.0.0.1:{app.out.wait_for('^port ').split()[1]}/"
    running = start("--listen=127.0.0.1:0", f"--manifest={manifest(key='one')}", f"--configroot={root}", f"--reload-http={url}")
    address = address_of(running)
    app.out.wait_for("asked")
    took_s = [ask(address, path).took_s for path in ("/livez", "/readyz", "/startupz") for _ in range(50)]

    assert statistics.median(took_s) < 0.005
    assert sorted(took_s)[-10] < 0.02, "the machine is shared: nine may be late"


@pytest.mark.parametrize("where", ["127.0.0.1:0", "[::1]:0", ":0", "localhost:0"])
def test_it_listens_where_it_is_told_to(start: Start, where: str) -> None:
    """IPv4, IPv6, all addresses; port 0 is any, and the log says which."""
    running = start(f"--listen={where}", command=program("show_signals"))
    address = address_of(running)
    running.out.wait_for("ready")

    wait_for_status(address, "/readyz", 200)
    if where == ":0":
        assert ask(f"[::1]{address}", "/readyz").status == 200


def test_it_listens_on_a_socket_in_the_file_system(start: Start, tmp_path: Path) -> None:
    """The one of a run that was killed is in nobody's way; the one of a run that lives is."""
    where = f"unix:{tmp_path}/probe.sock"
    first = start(f"--listen={where}", command=program("show_signals"))
    first.out.wait_for("ready")
    wait_for_status(where, "/readyz", 200)
    second = start(f"--listen={where}", command=program("show_signals"))
    code = second.wait()
    (orphan,) = first.child_pids()
    first.send(signal.SIGKILL)
    first.wait()
    os.kill(orphan, signal.SIGKILL)
    third = start(f"--listen={where}", command=program("show_signals"))
    third.out.wait_for("ready")
    wait_for_status(where, "/readyz", 200)

    assert code == 125


def test_a_port_that_is_taken_is_a_clear_error(start: Start) -> None:
    """Before the command starts."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        running = start(f"--listen=127.0.0.1:{port}", command=["echo", "started"])

        assert running.wait() == 125
        message = running.wait_for_event("start.failed")["message"]
    assert message == f"cannot listen on 127.0.0.1:{port} (--listen): Address already in use"
    assert running.out.wait_for_end() == []


@needs_root
def test_a_port_that_is_not_allowed_is_a_clear_error(start: Start) -> None:
    """Nobody may not take port 80 where the kernel keeps it for root."""
    limit = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")
    keep = f'echo 1024 > {limit}; exec "$@"'
    drop = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    running = start("--listen=127.0.0.1:80", prefix=["unshare", "--net", "sh", "-c", keep, "sh", *drop], command=["echo", "x"])

    assert running.wait() == 125
    assert running.wait_for_event("start.failed")["message"] == "cannot listen on 127.0.0.1:80 (--listen): Permission denied"


@pytest.mark.plain
def test_without_listen_nothing_of_it_is_imported(start: Start, manifest: Manifest, root: Path) -> None:
    """No server, no metrics library, no page: not with a source either."""
    running = start(
        f"--manifest={manifest(key='one')}",
        f"--configroot={root}",
        command=program("show_config", f"{root}/key"),
        environment={"PYTHONPROFILEIMPORTTIME": "1"},
    )
    running.out.wait_for("^started")
    manifest(key="two")
    running.out.wait_for("^reloaded")
    running.stop()
    imported = {line.rpartition("|")[2].strip() for line in running.err.wait_for_end() if line.startswith("import time:")}

    assert "supervisor.report.line" in imported
    assert imported & {"prometheus_client", "http.server", "html"} == set()
    assert {name for name in imported if name.startswith("supervisor.report.")} == {
        "supervisor.report.line",
        "supervisor.report.state",
    }


def test_at_rest_a_port_that_nobody_asks_wakes_nobody(start: Start) -> None:
    """After the first second, in which the metrics library is imported."""
    running: Running = start("--listen=127.0.0.1:0", command=program("show_signals"))
    running.out.wait_for("ready")
    address = address_of(running)
    ask(address, "/metrics")

    def switches() -> int:
        counts = 0
        for task in os.listdir(f"/proc/{running.pid}/task"):
            text = Path(f"/proc/{running.pid}/task/{task}/status").read_text()
            counts += sum(int(line.split()[1]) for line in text.splitlines() if "ctxt_switches" in line)
        return counts

    one, other = socket.socketpair()
    with one, other:
        one.settimeout(3.0)  # three seconds pass, twice: that is what is measured here
        with pytest.raises(TimeoutError):
            one.recv(1)
        before = switches()
        with pytest.raises(TimeoutError):
            one.recv(1)
    assert switches() - before == 0
