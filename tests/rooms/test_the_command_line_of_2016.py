"""What users of the Go program of 2016 have in their pod specs is read as that program meant it."""

from __future__ import annotations

import signal

import pytest

from supervisor import cli
from supervisor.logs import DEBUG
from supervisor.settings import HttpSettings, ObjectName, Settings

SIDECAR = [
    "--configroot=/mnt/config",
    "--configmap=production/prometheus",
    "--reload-http=http://localhost:9090/-/reload",
    "--reload-http-method=POST",
]
POSTGRES = ["/usr/lib/postgresql/9.3/bin/postgres", "-c", "config_file=/config/postgresql.conf"]
SUBPROCESS = ["--configroot=/config", "--configmap=production/postgresql", "--", *POSTGRES]
# Of its image's description: the same sidecar by environment.
VARIABLES = {
    "CONFIG_CONTROLLER_CONFIGROOT": "/mnt/config",
    "CONFIG_CONTROLLER_CONFIGMAP": "production/prometheus",
    "CONFIG_CONTROLLER_URL": "http://localhost:9090/-/reload",
    "CONFIG_CONTROLLER_METHOD": "POST",
}


@pytest.mark.parametrize(("argv", "environment"), [(SIDECAR, {}), ([], VARIABLES)], ids=["flags", "variables"])
def test_its_sidecar(argv: list[str], environment: dict[str, str]) -> None:
    """No command; the app is told by HTTP."""
    settings = cli.read(argv, environment)

    assert settings.command == []
    assert settings.sources.configmaps == (ObjectName("production", "prometheus"),)
    assert settings.files.root == "/mnt/config"
    assert settings.reload.http == HttpSettings("http://localhost:9090/-/reload", "POST")
    assert settings.reload.signal is None


def test_its_subprocess() -> None:
    """The command is told by SIGHUP."""
    settings = cli.read(SUBPROCESS, {})

    assert settings.command == POSTGRES
    assert settings.sources.configmaps == (ObjectName("production", "postgresql"),)
    assert settings.files.root == "/config"
    assert settings.reload.http is None
    assert settings.reload.signal == signal.SIGHUP


@pytest.mark.parametrize("spec", [SIDECAR, SUBPROCESS])
def test_its_other_flags(spec: list[str]) -> None:
    """`--v` as of glog, the question where it runs, which we find out, and a kubeconfig of one's own; before or in two words."""
    plain = cli.read(spec, {})

    assert cli.read(["--v=4", *spec], {}).logs.level == DEBUG
    assert cli.read(["--running-in-cluster=true", *spec], {}) == plain
    outside = cli.read(["--running-in-cluster=false", "--kubeconfig", __file__, *spec], {})
    assert outside.sources.cluster.kubeconfig == __file__
    assert outside.sources.configmaps == plain.sources.configmaps


def test_its_defaults() -> None:
    """The namespace `default`, and POST."""
    settings: Settings = cli.read(["--configmap=app", "--configroot=/config", "--reload-http=http://localhost/"], {})

    assert settings.sources.configmaps == (ObjectName("default", "app"),)
    assert settings.reload.http == HttpSettings("http://localhost/", "POST")
