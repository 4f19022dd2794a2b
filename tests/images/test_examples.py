"""The example images with their real apps, run as their pod.yaml says: good change, bad change, good change, graceful stop."""

from __future__ import annotations

import copy
import json
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from threading import Event, Thread
from typing import NamedTuple

import pytest

from tests.images.conftest import needs
from tests.images.engine import Container, engine
from tests.images.pods import Object, Pod, apply, documents, template, wait_for_probe
from tests.running import eventually
from tests.stand_ins.real_api import RealApi

EXAMPLES = Path(__file__).parents[2] / "docker" / "examples"
TAKEN_S = 20.0  # on a busy machine, and with the profile's own patience
StartPod = Callable[..., Pod]


class App(NamedTuple):
    """How an example's app is asked what it serves, and how its ConfigMap is changed and broken."""

    name: str
    serves: Callable[[Container], str]
    values: tuple[str, str, str]
    key: str
    broken: str


def get(url: str) -> str:
    """The body of an answer, without the proxies of the environment."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=5) as answer:
        return str(answer.read().decode())


def revision_of_prometheus(_: Container) -> str:
    """The external label in the configuration that Prometheus runs with."""
    text = json.loads(get("http://127.0.0.1:9090/api/v1/status/config"))["data"]["yaml"]
    return str(text.partition("revision: ")[2].split("\n")[0])


def work_mem_of_postgresql(container: Container) -> str:
    """What a new session sees."""
    return engine("exec", container.name, "psql", "-U", "postgres", "-Atc", "show work_mem").strip()


def page(_: Container) -> str:
    """What nginx and HAProxy serve."""
    return get("http://127.0.0.1:8080/").strip()


APPS = [
    App("nginx", page, ("one", "two", "three"), "site.conf", "server { nonsense }"),
    App("prometheus", revision_of_prometheus, ("one", "two", "three"), "prometheus.yml", "global: {nonsense: 1}"),
    App("postgresql", work_mem_of_postgresql, ("5MB", "6MB", "7MB"), "postgresql.conf", "work_mem = 'nonsense'"),
    App("haproxy", page, ("one", "two", "three"), "haproxy.cfg", "defaults\n  nonsense"),
]


@pytest.fixture
def start(api: RealApi, tmp_path: Path) -> Iterator[StartPod]:
    """Create the objects of an example and start its pod."""
    with ExitStack() as stack:

        def start(manifest: list[Object]) -> Pod:
            tmp_path.chmod(0o755)
            apply(api, manifest)
            token = f"{template(manifest)['spec']['serviceAccountName']}-token"
            return stack.enter_context(Pod(manifest, api, tmp_path, token, {"postgresql/password": "a-password"}))

        yield start


class Load:
    """Asks an app again and again, and keeps what went wrong, until it is told that the app is about to stop."""

    def __init__(self, ask: Callable[[], str]) -> None:
        self.failures: list[str] = []
        self.asked = 0
        self._ask = ask
        self._enough = Event()
        self._thread = Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._enough.is_set():
            try:
                self._ask()
            except (OSError, AssertionError) as error:
                self.failures.append(repr(error))
            self.asked += 1

    def stop(self) -> None:
        """Ask no more."""
        self._enough.set()
        self._thread.join()


def change(api: RealApi, manifest: list[Object], app: App, value: str) -> None:
    """Let the ConfigMap hold another value."""
    (configmap,) = [document for document in manifest if document["kind"] == "ConfigMap"]
    data = copy.deepcopy(configmap["data"])
    assert app.values[0] in data[app.key]
    data[app.key] = data[app.key].replace(app.values[0], value)
    api.client().replace("ConfigMap", "default", app.name, data)


def spoil(api: RealApi, manifest: list[Object], app: App) -> None:
    """Let the ConfigMap hold something that the app cannot read."""
    (configmap,) = [document for document in manifest if document["kind"] == "ConfigMap"]
    api.client().replace("ConfigMap", "default", app.name, {**configmap["data"], app.key: app.broken})


def serves(app: App, container: Container, value: str) -> bool:
    """Whether the app serves a value by now."""
    try:
        return app.serves(container) == value
    except (OSError, AssertionError):
        return False  # it is only starting


@needs("--profile", "--listen")
@pytest.mark.parametrize("app", APPS, ids=lambda app: app.name)
def test_an_app_in_its_example(api: RealApi, start: StartPod, app: App) -> None:
    """A good change is served, a bad one is not, the next good one is; no request fails; it stops at the image's signal."""
    manifest = documents(EXAMPLES / app.name / "pod.yaml")
    container = start(manifest).containers[app.name]
    (spec,) = template(manifest)["spec"]["containers"]
    wait_for_probe(spec, "startupProbe")
    eventually(lambda: serves(app, container, app.values[0]), f"{app.name} serves the first value", 60)
    wait_for_probe(spec, "readinessProbe")

    load = Load(lambda: app.serves(container))
    change(api, manifest, app, app.values[1])
    eventually(lambda: serves(app, container, app.values[1]), "the second value is served", TAKEN_S)
    spoil(api, manifest, app)
    eventually(
        lambda: [verdict for verdict in verdicts(container) if verdict in {"refused", "rolled back"}], "it says no", TAKEN_S
    )
    assert serves(app, container, app.values[1])
    change(api, manifest, app, app.values[2])
    eventually(lambda: serves(app, container, app.values[2]), "the third value is served", TAKEN_S)
    wait_for_probe(spec, "livenessProbe")
    failures, asked = list(load.failures), load.asked
    took_s = container.stop()
    load.stop()

    assert (failures, asked > 0) == ([], True)
    assert container.wait() == 0
    assert took_s < 9


