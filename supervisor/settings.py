"""What the user asked for, as data: one section per room, made once by cli and never changed."""

from __future__ import annotations

import signal
from dataclasses import dataclass, field
from typing import Literal

_INFO = 20
_NEVER = float("inf")


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
class User:
    """Somebody who can run the command."""

    text: str
    """As it was given: a name or number, with a group or without."""
    uid: int
    gid: int
    groups: tuple[int, ...] = ()
    """The supplementary groups."""
    home: str = "/"


@dataclass(frozen=True, slots=True)
class InitSettings:
    """How the command is started, signalled and stopped."""

    kill_timeout_s: float = _NEVER
    """From the stop signal to KILL. Infinite, because only the user knows how long a database may take."""
    stop_delay_s: float = 0.0
    """From being asked to stop to the stop signal."""
    rewrites: tuple[tuple[int, int], ...] = ()
    """Pairs of signals: what is sent to us, and what the command gets; 0 is nothing."""
    group_kill: bool = False
    """Forward to the command's process group, and end what is left when the command has ended."""
    subreaper: bool = False
    """Be the parent of orphans without being PID 1."""
    parent_death_signal: int | None = None
    """Sent to us when our parent dies; None: nothing is."""
    remap_exit: tuple[int, ...] = ()
    """Exit codes of the command for which ours is 0."""
    new_session: bool = False
    """Start the command in a session of its own."""
    user: User | None = None
    """Who runs the command; None: whoever runs us."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that was asked for."""

    command: list[str] = field(default_factory=list)
    """The command and its arguments; empty: we are a sidecar."""
    sources: SourceSettings = field(default_factory=SourceSettings)
    files: FileSettings = field(default_factory=FileSettings)
    reload: ReloadSettings = field(default_factory=ReloadSettings)
    init: InitSettings = field(default_factory=InitSettings)
    logs: LogSettings = field(default_factory=LogSettings)
    startup_timeout_s: float = 60.0
    """Time for the first configuration; 0: for ever. 60, because images are pulled and objects made side by side."""

    @property
    def has_sources(self) -> bool:
        """Whether there is anything to watch; without it we are a plain init."""
        return bool(self.sources.configmaps or self.sources.manifests)


DEFAULT_SIGNAL = signal.SIGHUP
