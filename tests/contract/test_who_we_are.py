from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Start, needs_root
from tests.contract.conftest import App, in_a_pod
from tests.running import program
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
    kubeconfig = api.write_kubeconfig(tmp_path / "reader", certificate=api.client_certificate("reader"), embed_ca=True)

    follow(api, app(kubeconfig=kubeconfig), name)
    assert list(Path("/tmp").glob("config-supervisor-*")) == []


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
