from __future__ import annotations

import base64
import json
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from tests.conftest import Start, needs_root
from tests.contract.conftest import App, in_a_pod
from tests.running import Running, begun_by, eventually, program
from tests.stand_ins.real_api import RealApi
from tests.stand_ins.rights import allow

StartApp = Callable[..., App]


@pytest.fixture(params=["real"])
def api(real_api: RealApi) -> RealApi:
    """Only the real one knows users and rights."""
    real_api.start()
    return real_api


def follow(api: RealApi, running: App, name: str) -> None:
    """The program follows its ConfigMap."""
    running.wait_until_started_with("1")
    api.client().replace("ConfigMap", "default", name, {"key": "2"})
    running.wait_until_told("2")


@pytest.fixture(autouse=True)
def configmap(api: RealApi, name: str) -> None:
    """The ConfigMap of the test."""
    api.client().create("ConfigMap", "default", name, {"key": "1"})


def test_a_role_for_the_one_object_is_enough(api: RealApi, app: StartApp, name: str, tmp_path: Path) -> None:
    """Verbs list and watch with resourceNames."""
    allow(api.client(), name)

    follow(api, app(kubeconfig=api.write_kubeconfig(tmp_path / "reader", token="reader-token")), name)


def test_without_rights_the_log_says_which_role_to_add(api: RealApi, app: StartApp, name: str, tmp_path: Path) -> None:
    """Once; and when the Role is there, we go on without a restart."""
    running = app(kubeconfig=api.write_kubeconfig(tmp_path / "reader", token="reader-token"))
    message = running.running.wait_for_event("source.problem")["message"]
    allow(api.client(), name)
    running.wait_until_started_with("1")

    assert message.startswith(f"cannot list ConfigMap default/{name} (403): ")
    assert f'resources: ["configmaps"], resourceNames: ["{name}"], verbs: ["list", "watch"]' in message
    assert len(running.running.events("source.problem")) == 1


def test_with_wrong_credentials_the_log_says_so(api: RealApi, app: StartApp, tmp_path: Path) -> None:
    """Once."""
    running = app("--startup-timeout=4", kubeconfig=api.write_kubeconfig(tmp_path / "nobody", token="no-such-token")).running

    assert running.wait() == 125
    assert [event["message"].count("(401)") for event in running.events("source.problem")] == [1]
    assert "does not accept our credentials (401)" in running.wait_for_event("start.failed")["message"]


def test_a_token_that_is_rotated_in_its_file_is_read_again(api: RealApi, app: StartApp, name: str, tmp_path: Path) -> None:
    """After the server has refused the old one."""
    allow(api.client(), name)
    token = tmp_path / "token"
    token.write_text("no-such-token")
    running = app(kubeconfig=api.write_kubeconfig(tmp_path / "reader", token_file=token))
    running.running.wait_for_event("source.problem")
    token.write_text("reader-token")

    follow(api, running, name)


def test_a_client_certificate_is_enough(api: RealApi, app: StartApp, name: str, tmp_path: Path) -> None:
    """By files, with the authority embedded; no copy of the key stays on the disk."""
    allow(api.client(), name)
    certificate, key = api.client_certificate("reader")
    kubeconfig = api.write_kubeconfig(tmp_path / "reader", certificate=(certificate, key), embed_ca=True)

    follow(api, app(kubeconfig=kubeconfig), name)
    assert files_with(key.read_text()) == []


def give_credentials(kubeconfig: Path, **credentials: object) -> Path:
    """Let the one user of a kubeconfig have these, and no others."""
    config = json.loads(kubeconfig.read_text())
    config["users"][0]["user"] = {name.replace("_", "-"): value for name, value in credentials.items()}
    kubeconfig.write_text(json.dumps(config))
    return kubeconfig


def faults(tmp_path: Path, **faults: str) -> dict[str, str]:
    """The environment of a program with these faults."""
    for name, fault in faults.items():
        (tmp_path / name).write_text(fault)
    return begun_by("faulty", FAULTS=tmp_path)


def files_with(key: str) -> list[Path]:
    """Where it stands in a file of ours in memory, or on the disk."""
    found = []
    for folder in Path("/dev/shm"), Path("/tmp"):
        for path in folder.glob("config-supervisor-*/*"):
            with suppress(OSError):  # somebody else's, and gone
                found += [path] if key in path.read_text() else []
    return found