@pytest.mark.parametrize("app", APPS, ids=lambda app: app.name)
def test_an_example_has_the_stop_signal_of_its_base(app: App) -> None:
    """What the base image's authors chose is what ends that app gently."""
    base = (EXAMPLES / app.name / "Dockerfile").read_text().split()[1]
    question = ("image", "inspect", "--format={{.Config.StopSignal}}")

    assert engine(*question, f"config-supervisor-example-{app.name}") == engine(*question, base)


def verdicts(container: Container) -> list[str]:
    """What became of each revision so far."""
    return [str(event["verdict"]) for event in container.events() if "verdict" in event]


# --- sidecars


@needs("--listen")
def test_a_native_sidecar(api: RealApi, start: StartPod) -> None:
    """Prometheus finds its configuration when it starts, and is told of a change by HTTP."""
    manifest = documents(EXAMPLES / "sidecars" / "native.yaml")
    pod, app = start(manifest), APPS[1]
    container = pod.containers["prometheus"]
    eventually(lambda: serves(app, container, "one"), "Prometheus runs", 60)

    change(api, manifest, app, "two")

    eventually(lambda: serves(app, container, "two"), "the change is served", TAKEN_S)
    assert pod.containers["config-supervisor"].end() == 0


@needs("--listen", "--reload-process")
def test_a_sidecar_in_a_shared_pid_namespace(api: RealApi, start: StartPod) -> None:
    """Nginx is told of a change by a signal from its neighbour, who has no more rights than itself."""
    manifest = documents(EXAMPLES / "sidecars" / "shared-pid.yaml")
    pod, app = start(manifest), APPS[0]._replace(key="nginx.conf")
    container = pod.containers["nginx"]
    eventually(lambda: serves(app, container, "one"), "nginx runs", 60)

    change(api, manifest, app, "two")

    eventually(lambda: serves(app, container, "two"), "the change is served", TAKEN_S)


@needs("--once")
def test_an_init_container(start: StartPod) -> None:
    """The files are there when Prometheus starts, and nobody watches them."""
    pod, app = start(documents(EXAMPLES / "sidecars" / "once.yaml")), APPS[1]

    eventually(lambda: serves(app, pod.containers["prometheus"], "one"), "Prometheus runs", 60)
