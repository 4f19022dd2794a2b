"""The two APIs that the same sentences are said to: the stand-in, and a real etcd with a real API server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import Start
from tests.running import Running, program
from tests.side import side
from tests.stand_ins.api import StandInApi
from tests.stand_ins.client import Api, ApiError, Client, Kind, Object, Raw, Text
from tests.stand_ins.real_api import RealApi
from tests.stand_ins.rights import wait_until_known


@pytest.fixture(params=["stand-in", "real"])
def api(request: pytest.FixtureRequest) -> Iterator[Api]:
    """Either API; a test may take it down, and finds it up."""
    if request.param == "stand-in":
        with StandInApi() as stand_in:
            yield stand_in
    else:
        real: RealApi = request.getfixturevalue("real_api")
        real.start()
        yield real
        real.thaw()


@pytest.fixture
def client(api: Api) -> Client:
    """An admin of the API."""
    return api.client()


class Watched:
    """An object that the program follows, and the option by which it does: by its name, or by a label that only it has."""

    def __init__(self, client: Client, kind: Kind, name: str, *, by_label: bool = False) -> None:
        self.kind: Kind = kind
        self.name = name
        self._client = client
        self._labels = {"app.example.com/name": name}
        self.selector = f"app.example.com/name={name}"
        self.option = f"--{kind.lower()}-selector={self.selector}" if by_label else f"--{kind.lower()}={name}"

    def create(self, data: Text = None, binary_data: Raw = None) -> None:
        """Create it."""
        self._client.create(self.kind, "default", self.name, data, binary_data, self._labels)

    def replace(self, data: Text = None, labels: Text = None) -> None:
        """Replace it, with more labels."""
        self._client.replace(self.kind, "default", self.name, data, labels={**self._labels, **(labels or {})})

    def delete(self) -> None:
        """Delete it."""
        self._client.delete(self.kind, "default", self.name)

    def anew(self, client: Client) -> Watched:
        """The same, by another connection: the API was down."""
        other = Watched(client, self.kind, self.name)
        other._labels, other.option = self._labels, self.option
        return other


def give_rights(api: RealApi, *options: str) -> None:
    """Let the pod's account do what `config-supervisor rbac` says that these options need, and nothing else."""
    client = api.client()
    api.namespace("production")
    documents = list(yaml.safe_load_all(side("rbac", *options, "--service-account=production/app").out))
    roles = [document for document in documents if document["kind"] == "Role"]
    for document in documents:
        path = path_of_any(document)
        try:
            client.create_raw(path, document)
        except ApiError:  # there is one of an earlier test: only its Role had other rules
            if document in roles:
                client.request("PUT", f"{path}/{document['metadata']['name']}", document)
    for role in roles:
        wait_until_known(pod_user(api), role)


def pod_user(api: RealApi) -> Client:
    """The pod's account."""
    return Client(api.url, ca_file=api.ca_file, token="pod-token")


def path_of_any(document: Object) -> str:
    """Where the API serves objects of its kind in its namespace."""
    group = "/api/v1" if document["apiVersion"] == "v1" else f"/apis/{document['apiVersion']}"
    return f"{group}/namespaces/{document['metadata']['namespace']}/{document['kind'].lower()}s"


class App:
    """The real program with a small app as its command, kept equal to one object."""

    def __init__(self, start: Start, kubeconfig: Path, option: str, root: Path, *options: str, **more: Any) -> None:
        self._file = root / "key"
        self.running: Running = start(
            f"--kubeconfig={kubeconfig}",
            option,
            f"--configroot={root}",
            "--reload-interval=0",
            *options,
            command=program("show_config", str(self._file)),
            **more,
        )

    def wait_until_started_with(self, value: str, deadline_s: float = 20) -> None:
        """The app found this when it started."""
        self.running.out.wait_for(f"^started {value!r}$", deadline_s=deadline_s)

    def wait_until_told(self, value: str, deadline_s: float = 20) -> None:
        """The app was told by SIGHUP, and found this."""
        self.running.out.wait_for(f"^reloaded .* {value!r}$", deadline_s=deadline_s)

    def reloads(self) -> list[str]:
        """What the app found at each reload so far."""
        return [line.split(" ", 2)[2].strip("'") for line in self.running.out.all() if line.startswith("reloaded")]


@pytest.fixture
def app(start: Start, api: Api, tmp_path: Path, name: str, root: Path) -> Callable[..., App]:
    """Start the program and its app for the ConfigMap `name`."""

    def start_app(*options: str, kubeconfig: Path | None = None) -> App:
        return App(start, kubeconfig or api.write_kubeconfig(tmp_path / "kubeconfig"), f"--configmap={name}", root, *options)

    return start_app


@pytest.fixture(params=["ConfigMap", "Secret", "ConfigMap by label", "Secret by label"])
def watched(request: pytest.FixtureRequest, client: Client, name: str) -> Watched:
    """An object of either kind, which is followed by its name or by its label."""
    kind, *by_label = request.param.split(" ", 1)
    return Watched(client, kind, name, by_label=bool(by_label))


@pytest.fixture
def follow(start: Start, api: Api, tmp_path: Path, watched: Watched, root: Path) -> Callable[..., App]:
    """Start the program and its app for the object, with the least rights, where there are rights."""
    if isinstance(api, RealApi):
        give_rights(api, watched.option)
        kubeconfig = api.write_kubeconfig(tmp_path / "kubeconfig", token="pod-token")
    else:
        kubeconfig = api.write_kubeconfig(tmp_path / "kubeconfig")
    return lambda *options: App(start, kubeconfig, watched.option, root, *options)


def in_a_pod(api: RealApi, account: Path, token: str) -> dict[str, Any]:
    """How the program is started in a pod: with the files of a service account, and the API's address in the environment."""
    account.mkdir()
    (account / "token").write_text(token)
    (account / "ca.crt").write_bytes(api.ca_file.read_bytes())
    (account / "namespace").write_text("elsewhere")
    place = "/var/run/secrets/kubernetes.io/serviceaccount"
    mount = f'mount -t tmpfs none /run && mkdir -p {place} && mount --bind {account} {place} && exec "$@"'
    host, port = api.url.removeprefix("https://").split(":")
    return {
        "prefix": ["unshare", "--mount", "sh", "-c", mount, "sh"],
        "environment": {"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": port, "HOME": "/nowhere", "KUBECONFIG": ""},
    }
