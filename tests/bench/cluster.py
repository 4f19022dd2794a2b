"""A real API server with its audit log, PUTs with their moments, and who watches: the program, the floor, the bare client."""

from __future__ import annotations

import http.client
import json
import os
import random
import re
import ssl
import string
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from tests.bench.contenders import available, program, script
from tests.stand_ins.client import object_of, path_of
from tests.stand_ins.real_api import ADMIN_TOKEN, RealApi

KIB = 1024

_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"

# One event for each request: the end of a list, the start of a watch.
_CONFIGMAPS = [{"group": "", "resources": ["configmaps"]}]
_AUDIT_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [
        {"level": "Metadata", "verbs": ["watch"], "resources": _CONFIGMAPS, "omitStages": ["ResponseComplete"]},
        {"level": "Metadata", "verbs": ["get", "list"], "resources": _CONFIGMAPS},
        {"level": "None"},
    ],
}


@dataclass(frozen=True)
class Content:
    """What a ConfigMap holds: so many files of so many bytes. The first line of each is a number that grows with each PUT."""

    files: int
    bytes_each: int

    @property
    def first(self) -> str:
        """The key that an app reads."""
        return "f000"

    def data(self, number: int) -> dict[str, str]:
        """The content of one version: every file differs from what it was before."""
        filling = "".join(random.Random(1).choices(string.ascii_letters + string.digits, k=1000)) * (self.bytes_each // 1000 + 1)
        text = f"{number:08}\n{filling}"[: self.bytes_each]
        return {f"f{index:03}": text for index in range(self.files)}


class ConfigMap:
    """A ConfigMap that we PUT, on a connection of its own."""

    def __init__(self, api: RealApi, name: str, content: Content) -> None:
        self.name = name
        self.content = content
        self.number = 0
        address = urlsplit(api.url)
        tls = ssl.create_default_context(cafile=api.ca_file)
        self._connection = http.client.HTTPSConnection(address.hostname or "", address.port, context=tls)
        api.client().apply("ConfigMap", "default", name, content.data(0))

    def put(self) -> tuple[int, int]:
        """PUT the next version; the moments before it was sent and after its answer, in ns of CLOCK_MONOTONIC."""
        self.number += 1
        body = json.dumps(object_of("ConfigMap", self.name, self.content.data(self.number))).encode()
        headers = {"Authorization": f"Bearer {ADMIN_TOKEN}", "Content-Type": "application/json"}
        if self._connection.sock is None:
            self._connection.connect()
        sent_ns = time.monotonic_ns()
        self._connection.request("PUT", path_of("ConfigMap", "default", self.name), body, headers)
        with self._connection.getresponse() as answer:
            text = answer.read()
            answered_ns = time.monotonic_ns()
        if answer.status != 200:
            raise RuntimeError(text.decode(errors="replace"))
        return sent_ns, answered_ns

    def close(self) -> None:
        """Close the connection; the next PUT opens another."""
        self._connection.close()


class Cluster:
    """The API server of a run, and the command lines of those who watch it."""

    def __init__(self, api: RealApi, folder: Path, audit_log: Path) -> None:
        self.api = api
        self.folder = folder
        self._audit_log = audit_log
        self._kubeconfig = api.write_kubeconfig(folder / "kubeconfig")
        # As root, the program finds its cluster as it does in a pod; else, by a kubeconfig.
        self._pod = _pod(api, folder / "account") if os.geteuid() == 0 else []

    def ours(self, configmap: str, root: Path, command: Sequence[str], options: Sequence[str] = ()) -> list[str]:
        """The program, with nothing that makes it wait on purpose."""
        fast = available("--reload-interval=0", "--settle=0")
        cluster = [] if self._pod else [f"--kubeconfig={self._kubeconfig}"]
        source = [f"--configmap={configmap}", f"--configroot={root}", *cluster]
        return [*self._pod, *program(), *source, *fast, *options, "--", *command]

    def floor(self, configmap: str, root: Path, command: Sequence[str], way: str = "signal") -> list[str]:
        """The least that does the same."""
        root.mkdir(parents=True, exist_ok=True)
        return [*self._pod, *script("floor", *self._access(configmap), str(root), way, *command)]

    def bare_client(self, configmap: str, command: Sequence[str] = ()) -> list[str]:
        """The official client library, a GET, and the command; without one, only the import."""
        return [*self._pod, *script("bare_client", *self._access(configmap), *command)]

    def requests(self, configmap: str) -> list[str]:
        """What was asked of the API server about a ConfigMap so far, from its audit log: one URI for each list and watch."""
        events = (json.loads(line) for line in self._audit_log.read_text().splitlines())
        uris = (str(event["requestURI"]) for event in events)
        return [uri for uri in uris if re.search(rf"(%3D|/){configmap}\b", uri)]

    def _access(self, configmap: str) -> list[str]:
        return [self.api.url, str(self.api.ca_file), ADMIN_TOKEN, configmap]


def _pod(api: RealApi, account: Path) -> list[str]:
    """What makes a process see the cluster as in a pod: a service account's folder in its place, and the server's address."""
    account.mkdir()
    (account / "token").write_text(ADMIN_TOKEN)
    (account / "namespace").write_text("default")
    (account / "ca.crt").write_bytes(api.ca_file.read_bytes())
    address = urlsplit(api.url)
    steps = [
        f"mount -t tmpfs none /run && mkdir -p {_ACCOUNT} && mount --bind {account} {_ACCOUNT}",
        f"export KUBERNETES_SERVICE_HOST={address.hostname} KUBERNETES_SERVICE_PORT={address.port}",
        'exec "$@"',
    ]
    return ["unshare", "--mount", "sh", "-c", " && ".join(steps), "sh"]


@contextmanager
def cluster(folder: Path) -> Iterator[Cluster]:
    """Start an API server from $KUBEBUILDER_ASSETS, which has to be set."""
    policy, log = folder / "policy.json", folder / "audit.log"
    policy.write_text(json.dumps(_AUDIT_POLICY))
    log.touch()
    audit = [f"--audit-policy-file={policy}", f"--audit-log-path={log}"]
    with RealApi(Path(os.environ["KUBEBUILDER_ASSETS"]), folder / "api", extra_args=audit) as api:
        yield Cluster(api, folder, log)
