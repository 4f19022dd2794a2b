"""What the user asked for, as data: one section per room, made once by cli and never changed."""

from __future__ import annotations

import signal
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

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
class Selector:
    """All objects of a namespace with these labels."""

    namespace: str
    labels: str
    """A label selector, as kubectl's -l takes it."""


@dataclass(frozen=True, slots=True)
class SourceSettings:
    """Where what is wanted comes from."""

    configmaps: tuple[ObjectName, ...] = ()
    secrets: tuple[ObjectName, ...] = ()
    configmap_selectors: tuple[Selector, ...] = ()
    secret_selectors: tuple[Selector, ...] = ()
    manifests: tuple[str, ...] = ()
    """Paths of local YAML files."""
    folders: tuple[str, ...] = ()
    """Paths of local folders."""
    namespace: str = "default"
    """Of objects that are named without one, on the command line or in a manifest."""
    optional: bool = False
    """Whether what does not exist is empty; else it is waited for."""
    cluster: ClusterSettings = field(default_factory=ClusterSettings)

    def __bool__(self) -> bool:
        """Whether there is anything to watch."""
        return bool(self.needs_cluster or self.manifests or self.folders)

    @property
    def needs_cluster(self) -> bool:
        """Whether an API server is asked."""
        return bool(self.configmaps or self.secrets or self.configmap_selectors or self.secret_selectors)


@dataclass(frozen=True, slots=True)
class Item:
    """One key, and the path of its file. `object` is None for the key of any object."""

    object: ObjectName | None
    key: str
    path: str

    def __str__(self) -> str:
        return f"{self.object}:{self.key}={self.path}" if self.object else f"{self.key}={self.path}"


@dataclass(frozen=True, slots=True)
class FileSettings:
    """What becomes of keys and contents, and how files are written."""

    root: str = ""
    """The configroot: an absolute path."""
    items: tuple[Item, ...] = ()
    """Of the objects that these mean only these keys are wanted."""
    items_optional: bool = False
    """Whether an item whose key does not exist counts for nothing; else the revision is refused, as a volume's would be."""
    template: str = "{key}"
    """The path of a key that no item names, with {namespace}, {name} and {key}."""
    key_separator: str = ""
    """What stands for `/` in keys, which cannot hold one; empty: nothing."""
    expand: Mapping[str, str] | None = field(default=None, repr=False)
    """The variables that $(NAME) in text files stands for; None: it stands for itself."""
    gunzip: bool = False
    """Whether a key that ends in .gz is unpacked."""
    mode: int = 0o666
    """Permission bits of files, whatever the umask: any user of the container may be the app, and the 2016 program did so."""
    secret_mode: int = 0o640
    """Permission bits of files that come from Secrets."""
    folder_mode: int = 0o755
    """Permission bits of folders that we make, whatever the umask."""
    layout: Literal["atomic", "files"] = "atomic"
    """Links through `..data`, exchanged in one step; or plain files, each replaced in one step."""
    fsync: bool = False
    """Whether the disk has a revision for certain before it becomes live. Off: the kubelet does not ask for it either."""


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
class Settings:
    """Everything that was asked for."""

    command: list[str] = field(default_factory=list)
    """The command and its arguments; empty: we are a sidecar."""
    sources: SourceSettings = field(default_factory=SourceSettings)
    files: FileSettings = field(default_factory=FileSettings)
    reload: ReloadSettings = field(default_factory=ReloadSettings)
    logs: LogSettings = field(default_factory=LogSettings)
    startup_timeout_s: float = 60.0
    """Time for the first configuration; 0: for ever. 60, because images are pulled and objects made side by side."""
    start_with_last: bool = False
    """Whether the command may start with what an earlier run left, while what is wanted cannot be learnt."""
    once: bool = False
    """Whether all ends with the first configuration: we leave, or become the command."""

    @property
    def has_sources(self) -> bool:
        """Whether there is anything to watch; without it we are a plain init."""
        return bool(self.sources)


DEFAULT_SIGNAL = signal.SIGHUP
