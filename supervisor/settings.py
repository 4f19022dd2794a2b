"""What the user asked for, as data: one section per room, made once by cli and never changed."""

from __future__ import annotations

import signal
from dataclasses import dataclass, field
from typing import Literal

_INFO = 20


@dataclass(frozen=True, slots=True)
class LogSettings:
    """How events are told."""

    format: Literal["json", "text"] = "json"
    """JSON lines for machines, text for people."""
    level: int = _INFO
    """The least level that is written, as in the logging module: 10 debug, 20 info, 30 warning, 40 error."""


@dataclass(frozen=True, slots=True)
class ClusterSettings:
    """Which Kubernetes API server, and as whom."""

    kubeconfig: str | None = None
    """Path of a kubeconfig; None: in-cluster, else $KUBECONFIG, else ~/.kube/config."""
    context: str | None = None
    """A context of the kubeconfig; None: its current one."""


@dataclass(frozen=True, slots=True)
class ObjectName:
    """An object of the cluster."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class SourceSettings:
    """Where what is wanted comes from."""

    configmaps: tuple[ObjectName, ...] = ()
    manifests: tuple[str, ...] = ()
    """Paths of local YAML files."""
    cluster: ClusterSettings = field(default_factory=ClusterSettings)


@dataclass(frozen=True, slots=True)
class FileSettings:
    """How files are written."""

    root: str = ""
    """The configroot: an absolute path."""
    mode: int = 0o666
    """Permission bits of files, whatever the umask: any user of the container may be the app, and the 2016 program did so."""
    secret_mode: int = 0o640
    """Permission bits of files that come from Secrets."""


@dataclass(frozen=True, slots=True)
class HttpSettings:
    """A request that tells the app to reload."""

    url: str
    method: str = "POST"
    timeout_s: float = 10.0
    """10, because a Prometheus with many rules takes seconds to answer."""


@dataclass(frozen=True, slots=True)
class ReloadSettings:
    """How the app is told of a new revision."""

    signal: int | None = None
    """Sent to the command; None: not at all."""
    http: HttpSettings | None = None
    interval_s: float = 1.0
    """Least time between two reloads. 1, because some apps crash when asked many times in a second."""
    retries: int = 5
    """So often an app that cannot be reached is asked again; with the backoff of backoff.py that is about half a minute."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen: a port, or a socket in the file system."""

    host: str = ""
    """A name or an address; empty: all of them."""
    port: int = 0
    """0: any that is free."""
    path: str = ""
    """Absolute path of the socket; empty: it is a port."""

    def __str__(self) -> str:
        if self.path:
            return f"unix:{self.path}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class ReportSettings:
    """Who is told of what happens, besides the log."""

    listen: Address | None = None
    """Probes, metrics and the status page; None: nowhere."""
    unhealthy_after_s: float = 60.0
    """So long a reload may fail before /livez does; 0: for ever. 60, because an app that starts again takes its time."""
    events: bool = False
    """Kubernetes Events."""
    termination_log: str | None = None
    """A file for one JSON line at the end; None: nowhere."""
    child_logs: Literal["raw", "json"] = "raw"
    """Whether the command writes to our own descriptors, or to us, who make JSON lines of it."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that was asked for."""

    command: list[str] = field(default_factory=list)
    """The command and its arguments; empty: we are a sidecar."""
    sources: SourceSettings = field(default_factory=SourceSettings)
    files: FileSettings = field(default_factory=FileSettings)
    reload: ReloadSettings = field(default_factory=ReloadSettings)
    logs: LogSettings = field(default_factory=LogSettings)
    report: ReportSettings = field(default_factory=ReportSettings)
    startup_timeout_s: float = 60.0
    """Time for the first configuration; 0: for ever. 60, because images are pulled and objects made side by side."""

    @property
    def has_sources(self) -> bool:
        """Whether there is anything to watch; without it we are a plain init."""
        return bool(self.sources.configmaps or self.sources.manifests)


DEFAULT_SIGNAL = signal.SIGHUP
