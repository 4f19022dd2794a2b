from __future__ import annotations

import json
import re
import signal
import socket
import ssl
import subprocess
from contextlib import suppress
from pathlib import Path
from threading import Thread

import pytest

from tests.images.conftest import StartContainer, needs
from tests.images.engine import BUNDLE, ENTRY, LEAST_RIGHTS, Container
from tests.images.name_server import NameServer
from tests.images.pods import ACCOUNT, write_account
from tests.manifests import configmap, put
from tests.running import eventually
from tests.stand_ins.client import ApiError
from tests.stand_ins.real_api import RealApi
from tests.stand_ins.rights import allow

APP = ["--", "/probe"]
APP_WITH_CONFIG = ["--reload-interval=0", "--configroot=/config", "--", "/probe", "/config/key"]
# Those that can be caught and do not end this app; the app is linked with musl, which keeps 34 to itself.
STOPS = {signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGWINCH}
FORWARDED = sorted(signal.valid_signals() - STOPS - {signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD, 34})
as_anybody = pytest.mark.parametrize("rights", [["--user=0:0"], LEAST_RIGHTS], ids=["as root", "as 12345, read-only"])


def world(container: Container) -> dict[str, str]:
    """What the app was started with."""
    return dict(re.findall(r"(\w+)=(\S*)", container.out.wait_for("^world ")))


def write_manifest(folder: Path, value: str) -> None:
    """Put a ConfigMap in place, as an editor does."""
    put(folder / "manifest.yaml", configmap("app", {"key": value}))


# --- it starts, and nobody notices


@as_anybody
def test_the_command_is_started_in_a_clean_world(image: str, run: StartContainer, rights: list[str]) -> None:
    """As the child of PID 1, in a group of its own, with the signal masks of the container and no descriptor but the three."""
    seen, without = world(run(image, APP, rights)), world(run(image, options=[*rights, "--entrypoint=/probe"]))

    assert (seen["ppid"], seen["pgid"]) == ("1", seen["pid"])
    assert (seen["SigBlk"], seen["SigIgn"]) == (without["SigBlk"], without["SigIgn"])
    assert seen["descriptors"] == "0,1,2,"
    assert seen["uid"] == ("0" if rights == ["--user=0:0"] else "12345")


def test_the_commands_environment_is_the_images(image: str, run: StartContainer) -> None:
    """Also where it is full of things that would break our own Python, loader, allocator, locale and OpenSSL."""
    hostile = {
        "LD_PRELOAD": "/lib/libc.musl-x86_64.so.1 /probe",
        "LD_LIBRARY_PATH": "/lib:/usr/lib",
        "LD_BIND_NOW": "",
        "MALLOC_ARENA_MAX": "1",
        "GLIBC_TUNABLES": "glibc.malloc.check=3",
        "PYTHONHOME": "/nope",
        "PYTHONPATH": "/probe",
        "LANG": "de_DE.UTF-8",
        "OPENSSL_CONF": "/probe",
        "OPENSSL_MODULES": "/nope",
        "SSL_CERT_FILE": "/nope",
    }
    with_us, without = run(image, APP, environment=hostile), run(image, options=["--entrypoint=/probe"], environment=hostile)
    for container in (with_us, without):
        container.out.wait_for("^ready$")

    def environment(container: Container) -> list[str]:
        return sorted(line for line in container.out.all() if line.startswith("env ") and not line.startswith("env HOSTNAME="))

    assert environment(with_us) == environment(without)
    assert len(environment(with_us)) >= len(hostile)
    assert with_us.err.all() == []


def test_nothing_of_the_image_is_loaded_by_us(image: str, run: StartContainer, tmp_path: Path) -> None:
    """No library, locale or converter, also where nsswitch.conf asks for services that the image may have."""
    (tmp_path / "nsswitch.conf").write_text("hosts: myhostname nis files dns\npasswd: systemd files\n")
    write_manifest(tmp_path, "one")
    options = ["--user=0:0", "--tmpfs=/config", "--env=LANG=de_DE.UTF-8"]
    words = ["--manifest=/given/manifest.yaml", "--reload-http=http://localhost:1/", "--reload-retries=0", *APP_WITH_CONFIG]
    container = run(image, words, options, volumes={tmp_path: "/given", tmp_path / "nsswitch.conf": "/etc/nsswitch.conf"})
    container.out.wait_for("^config one$")
    write_manifest(tmp_path, "two")
    container.err.wait_for("http://localhost:1/")

    pid = container.pid
    mapped = {line.split(maxsplit=5)[5] for line in Path(f"/proc/{pid}/maps").read_text().splitlines() if line.count(" ") > 5}
    files = {path.strip() for path in mapped if path.strip().startswith("/")}
    assert files
    assert [path for path in files if not path.startswith(f"{BUNDLE}/")] == []
    assert Path(f"/proc/{pid}/comm").read_text() == "config-supervis\n"


