"""`config-supervisor rbac`, `doctor` and `--events` on the real API server, as a service account with those rights alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import Start, needs_root
from tests.contract.conftest import in_a_pod, pod_user
from tests.running import Running, eventually, program
from tests.side import side
from tests.stand_ins.client import ApiError, Client, Object
from tests.stand_ins.real_api import RealApi
from tests.stand_ins.rights import wait_until_known

ACCOUNT = "--service-account=production/app"
Allow = Callable[..., list[Object]]


@pytest.fixture
def api(real_api: RealApi) -> RealApi:
    """Only the real one knows rights."""
    real_api.start()
    real_api.namespace("production")
    real_api.namespace("elsewhere")
    return real_api


def path_of(document: Object) -> str:
    """Where the API serves objects of its kind in its namespace."""
    group = "/api/v1" if document["apiVersion"] == "v1" else f"/apis/{document['apiVersion']}"
    return f"{group}/namespaces/{document['metadata']['namespace']}/{document['kind'].lower()}s"


@pytest.fixture
def client(api: RealApi) -> Client:
    """An admin; what a test before this one has allowed is taken back."""
    client = api.client()
    for namespace in ("production", "elsewhere", "default"):
        for kind in ("roles", "rolebindings"):
            for found in client.request("GET", f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/{kind}")["items"]:
                if found["metadata"]["name"] == "app":
                    client.delete_raw(f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/{kind}/app")
    return client


@pytest.fixture
def allow(api: RealApi, client: Client) -> Allow:
    """Apply what `rbac` prints for these options."""

    def apply(*options: str) -> list[Object]:
        said = side("rbac", *options, ACCOUNT)
        assert (said.code, said.err) == (0, "")
        documents: list[Object] = list(yaml.safe_load_all(said.out))
        for document in documents:
            try:
                client.create_raw(path_of(document), document)
            except ApiError as error:
                if error.status != 409:
                    raise
        for document in documents:
            if document["kind"] == "Role":
                wait_until_known(pod_user(api), document)
        return documents

    return apply


def in_pod(api: RealApi, tmp_path: Path) -> dict[str, Any]:
    """The program as the service account."""
    return in_a_pod(api, tmp_path / "account", "pod-token")


def events(client: Client, namespace: str, name: str) -> list[Object]:
    """The Events about an object."""
    found = client.request("GET", f"/api/v1/namespaces/{namespace}/events")["items"]
    return [event for event in found if event["involvedObject"]["name"] == name]


@needs_root
def test_the_program_works_with_what_rbac_prints(
    api: RealApi, client: Client, allow: Allow, start: Start, name: str, root: Path, tmp_path: Path
) -> None:
    """Two ConfigMaps in two namespaces, and Events on the pod."""
    client.create("ConfigMap", "production", name, {"key": "1"})
    client.create("ConfigMap", "default", f"{name}-b", {"other": "1"})
    options = (f"--configmap=production/{name}", f"--configmap={name}-b", "--events")
    allow(*options)
    more = in_pod(api, tmp_path)
    more["environment"] |= {
        "POD_NAME": f"pod-{name}",
        "POD_NAMESPACE": "production",
        "POD_UID": "0b4d0a0e-0000-4000-8000-000000000001",
    }
    running = start(*options, f"--configroot={root}", "--settle=0", **more, command=program("show_config", f"{root}/key"))
    running.out.wait_for("^started '1'$")
    client.replace("ConfigMap", "production", name, {"key": "2"})
    running.out.wait_for("^reloaded .* '2'$")
    eventually(lambda: len(events(client, "production", f"pod-{name}")) >= 1, "there are Events")

    (event, *_) = events(client, "production", f"pod-{name}")
    assert (event["reason"], event["type"], event["involvedObject"]["kind"]) == ("ConfigApplied", "Normal", "Pod")
    assert event["involvedObject"]["uid"] == "0b4d0a0e-0000-4000-8000-000000000001"
    assert "the configuration is live" in event["message"]
    assert running.events("source.problem") + running.events("events.denied") == []


def test_rbac_prints_no_more_than_is_needed(allow: Allow) -> None:
    """The named objects, list and watch; nothing in other namespaces; Events only with --events."""
    documents = allow("--configmap=production/a", "--configmap=production/b", "--configmap=elsewhere/c")
    rules = {document["metadata"]["namespace"]: document["rules"] for document in documents if document["kind"] == "Role"}

    assert [document["kind"] for document in documents] == ["ServiceAccount", *["Role", "RoleBinding"] * 2]
    assert rules == {
        "production": [{"apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["a", "b"], "verbs": ["list", "watch"]}],
        "elsewhere": [{"apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["c"], "verbs": ["list", "watch"]}],
    }


def test_a_selector_needs_all_of_its_kind_and_secrets_are_a_kind(allow: Allow) -> None:
    """RBAC knows no labels."""
    documents = allow("--configmap=production/a", "--configmap-selector=production/app=web", "--secret=production/s")
    (rules,) = (document["rules"] for document in documents if document["kind"] == "Role")

    assert rules == [
        {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["list", "watch"]},
        {"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["s"], "verbs": ["list", "watch"]},
    ]


@needs_root
def test_secrets_and_selectors_work_with_what_rbac_prints(
    api: RealApi, client: Client, allow: Allow, start: Start, name: str, root: Path, tmp_path: Path
) -> None:
    """All ConfigMaps with a label, and one Secret by its name."""
    client.create("ConfigMap", "production", name, {"key": "1"}, labels={"app": name})
    client.create("Secret", "production", f"{name}-s", {"password": "canary"})
    options = (f"--configmap-selector=production/app={name}", f"--secret=production/{name}-s")
    allow(*options)
    running = start(*options, f"--configroot={root}", **in_pod(api, tmp_path), command=program("show_config", f"{root}/key"))
    running.out.wait_for("^started '1'$")

    assert (root / "password").read_text() == "canary"
    assert running.events("source.problem") == []


@needs_root
def test_without_the_right_to_write_events_one_line_says_so(
    api: RealApi, client: Client, allow: Allow, start: Start, name: str, root: Path, tmp_path: Path
) -> None:
    """And the main job goes on."""
    client.create("ConfigMap", "production", name, {"key": "1"})
    allow(f"--configmap=production/{name}")
    options = (f"--configmap=production/{name}", "--events", f"--configroot={root}", "--settle=0", "--reload-interval=0")
    running = start(*options, **in_pod(api, tmp_path), command=program("show_config", f"{root}/key"))
    running.out.wait_for("^started '1'$")
    message = running.wait_for_event("events.denied")["message"]
    for value in ("2", "3", "4"):
        client.replace("ConfigMap", "production", name, {"key": value})
        running.out.wait_for(f"^reloaded .* '{value}'$")

    assert "cannot create Event elsewhere/" in message
    assert len(running.events("events.denied")) == 1


def kubeconfig(api: RealApi, tmp_path: Path, **more: Any) -> str:
    """The option that names a kubeconfig."""
    return f"--kubeconfig={api.write_kubeconfig(tmp_path / 'kubeconfig', **more)}"


def test_outside_of_a_pod_events_lie_on_the_configmap(
    api: RealApi, client: Client, start: Start, name: str, root: Path, tmp_path: Path
) -> None:
    """A refused change is a warning with its reason, and never the content."""
    client.create("ConfigMap", "default", name, {"key": "canary-1"})
    options = (kubeconfig(api, tmp_path), f"--configmap={name}", f"--configroot={root}", "--events", "--settle=0")
    running = start(*options, "--validate=sh -c '! grep -q bad {}/key'", command=program("show_config", f"{root}/key"))
    running.out.wait_for("^started")
    client.replace("ConfigMap", "default", name, {"key": "bad canary-2"})
    running.wait_for_event("config.refused")
    eventually(lambda: len(events(client, "default", name)) == 2, "both are told")
    found = {event["reason"]: event for event in events(client, "default", name)}

    assert {reason: event["type"] for reason, event in found.items()} == {"ConfigApplied": "Normal", "ConfigRefused": "Warning"}
    assert "--validate" in found["ConfigRefused"]["message"]
    assert "canary" not in json.dumps(list(found.values()))
    assert found["ConfigApplied"]["involvedObject"]["kind"] == "ConfigMap"


def test_the_event_of_a_change_that_killed_the_command_is_not_lost(
    api: RealApi, client: Client, start: Start, name: str, root: Path, tmp_path: Path
) -> None:
    """We leave at once when the command has died of it, but for the moment that the Event takes."""
    client.create("ConfigMap", "default", name, {"key": "good"})
    options = (kubeconfig(api, tmp_path), f"--configmap={name}", f"--configroot={root}", "--events", "--settle=0")
    until_death = (f"--confirm-command=sh -c '! grep -q bad {root}/key'", "--confirm-within=20")
    dies = f"trap 'grep -q bad {root}/key && exit 9' HUP; echo started; while :; do sleep 0.05; done"
    running = start(*options, *until_death, "--reload-interval=0", command=["sh", "-c", dies])
    eventually(lambda: events(client, "default", name), "the first one is told")
    client.replace("ConfigMap", "default", name, {"key": "bad"})

    assert running.wait() == 9
    assert {"ConfigRolledBack"} <= {event["reason"] for event in events(client, "default", name)}


def test_what_happens_again_is_counted_up(
    api: RealApi, client: Client, start: Start, name: str, root: Path, tmp_path: Path
) -> None:
    """The same refusal, and the same good revision after it: two Events, each with its count."""
    client.create("ConfigMap", "default", name, {"key": "good"})
    options = (kubeconfig(api, tmp_path), f"--configmap={name}", f"--configroot={root}", "--events", "--settle=0")
    running = start(
        *options, "--reload-interval=0", "--validate=sh -c '! grep -q bad {}/key'", command=program("show_config", f"{root}/key")
    )
    running.out.wait_for("^started")
    client.replace("ConfigMap", "default", name, {"key": "bad"})
    eventually(lambda: len(events(client, "default", name)) == 2, "the first refusal is told")
    for times in (1, 2):
        client.replace("ConfigMap", "default", name, {"key": "good"})
        running.wait_for_event("config.unchanged", times=times)
        client.replace("ConfigMap", "default", name, {"key": "bad"})
        running.wait_for_event("config.refused", times=times + 1)

    def refusals() -> list[Object]:
        return [event for event in events(client, "default", name) if event["reason"] == "ConfigRefused"]

    eventually(lambda: sum(event["count"] for event in refusals()) == 3, "all are counted", 60)
    assert len(refusals()) <= 2, "the second says that it was refused before; the third is counted up"


def test_never_more_than_a_few_a_minute(
    api: RealApi, client: Client, start: Start, name: str, root: Path, tmp_path: Path
) -> None:
    """A hundred changes make five Events at the most before half a minute is over, and nobody waits for them."""
    client.create("ConfigMap", "default", name, {"key": "0"})
    options = (kubeconfig(api, tmp_path), f"--configmap={name}", f"--configroot={root}", "--events", "--settle=0")
    running: Running = start(*options, "--reload-interval=0", command=program("show_config", f"{root}/key"))
    running.out.wait_for("^started")
    for number in range(1, 101):
        client.replace("ConfigMap", "default", name, {"key": str(number)})
    running.out.wait_for("^reloaded .* '100'$")

    eventually(lambda: events(client, "default", name), "there are Events")
    assert len(events(client, "default", name)) <= 5


def findings(*options: str) -> dict[str, Object]:
    """What a doctor finds, by what was looked at."""
    said = side("doctor", "--json", *options)
    found: list[Object] = json.loads(said.out)
    assert said.code == (0 if all(finding["is_ok"] for finding in found) else 1)
    return {finding["what"]: finding for finding in found}


def test_a_doctor_finds_nothing_to_mend(api: RealApi, client: Client, name: str, root: Path, tmp_path: Path) -> None:
    """Everything was tried for real."""
    client.create("ConfigMap", "default", name, {"key": "1"})
    found = findings(kubeconfig(api, tmp_path), f"--configmap={name}", f"--configroot={root}", "--events", "--", "sh")

    assert {what for what, finding in found.items() if not finding["is_ok"]} == set()
    assert found["cluster"]["text"].startswith(api.url)
    assert found[f"ConfigMap default/{name}"]["text"] == "it is there, and may be listed and watched"
    assert {"options", "configroot", "clock", "user", "events", "command", "orphans"} <= found.keys()
    assert client.request("GET", "/api/v1/namespaces/default/events?fieldSelector=reason=Trial")["items"] == []
    assert not root.exists()


def test_a_doctor_says_how_to_mend_each_fault(api: RealApi, name: str, root: Path, tmp_path: Path) -> None:
    """A missing object, a missing right, a wrong token, a server that is not there, an authority that is not its own."""
    reader = api.write_kubeconfig(tmp_path / "reader", token="reader-token")
    common = (f"--configmap=elsewhere/{name}", f"--configroot={root}")
    missing = findings(kubeconfig(api, tmp_path), *common)[f"ConfigMap elsewhere/{name}"]
    denied = findings(f"--kubeconfig={reader}", *common, "--events")
    nobody = api.write_kubeconfig(tmp_path / "nobody", token="no-such-token")
    wrong = findings(f"--kubeconfig={nobody}", *common)
    away = tmp_path / "away"
    away.write_text(reader.read_text().replace(api.url, "https://127.0.0.1:1"))
    other = tmp_path / "other"
    authority = api.client_certificate("nobody")[0]
    other.write_text(reader.read_text().replace(str(api.ca_file), str(authority)))

    assert "does not exist: create it" in missing["text"]
    assert 'resourceNames: ["' in denied[f"ConfigMap elsewhere/{name}"]["text"]
    assert 'resources: ["events"], verbs: ["create", "patch"]' in denied["events"]["text"]
    assert "does not accept our credentials (401)" in wrong["cluster"]["text"]
    assert "does the server run?" in findings(f"--kubeconfig={away}", *common)["cluster"]["text"]
    assert (
        "the authority in the configuration is not the server's" in findings(f"--kubeconfig={other}", *common)["cluster"]["text"]
    )
