"""What the user asked for, as data: one section per room, made once by cli and never changed."""

from __future__ import annotations

import signal
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

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
    """A request to the app, and which answers are a yes."""

    url: str
    """http, https, or http+unix with the socket's path, %-encoded, in the place of the host."""
    method: str = "POST"
    timeout_s: float = 10.0
    """From the first try to connect to the end of the answer. 10, because a Prometheus with many rules takes seconds."""
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    header_files: tuple[tuple[str, str], ...] = ()
    """Names of headers, each with the file that holds its value: read again for each request, because tokens are renewed."""
    body: str = field(default="", repr=False)
    ca: str | None = None
    """A file of certificates to trust; None: those of the system."""
    statuses: tuple[tuple[int, int], ...] = ((200, 299),)
    """Ranges of statuses that are a yes, both ends included."""


@dataclass(frozen=True, slots=True)
class ReloadSettings:
    """How the app is told of a new revision, and how often."""

    signal: int | None = None
    """Sent to the command or to `process`; None: not at all."""
    http: HttpSettings | None = None
    interval_s: float = 1.0
    """Least time between two reloads. 1, because some apps crash when asked many times in a second."""
    retries: int = 5
    """So often an app that cannot be reached is asked again; the delays double from one second, so that is half a minute."""
    process: str | None = None
    """The name of the processes that get the signal, or `pid:` and the path of a file with their ID; None: the command."""
    signal_force: bool = False
    """Send the signal even if the app has no handler for it."""
    command: tuple[str, ...] = ()
    """Run to tell the app; empty: not."""
    restart: bool = False
    """Stop the command, and start it again."""
    leave: bool = False
    """Stop, so that Kubernetes starts the container again."""
    order: tuple[str, ...] = ()
    """The ways of the command line, as `signal` or `http`, in the order given; all others follow in the order of --help."""
    splay_s: float = 0.0
    """A random part of this is waited before publishing, so that replicas do not reload together."""


@dataclass(frozen=True, slots=True)
class SafetySettings:
    """How a revision is checked and confirmed, and what becomes of one that is refused."""

    validate: tuple[str, ...] = ()
    """Run on the staged folder if a word holds `{}`, else after publishing; empty: nothing is checked."""
    confirm_http: HttpSettings | None = None
    confirm_match: str = ""
    """A regular expression that the body of the answer must match somewhere."""
    confirm_command: tuple[str, ...] = ()
    confirm_workers: bool = False
    """The app must have new workers, as children of the process that is told."""
    confirm_within_s: float = 30.0
    """From the reload on, time for the app to confirm. 30, because many apps take seconds to start again."""
    settle_s: float = 1.0
    """From the reload on, time in which the command must not die. 1, in which most apps have read their files."""
    rollback: bool = True
    """Publish the last good revision again when one is refused."""
    hook_timeout_s: float = 60.0
    """For every command that is run for the user."""


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
    safety: SafetySettings = field(default_factory=SafetySettings)
    init: InitSettings = field(default_factory=InitSettings)
    logs: LogSettings = field(default_factory=LogSettings)
    report: ReportSettings = field(default_factory=ReportSettings)
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
