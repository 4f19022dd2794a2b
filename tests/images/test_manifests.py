from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.images.conftest import needs, said_by_the_program
from tests.images.pods import Object, documents, path_of, template
from tests.stand_ins.real_api import RealApi

EXAMPLES = Path(__file__).parents[2] / "docker" / "examples"
FILES = sorted(EXAMPLES.glob("*/*.yaml"))
every_file = pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
STRICT = "fieldValidation=Strict&dryRun=All"


def containers(path: Path) -> list[Object]:
    """All containers of an example's pod."""
    spec = template(documents(path))["spec"]
    return [*spec.get("initContainers", []), *spec["containers"]]


def test_there_are_examples() -> None:
    """So that the tests below are not of nothing."""
    assert len(FILES) >= 7


@every_file
def test_every_document_fits_its_schema(path: Path) -> None:
    """That of the newest Kubernetes that the validator knows, with no unknown field."""
    kubernetes_validate = pytest.importorskip("kubernetes_validate", reason="no kubernetes_validate")

    for document in documents(path):
        kubernetes_validate.validate(document, kubernetes_validate.latest_version(), strict=True)


@every_file
def test_the_api_server_accepts_it(api: RealApi, path: Path) -> None:
    """What the tests' server serves, unknown fields refused; of a Deployment its pod."""
    manifest = documents(path)
    pod = template(manifest)
    name = {"name": "example", "namespace": "default"}
    served = [document for document in manifest if document["kind"] not in {"Deployment", "StatefulSet"}]

    for document in [*served, {**pod, "apiVersion": "v1", "kind": "Pod", "metadata": {**pod["metadata"], **name}}]:
        renamed = {**document, "metadata": {**document["metadata"], "name": "example"}}
        api.client().create_raw(f"{path_of(renamed)}?{STRICT}", renamed)


@every_file
def test_nobody_has_rights_that_are_not_needed(path: Path) -> None:
    """No container is root, gains rights, has a capability or writes to its root; of the API one object may be read."""
    manifest = documents(path)
    context = template(manifest)["spec"]["securityContext"]
    (role,) = [document for document in manifest if document["kind"] == "Role"]
    (rule,) = role["rules"]

    assert context["runAsNonRoot"]
    assert context["runAsUser"] > 0
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in containers(path):
        rights = container["securityContext"]
        assert rights == {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
    assert rule == {
        "apiGroups": [""],
        "resources": ["configmaps"],
        "resourceNames": rule["resourceNames"],
        "verbs": rule["verbs"],
    }
    assert rule["resourceNames"] == [document["metadata"]["name"] for document in manifest if document["kind"] == "ConfigMap"]


@needs("rbac")
@every_file
def test_the_rights_are_those_that_rbac_prints(path: Path) -> None:
    """Not one verb more or less."""
    (role,) = [document for document in documents(path) if document["kind"] == "Role"]
    printed = yaml.safe_load_all(said_by_the_program("rbac", f"--configmap={role['rules'][0]['resourceNames'][0]}"))

    (least,) = [document for document in printed if document["kind"] == "Role"]
    assert role["rules"] == least["rules"]


def test_a_sidecar_is_waited_for() -> None:
    """A restartPolicy alone does not wait: the startupProbe does."""
    for name in ("native.yaml", "shared-pid.yaml"):
        (sidecar,) = template(documents(EXAMPLES / "sidecars" / name))["spec"]["initContainers"]

        assert sidecar["restartPolicy"] == "Always"
        assert sidecar["startupProbe"]["httpGet"]["path"] == "/startupz"
