"""What a kubelet makes of a pod: its containers one after the other, with the users, rights, volumes and probes that it names."""

from __future__ import annotations

import os
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import yaml

from tests.images.engine import READ_ONLY, Container
from tests.running import LAST_APPLIED, eventually
from tests.stand_ins.client import ApiError
from tests.stand_ins.real_api import RealApi

ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
_START_S = 60.0

Object = dict[str, Any]


def documents(path: Path) -> list[Object]:
    """The documents of a YAML file, with the canary in each ConfigMap."""
    found: list[Object] = list(yaml.safe_load_all(path.read_text()))
    for document in found:
        if document["kind"] == "ConfigMap":
            document["metadata"]["annotations"] = LAST_APPLIED
    return found


def template(manifest: list[Object]) -> Object:
    """The pod that a manifest's Deployment or StatefulSet makes."""
    workload = next(document for document in manifest if document["kind"] in {"Deployment", "StatefulSet"})
    pod: Object = workload["spec"]["template"]
    return pod


def path_of(document: Object) -> str:
    """Where objects of this kind are created."""
    group = "/api" if "/" not in document["apiVersion"] else "/apis"
    plural = f"{document['kind'].lower()}s"
    return f"{group}/{document['apiVersion']}/namespaces/{document['metadata']['namespace']}/{plural}"


def apply(api: RealApi, manifest: list[Object]) -> None:
    """Create what the API server of the tests serves, in the place of what is there."""
    for document in manifest:
        if document["kind"] not in {"Deployment", "StatefulSet"}:
            with suppress(ApiError):  # it is not there
                api.client().delete_raw(f"{path_of(document)}/{document['metadata']['name']}")
            api.client().create_raw(path_of(document), document)


def write_account(folder: Path, api: RealApi, token: str) -> Path:
    """A service account's folder as the kubelet mounts it."""
    folder.mkdir(mode=0o755)
    for name, text in (("token", token), ("ca.crt", api.ca_file.read_text()), ("namespace", "default")):
        (folder / name).write_text(text)
    return folder


class Pod:
    """The running containers of one pod, all on the host's network. `secrets` are values by name and key."""

    def __init__(self, manifest: list[Object], api: RealApi, folder: Path, token: str, secrets: Mapping[str, str]) -> None:
        self._spec = template(manifest)["spec"]
        self._api = api
        self._folder = folder
        self._account = write_account(folder / "account", api, token)
        self._secrets = secrets
        self.containers: dict[str, Container] = {}
        claims = [claim for document in manifest for claim in document.get("spec", {}).get("volumeClaimTemplates", [])]
        self._volumes = {volume["name"] for volume in [*self._spec["volumes"], *(claim["metadata"] for claim in claims)]}

    def __enter__(self) -> Self:
        for container in self._spec.get("initContainers", []):
            running = self._start(container)
            if container.get("restartPolicy") == "Always":
                wait_for_probe(container, "startupProbe")
            else:
                assert running.wait() == 0, running.err.all()
        for container in self._spec["containers"]:
            self._start(container)
        return self

    def __exit__(self, *_: object) -> None:
        for container in reversed(self.containers.values()):
            container.__exit__()

    def _volume(self, name: str) -> Path:
        """A folder, at first an empty one as the kubelet makes it for a pod with an fsGroup."""
        assert name in self._volumes
        path = self._folder / "volumes" / name
        path.mkdir(parents=True, exist_ok=True)
        os.chown(path, -1, self._spec["securityContext"]["fsGroup"])
        path.chmod(0o2777)
        return path

    def _start(self, container: Object) -> Container:
        command, words = container.get("command", []), container.get("args", [])
        options = [*self._rights(container["securityContext"]), *(["--entrypoint", command[0]] if command else [])]
        if self._spec.get("shareProcessNamespace") and self.containers:
            options.append(f"--pid=container:{next(iter(self.containers.values())).name}")
        host, _, port = self._api.url.removeprefix("https://").partition(":")
        environment = {"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": port}
        environment |= {variable["name"]: self._value(variable) for variable in container.get("env", [])}
        volumes = {
            self._volume(mount["name"]): mount["mountPath"] + (":ro" if mount.get("readOnly") else "")
            for mount in container["volumeMounts"]
        }
        volumes[self._account] = f"{ACCOUNT}:ro"
        running = Container(container["image"], [*command[1:], *words], options, environment=environment, volumes=volumes)
        self.containers[container["name"]] = running
        return running

    def _rights(self, context: Object) -> list[str]:
        pod = self._spec["securityContext"]
        assert pod["runAsNonRoot"]
        assert context == {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
        user, group = f"--user={pod['runAsUser']}:{pod['runAsGroup']}", f"--group-add={pod['fsGroup']}"
        return [user, group, *READ_ONLY, "--cap-drop=all", "--security-opt=no-new-privileges"]

    def _value(self, variable: Object) -> str:
        if "value" in variable:
            return str(variable["value"])
        reference = variable["valueFrom"]["secretKeyRef"]
        return self._secrets[f"{reference['name']}/{reference['key']}"]


def wait_for_probe(container: Object, probe: str) -> None:
    """Ask until it says yes, as the kubelet does."""
    wanted = container[probe]["httpGet"]
    port = next(port["containerPort"] for port in container["ports"] if port["name"] == wanted["port"])
    eventually(lambda: says_yes(f"http://127.0.0.1:{port}{wanted['path']}"), f"{probe} of {container['name']}", _START_S)


def says_yes(url: str) -> bool:
    """Whether a GET is answered by a status from 200 to 399."""
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status < 400)
    except (OSError, urllib.error.HTTPError):
        time.sleep(0.1)  # the kubelet asks once a second
        return False