@pytest.mark.plain
def test_a_key_in_the_kubeconfig_is_in_no_file_while_we_log_in(
    api: RealApi, start: Start, name: str, root: Path, tmp_path: Path
) -> None:
    """Whatever happens just then: here it is killed at the moment at which it would remove such a file."""
    allow(api.client(), name)
    certificate, key = (path.read_text() for path in api.client_certificate("reader"))
    embedded = {
        "client_certificate_data": base64.b64encode(certificate.encode()).decode(),
        "client_key_data": base64.b64encode(key.encode()).decode(),
    }
    kubeconfig = give_credentials(api.write_kubeconfig(tmp_path / "reader", embed_ca=True), **embedded)
    environment = faults(tmp_path, hang="ConfigMap os.remove tmp")
    running = start(f"--kubeconfig={kubeconfig}", f"--configmap={name}", f"--configroot={root}", environment=environment)
    eventually(lambda: running.events("source.found") or files_with(key), "it has logged in, or is about to")
    running.send(signal.SIGKILL)
    running.wait()

    assert files_with(key) == []


@pytest.mark.plain
def test_sources_and_events_can_log_in_at_the_same_time(
    api: RealApi, start: Start, name: str, root: Path, tmp_path: Path
) -> None:
    """A source does so after an outage, here while the other is held in the middle of writing a file, if it writes any."""
    kubeconfig = api.write_kubeconfig(tmp_path / "admin", embed_ca=True)
    environment = faults(tmp_path, hang="events open 'w'")
    running = App(start, kubeconfig, f"--configmap={name}", root, "--events", environment=environment)
    running.wait_until_started_with("1")
    running.running.wait_for_event("config.applied")
    api.kill()
    running.running.wait_for_event("source.problem")
    api.start()
    api.client().replace("ConfigMap", "default", name, {"key": "2"})

    running.wait_until_told("2")
    assert not [event for event in running.running.events("source.problem") if "_ssl.c" in event["message"]]


def problems(running: Running) -> Sequence[str]:
    """What keeps the sources from knowing, if every line of the log is JSON."""
    assert all(line.startswith("{") for line in running.err.all())
    return [event["message"] for event in running.events("source.problem")]


def test_a_server_that_is_not_to_be_verified_is_believed(api: RealApi, app: StartApp, name: str, tmp_path: Path) -> None:
    """Without a warning among the lines of the log."""
    kubeconfig = api.write_kubeconfig(tmp_path / "kubeconfig")
    config = json.loads(kubeconfig.read_text())
    config["clusters"][0]["cluster"] = {"server": api.url, "insecure-skip-tls-verify": True}
    kubeconfig.write_text(json.dumps(config))
    running = app(kubeconfig=kubeconfig)
    follow(api, running, name)

    assert problems(running.running) == []


# --- a plugin that knows our credentials


def write_plugin(path: Path, *lines: str) -> dict[str, object]:
    """A plugin in shell, as a kubeconfig has it."""
    path.write_text("\n".join(lines))
    return {"apiVersion": "client.authentication.k8s.io/v1", "command": "sh", "args": [str(path)], "interactiveMode": "Never"}


def answer(**status: str) -> str:
    """A line of a plugin's script that answers this."""
    return f"echo '{json.dumps({'apiVersion': 'client.authentication.k8s.io/v1', 'kind': 'ExecCredential', 'status': status})}'"


def test_a_plugin_is_asked_for_the_token_and_again_when_it_has_expired(
    api: RealApi, app: StartApp, name: str, tmp_path: Path
) -> None:
    """Here that is at each request."""
    allow(api.client(), name)
    plugin = write_plugin(
        tmp_path / "plugin", f"echo >> {tmp_path}/asked", answer(token="reader-token", expirationTimestamp="2020-01-01T00:00:00Z")
    )
    running = app(kubeconfig=give_credentials(api.write_kubeconfig(tmp_path / "reader"), exec=plugin))
    follow(api, running, name)

    assert len((tmp_path / "asked").read_text()) > 1
    assert problems(running.running) == []


def test_a_plugin_may_give_a_certificate(api: RealApi, app: StartApp, name: str, tmp_path: Path) -> None:
    """With its key, and both in the answer itself."""
    allow(api.client(), name)
    certificate, key = (path.read_text() for path in api.client_certificate("reader"))
    (tmp_path / "answer").write_text(answer(clientCertificateData=certificate, clientKeyData=key).removeprefix("echo '")[:-1])
    plugin = write_plugin(tmp_path / "plugin", f"cat {tmp_path}/answer")

    follow(api, app(kubeconfig=give_credentials(api.write_kubeconfig(tmp_path / "reader"), exec=plugin)), name)


