"""Containers as pod specs start them: those of the README, and word for word those of the Go program's README of 2016."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from tests.checkout import README
from tests.conftest import HttpApp, Start, needs_root
from tests.contract.conftest import in_a_pod, pod_user
from tests.running import Running, program
from tests.stand_ins.client import ApiError, Client, Object
from tests.stand_ins.real_api import RealApi
from tests.stand_ins.rights import wait_until_known

SIDECAR_2016 = """
- name: config-controller
  image: k8s-config-controller
  args:
  - --configroot=/mnt/config
  - --configmap=production/prometheus
  - --reload-http=http://localhost:9090/-/reload
  - --reload-http-method=POST
"""
SUBPROCESS_2016 = """
- name: postgresql
  image: my-postgresql-image
  command: /srv/config-controller
  args:
  - --configroot=/config
  - --configmap=production/postgresql
  - --
  - /usr/lib/postgresql/9.3/bin/postgres
  - -c
  - config_file=/config/postgresql.conf
"""
ENTRYPOINT = ["config-supervisor"]
COMMANDS = [ENTRYPOINT, "/srv/config-controller"]  # all that ours is called by; docker/Dockerfile has both

DOCUMENTS: list[Object] = [
    document
    for block in re.findall(r"^```yaml\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    for document in yaml.safe_load_all(block)
]
RIGHTS = [document for document in DOCUMENTS if document["kind"] != "Pod"]
PODS = [document for document in DOCUMENTS if document["kind"] == "Pod"]


def ours(containers: list[Object]) -> list[str]:
    """The arguments of the one container that runs our program."""
    (found,) = (found for found in containers if any(word.startswith("--configmap=") for word in found["args"]))
    assert found.get("command", ENTRYPOINT) in COMMANDS
    return list(found["args"])


@pytest.fixture
def api(real_api: RealApi) -> RealApi:
    """Only the real one knows rights."""
    real_api.start()
    real_api.namespace("production")
    return real_api


def apply(client: Client, document: Object) -> None:
    """Create an object, unless it is there."""
    metadata = document["metadata"]
    path = f"namespaces/{metadata['namespace']}/{document['kind'].lower()}s"
    group = "/api/v1" if document["apiVersion"] == "v1" else f"/apis/{document['apiVersion']}"
    try:
        client.create_raw(f"{group}/{path}", document)
    except ApiError as error:
        if error.status != 409:
            raise


def allow(api: RealApi, client: Client, name: str) -> None:
    """Apply what the README says about rights, for the ConfigMap of this name."""
    text = yaml.safe_dump_all(RIGHTS).replace("app-config", f"{name}-config")
    documents: list[Object] = list(yaml.safe_load_all(text))
    for document in documents:
        for rule in document.get("rules", []):
            assert rule["resourceNames"] == ["app"]
            rule["resourceNames"] = [name]
        apply(client, document)
    wait_until_known(pod_user(api), next(document for document in documents if document["kind"] == "Role"))


class Pod:
    """A container of a pod with its ConfigMap, which has one file."""

    def __init__(self, api: RealApi, name: str, file: str) -> None:
        self._api = api
        self._client = api.client()
        self._name = name
        self._file = file
        allow(api, self._client, name)
        self._client.apply("ConfigMap", "production", name, {file: "one"})

    def run(self, start: Start, folder: Path, words: list[str], here: dict[str, str]) -> Running:
        """Start the program with the container's words, but for what only exists in its pod: `here` says what stands for that."""
        for place, substitute in here.items():
            words = [word.replace(f"={place}", f"={substitute}") for word in words]
        running: Running = start(*words, **in_a_pod(self._api, folder / "account", "pod-token"))
        return running

    def replace(self, content: str) -> None:
        """Change the file."""
        self._client.replace("ConfigMap", "production", self._name, {self._file: content})


def test_the_api_server_takes_the_documents_of_the_readme(api: RealApi) -> None:
    """A ServiceAccount, a Role, a RoleBinding and two Pods, which use that ServiceAccount."""
    for document in DOCUMENTS:
        apply(api.client(), document)

    assert [document["kind"] for document in DOCUMENTS] == ["ServiceAccount", "Role", "RoleBinding", "Pod", "Pod"]
    assert {pod["spec"]["serviceAccountName"] for pod in PODS} == {"app"}


@pytest.mark.parametrize("pod", PODS, ids=lambda pod: pod["metadata"]["name"])
def test_the_pods_of_the_readme_have_the_least_rights(pod: Object) -> None:
    """Nobody is root, gains rights, has a capability, or writes to the image."""
    assert pod["spec"]["securityContext"]["runAsNonRoot"]
    assert pod["spec"]["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in pod["spec"]["containers"]:
        rights = container["securityContext"]
        assert rights == {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}


@needs_root
@pytest.mark.parametrize(
    ("containers", "name", "file"),
    [
        pytest.param(PODS[0]["spec"]["containers"], "app", "app.conf", id="README"),
        pytest.param(yaml.safe_load(SUBPROCESS_2016), "postgresql", "postgresql.conf", id="2016"),
    ],
)
def test_in_subprocess_mode(
    api: RealApi, start: Start, root: Path, tmp_path: Path, containers: list[Object], name: str, file: str
) -> None:
    """The command starts with its file, and is told by SIGHUP, with the rights of the README and no others."""
    words = ours(containers)
    end = words.index("--") + 1
    pod = Pod(api, name, file)
    running = pod.run(start, tmp_path, [*words[:end], *program("show_config"), f"{root}/{file}"], {"/config": str(root)})

    assert f"/config/{file}" in words[-1]
    running.out.wait_for("^started 'one'$")
    pod.replace("two")
    running.out.wait_for("^reloaded .* 'two'$")
    assert running.stop() == 143
    assert running.events("source.problem") == []


@needs_root
@pytest.mark.parametrize(
    ("containers", "name", "folder"),
    [
        pytest.param(PODS[1]["spec"]["containers"], "app", "/config", id="README"),
        pytest.param(yaml.safe_load(SIDECAR_2016), "prometheus", "/mnt/config", id="2016"),
    ],
)
def test_in_sidecar_mode(
    api: RealApi, start: Start, http_app: HttpApp, root: Path, tmp_path: Path, containers: list[Object], name: str, folder: str
) -> None:
    """The app beside is told by HTTP, with the rights of the README and no others."""
    url, requests = http_app(root / "prometheus.yml")
    pod = Pod(api, name, "prometheus.yml")
    running = pod.run(start, tmp_path, ours(containers), {folder: str(root), "http://localhost:9090": url})

    requests.wait_for("^POST /-/reload 'one'$")
    pod.replace("two")
    requests.wait_for("^POST /-/reload 'two'$")
    assert running.stop() == 0
    assert running.events("source.problem") == []