# --- it is an init


def test_every_signal_reaches_the_command(image: str, run: StartContainer) -> None:
    """Real-time ones and those of faults too, and TERM ends it."""
    container = run(image, APP, environment={"PROBE_EXIT": "7"})
    container.out.wait_for("^ready$")

    for number in FORWARDED:
        container.send(number)
        container.out.wait_for(rf"^signal {int(number)}$")

    assert container.end() == 7


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT, signal.SIGWINCH], ids=lambda number: number.name)
def test_the_stop_signal_of_the_image_is_passed_on(image: str, run: StartContainer, number: signal.Signals) -> None:
    """As the engine sends it: nginx has QUIT, PostgreSQL INT, Apache WINCH."""
    container = run(image, APP, [f"--stop-signal={number.name}"], environment={"PROBE_EXIT": "3"})
    container.out.wait_for("^ready$")

    assert container.stop() < 3
    assert container.wait() == 3
    container.out.wait_for(f"^signal {int(number)}$")


def test_orphans_are_reaped(image: str, run: StartContainer) -> None:
    """Fifty of them, and the command lives on."""
    container = run(image, APP, environment={"PROBE_ORPHANS": "50"})
    container.out.wait_for("^ready$")

    eventually(lambda: len(container.children()) == 1, "the command is the only child of PID 1")
    assert container.end() == 0


@pytest.mark.parametrize(("words", "code"), [(["--", "/no/such"], 127), (["--", "/config"], 126), (["--frobnicate"], 2)])
def test_exit_codes_tell_what_went_wrong(image: str, run: StartContainer, words: list[str], code: int) -> None:
    """No such command, not executable, wrong usage."""
    assert run(image, words, ["--tmpfs=/config"]).wait() == code


def test_a_killed_command_gives_137(image: str, run: StartContainer) -> None:
    """128 and the number of the signal."""
    container = run(image, APP)
    container.out.wait_for("^ready$")
    (child,) = container.children()

    subprocess.run(["kill", "-KILL", str(child)], check=True)

    assert container.wait() == 128 + signal.SIGKILL


def test_it_stops_within_a_second(image: str, run: StartContainer) -> None:
    """The engine's own time included, and the best of three: the machine may be busy with something else."""
    took_s = []
    for _ in range(3):
        container = run(image, APP)
        container.out.wait_for("^ready$")
        took_s.append(container.stop())
        assert container.wait() == 0
    assert min(took_s) < 1


# --- it follows a configuration


@as_anybody
def test_it_reloads_from_a_manifest(image: str, run: StartContainer, tmp_path: Path, rights: list[str]) -> None:
    """The app starts with the first one, and is told of the second."""
    tmp_path.chmod(0o755)
    write_manifest(tmp_path, "one")
    options = [*rights, "--tmpfs=/config:mode=1777"]
    container = run(image, ["--manifest=/given/manifest.yaml", *APP_WITH_CONFIG], options, volumes={tmp_path: "/given:ro"})
    container.out.wait_for("^config one$")

    write_manifest(tmp_path, "two")

    container.out.wait_for("^config two$")
    assert container.end() == 0


@pytest.fixture
def account(api: RealApi, tmp_path: Path) -> Path:
    """A service account's folder as the kubelet mounts it; its user may follow ConfigMap `app` and do no more."""
    with suppress(ApiError):  # the test before has given it
        allow(api.client(), "app")
    api.client().apply("ConfigMap", "default", "app", {"key": "one"})
    return write_account(tmp_path / "account", api, "reader-token")


def in_cluster(run: StartContainer, image: str, api: RealApi, account: Path, host: str, *options: str) -> Container:
    """Follow ConfigMap `app` of the API server as a pod does."""
    environment = {"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": api.url.rpartition(":")[2]}
    return run(
        image,
        ["--configmap=app", *APP_WITH_CONFIG],
        [*options, "--tmpfs=/config:mode=1777"],
        environment=environment,
        volumes={account: f"{ACCOUNT}:ro"},
    )