@pytest.mark.parametrize("lines", [["echo log in first >&2", "exit 3"], [answer(token="")], ["echo 1"]], ids=["3", "none", "1"])
def test_a_plugin_that_fails_is_said_and_asked_again(
    api: RealApi, app: StartApp, name: str, tmp_path: Path, lines: list[str]
) -> None:
    """In a line of the log, and not in one of the library's own."""
    allow(api.client(), name)
    plugin = write_plugin(tmp_path / "plugin", *lines)
    running = app(kubeconfig=give_credentials(api.write_kubeconfig(tmp_path / "reader"), exec=plugin))
    running.running.wait_for_event("source.problem")
    write_plugin(tmp_path / "plugin", answer(token="reader-token"))
    follow(api, running, name)

    assert all(problem.startswith("cannot use the cluster's configuration: exec: ") for problem in problems(running.running))


def test_a_plugin_that_there_is_not_is_said(api: RealApi, app: StartApp, tmp_path: Path) -> None:
    """By its name."""
    plugin = {**write_plugin(tmp_path / "plugin"), "command": "no-such-plugin"}
    running = app(kubeconfig=give_credentials(api.write_kubeconfig(tmp_path / "reader"), exec=plugin)).running

    assert "no-such-plugin" in running.wait_for_event("source.problem")["message"]


def test_a_context_can_be_chosen(api: RealApi, app: StartApp, name: str, tmp_path: Path) -> None:
    """The current context's user may do nothing."""
    allow(api.client(), name)
    kubeconfig = api.write_kubeconfig(tmp_path / "two", token="reader-token", context="good")
    api.write_kubeconfig(kubeconfig, token="no-such-token", context="bad")

    follow(api, app("--context=good", kubeconfig=kubeconfig), name)


def test_a_context_that_does_not_exist_is_named(api: RealApi, app: StartApp, tmp_path: Path) -> None:
    """And the program goes on to ask, for somebody may mend the file."""
    running = app("--context=nowhere", kubeconfig=api.write_kubeconfig(tmp_path / "kubeconfig")).running

    assert "nowhere" in running.wait_for_event("source.problem")["message"]


@needs_root
def test_in_a_pod_the_service_account_is_used(api: RealApi, start: Start, name: str, root: Path, tmp_path: Path) -> None:
    """The mounted token, authority and namespace, and the address from the environment."""
    allow(api.client(), name)
    running = start(
        f"--configmap={name}",
        f"--configroot={root}",
        **in_a_pod(api, tmp_path / "account", "reader-token"),
        command=program("show_config", f"{root}/key"),
    )

    running.out.wait_for("^started '1'$")
    api.client().replace("ConfigMap", "default", name, {"key": "2"})
    running.out.wait_for("^reloaded .* '2'$")


@needs_root
@pytest.mark.plain
def test_in_a_pod_only_what_sends_requests_is_loaded(api: RealApi, start: Start, name: str, root: Path, tmp_path: Path) -> None:
    """Of the client library neither generated calls nor what is there for kubeconfigs: they take longer than all else."""
    allow(api.client(), name)
    api.client().apply("ConfigMap", "default", name, {"key": "1"})
    pod = in_a_pod(api, tmp_path / "account", "reader-token")
    pod["environment"]["PYTHONPROFILEIMPORTTIME"] = "1"
    running = start(f"--configmap={name}", f"--configroot={root}", **pod, command=["true"])

    assert running.wait() == 0
    lines = [line for line in running.err.wait_for_end() if line.startswith("import time:")]
    loaded = {line.rpartition("|")[2].strip() for line in lines}
    assert "kubernetes.client.rest" in loaded
    unneeded = {"kubernetes", "kubernetes.client.api_client", "kubernetes.config", "kubernetes.dynamic"}
    assert loaded & (unneeded | {"aiohttp", "jsonschema", "oauthlib", "pydantic", "requests", "yaml"}) == set()


def test_without_any_cluster_we_say_where_we_looked(start: Start, root: Path, tmp_path: Path) -> None:
    """At once: exit 125, and nothing was started."""
    running = start(
        "--configmap=app", f"--configroot={root}", environment={"HOME": str(tmp_path), "KUBECONFIG": ""}, command=["echo", "x"]
    )

    assert running.wait() == 125
    assert "cannot find a cluster: no --kubeconfig" in running.wait_for_event("start.failed")["message"]