@as_anybody
def test_it_reloads_from_the_api_server(image: str, run: StartContainer, api: RealApi, account: Path, rights: list[str]) -> None:
    """With the pod's service account, over TLS."""
    container = in_cluster(run, image, api, account, "127.0.0.1", *rights)
    container.out.wait_for("^config one$")

    api.client().replace("ConfigMap", "default", "app", {"key": "two"})

    container.out.wait_for("^config two$")
    assert container.end() == 0


def test_the_api_servers_name_is_resolved(image: str, run: StartContainer, api: RealApi, account: Path) -> None:
    """By DNS, as resolv.conf says, in an image without nsswitch.conf too."""
    with NameServer({"kubernetes.default.svc": "127.0.0.1"}) as names:
        container = in_cluster(run, image, api, account, "kubernetes.default.svc", f"--dns={names.address}")

        container.out.wait_for("^config one$")
        assert "kubernetes.default.svc" in names.asked


def test_an_api_server_of_another_authority_is_not_believed(image: str, run: StartContainer, api: RealApi, account: Path) -> None:
    """It gets no token, and the log says why."""
    (account / "ca.crt").write_bytes(certificate(account.parent, "other").read_bytes())
    container = in_cluster(run, image, api, account, "127.0.0.1")

    container.err.wait_for("(?i)certificate.verify.failed")


def certificate(folder: Path, name: str) -> Path:
    """Make a certificate that is its own authority, for 127.0.0.1, with its key beside it."""
    path = folder / f"{name}.crt"
    words = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", f"/CN={name}", "-days", "2"]
    words += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(path.with_suffix(".key")), "-out", str(path)]
    subprocess.run(["openssl", "req", "-x509", *words], check=True, capture_output=True)
    return path


def answer_once(server: socket.socket, tls: ssl.SSLContext, said: list[str]) -> None:
    """Serve HTTPS connections, and note what each was: a request's first line, or an error."""
    while True:
        try:
            connection, _ = server.accept()
        except OSError:
            return
        try:
            with tls.wrap_socket(connection, server_side=True) as secured:
                said.append(secured.recv(4096).split(b"\r\n")[0].decode())
                secured.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        except OSError as error:
            said.append(f"error {error}")


@pytest.mark.parametrize("place", ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", ""])
def test_public_authorities_are_those_of_the_image(image: str, run: StartContainer, tmp_path: Path, place: str) -> None:
    """Wherever its distribution keeps them. Without any the bundle's own are used, and a stranger's server is not believed."""
    tmp_path.chmod(0o755)
    authority = certificate(tmp_path, "app")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(authority, authority.with_suffix(".key"))
    said: list[str] = []
    write_manifest(tmp_path, "one")
    with socket.create_server(("127.0.0.1", 0)) as server:
        Thread(target=answer_once, args=(server, tls, said), daemon=True).start()
        url = f"--reload-http=https://127.0.0.1:{server.getsockname()[1]}/-/reload"
        volumes = {tmp_path: "/given:ro", **({authority: f"{place}:ro"} if place else {})}
        words = [url, "--reload-retries=0", "--manifest=/given/manifest.yaml", *APP_WITH_CONFIG]
        container = run(image, words, ["--tmpfs=/config"], volumes=volumes)
        container.out.wait_for("^config one$")
        write_manifest(tmp_path, "two")

        if place:
            eventually(lambda: said == ["POST /-/reload HTTP/1.1"], f"the app was told: {said}")
        else:
            container.err.wait_for("(?i)certificate.verify.failed")
            assert not [line for line in said if line.startswith("POST")]


@needs("--listen", "status")
def test_status_is_asked_for_from_within(image: str, run: StartContainer, tmp_path: Path) -> None:
    """As an exec probe does it, where there is no shell."""
    write_manifest(tmp_path, "one")
    words = ["--listen=unix:/run/status", "--manifest=/given/manifest.yaml", *APP_WITH_CONFIG]
    options = ["--user=0:0", "--tmpfs=/config", "--tmpfs=/run"]
    container = run(image, words, options, volumes={tmp_path: "/given:ro"})
    container.out.wait_for("^ready$")

    eventually(lambda: is_ready(container), "status says that it is ready")


def is_ready(container: Container) -> bool:
    """What status --json, which leaves with 1 if not ready, says."""
    try:
        return bool(json.loads(container.execute(ENTRY, "status", "--listen=unix:/run/status", "--json")))
    except AssertionError:
        return False
