"""A real etcd and kube-apiserver, started from a folder laid out as envtest's, for tests that must not trust the stand-in."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from signal import SIGCONT, SIGKILL, SIGSTOP
from typing import Any, Self, Unpack

from tests.running import CANARY, eventually
from tests.stand_ins.client import ANSWER_S, ApiError, Client, Kubeconfig, free_port, write_context

ADMIN_TOKEN = "admin-token"

_READY_S = 60.0
_LOOK_S = 0.02
_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")

# PR_SET_PDEATHSIG (1) with SIGKILL, then exec. By a first program and not by preexec_fn, which runs Python between fork and
# exec: unsafe, and since 3.12 a warning, when other threads run. The second check: our parent may have died before the call.
_DIE_WITH_PARENT = """
import ctypes, os, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, 9, 0, 0, 0)
    if os.getppid() != int(sys.argv[1]):
        sys.exit(1)
os.execv(sys.argv[2], sys.argv[2:])
"""


class RealApi:
    """One etcd and one kube-apiserver with their files in `folder`; `users` are tokens and the user of each.

    Both die with the thread that started them (that is what the kernel's parent-death signal means), so start them from
    one that lives as long as they are used, such as pytest's own.
    """

    def __init__(
        self, assets: Path, folder: Path, *, users: Mapping[str, str] | None = None, extra_args: Iterable[str] = ()
    ) -> None:
        self.users = dict(users or {})
        self.extra_args = list(extra_args)
        self.ca_file = folder / "certificates" / "apiserver.crt"
        self._assets = assets
        self._folder = folder
        self._port, self._etcd_port, self._peer_port = free_port(), free_port(), free_port()
        self._etcd: subprocess.Popen[bytes] | None = None
        self._server: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)
        self.rewrite_tokens()
        self._openssl("req", "-x509", *_NEW_KEY, "-subj", "/CN=test-ca", "-days", "2", "-keyout", "ca.key", "-out", "ca.crt")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, error: object, *_: object) -> None:
        try:
            if error is None:
                self.start()  # whatever a test has left it like
                assert CANARY not in str(self.client().request("GET", "/api/v1/events")), "a content is in an Event"
        finally:
            self.stop()

    @property
    def url(self) -> str:
        """Where the API server listens: the same after every restart."""
        return f"https://127.0.0.1:{self._port}"

    @property
    def pid(self) -> int:
        """The API server's process id."""
        assert self._server
        return self._server.pid

    def client(self, answer_s: float = ANSWER_S) -> Client:
        """A new admin client."""
        return Client(self.url, ca_file=self.ca_file, token=ADMIN_TOKEN, answer_s=answer_s)

    def write_kubeconfig(self, path: Path, **options: Unpack[Kubeconfig]) -> Path:
        """Write a kubeconfig or add a context to it, see `Api`."""
        ca: dict[str, str] = {"certificate-authority": str(self.ca_file)}
        if options.get("embed_ca"):
            ca = {"certificate-authority-data": base64.b64encode(self.ca_file.read_bytes()).decode()}
        return write_context(path, {"server": self.url, **ca}, ADMIN_TOKEN, options)

    def client_certificate(self, user: str, groups: Iterable[str] = ()) -> tuple[Path, Path]:
        """A certificate and its key for this user, signed by the authority that the server believes."""
        subject = "".join([*(f"/O={group}" for group in groups), f"/CN={user}"])
        names = f"{user}.csr", f"{user}.crt", f"{user}.key"
        self._openssl("req", *_NEW_KEY, "-subj", subject, "-out", names[0], "-keyout", names[2])
        signer = ("-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2")
        self._openssl("x509", "-req", *signer, "-in", names[0], "-out", names[1])
        return self._folder / names[1], self._folder / names[2]

    def namespace(self, name: str) -> None:
        """Create a namespace, if it is not there."""
        try:
            self.client().create_raw("/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        except ApiError as error:
            if error.status != 409:
                raise

    def add_user(self, token: str, user: str) -> None:
        """Let a user in by this token, from the next start on."""
        self.users[token] = user
        self.rewrite_tokens()

    def rewrite_tokens(self) -> None:
        """Write `users` to the file of tokens, which the server reads when it starts."""
        lines = [f'{ADMIN_TOKEN},admin,admin,"system:masters"', *(f"{token},{user},{user}" for token, user in self.users.items())]
        (self._folder / "tokens.csv").write_text("".join(f"{line}\n" for line in lines))

    def start(self) -> None:
        """Start what is not running, on the same ports, and wait until the server says that it is ready."""
        self.thaw()
        if self._etcd is None:
            self._etcd = self._spawn("etcd", self._etcd_args())
        if self._server is None:
            self._server = self._spawn("kube-apiserver", [*self._server_args(), *self.extra_args])
        self._wait_until_ready(self._server)

    def kill(self) -> None:
        """SIGKILL the API server; etcd stays."""
        if self._server:
            _kill(self._server)
            self._server = None

    def stop(self) -> None:
        """SIGKILL both: nothing of theirs is kept."""
        self.kill()
        if self._etcd:
            _kill(self._etcd)
            self._etcd = None

    def freeze(self) -> None:
        """SIGSTOP the API server: its connections stay open and silent. Returns when the last of its threads has stopped."""
        if self._server:
            self._server.send_signal(SIGSTOP)
            eventually(partial(_is_stopped, self._server.pid), "the API server stops")

    def thaw(self) -> None:
        """SIGCONT the API server."""
        if self._server:
            self._server.send_signal(SIGCONT)

    def compact(self) -> None:
        """Let etcd forget all versions up to now. A running API server still serves them: kill, compact, start.

        A key is written first, so the version that a client holds is an older one even if nothing else has happened.
        """
        revision = self._etcd_call("kv/put", {"key": base64.b64encode(b"compacted").decode()})["header"]["revision"]
        self._etcd_call("kv/compaction", {"revision": revision, "physical": True})

    def _etcd_call(self, path: str, body: Mapping[str, object]) -> Any:
        url = f"http://127.0.0.1:{self._etcd_port}/v3/{path}"
        # Without the proxies of the environment.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(urllib.request.Request(url, json.dumps(body).encode()), timeout=_READY_S) as answer:
            return json.load(answer)

    def _etcd_args(self) -> list[str]:
        client, peer = f"http://127.0.0.1:{self._etcd_port}", f"http://127.0.0.1:{self._peer_port}"
        return [
            f"--data-dir={self._folder / 'etcd'}",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
            "--unsafe-no-fsync",
        ]

    def _server_args(self) -> list[str]:
        key = self._folder / "ca.key"
        return [
            f"--etcd-servers=http://127.0.0.1:{self._etcd_port}",
            f"--cert-dir={self.ca_file.parent}",
            f"--secure-port={self._port}",
            "--bind-address=127.0.0.1",
            "--authorization-mode=RBAC",
            f"--token-auth-file={self._folder / 'tokens.csv'}",
            f"--client-ca-file={self._folder / 'ca.crt'}",
            "--service-cluster-ip-range=10.0.0.0/24",
            "--disable-admission-plugins=ServiceAccount",
            "--allow-privileged=true",
            "--etcd-compaction-interval=0",
            # These three are for envtest's own server, which does not start without them.
            "--service-account-issuer=https://localhost",
            f"--service-account-key-file={key}",
            f"--service-account-signing-key-file={key}",
        ]

    def _spawn(self, program: str, args: list[str]) -> subprocess.Popen[bytes]:
        launcher = [sys.executable, "-I", "-S", "-c", _DIE_WITH_PARENT, str(os.getpid()), str(self._assets / program)]
        with (self._folder / f"{program}.log").open("ab") as log:
            return subprocess.Popen([*launcher, *args], stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self._folder)

    def _wait_until_ready(self, server: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + _READY_S
        while not self._is_ready():
            try:
                code = server.wait(_LOOK_S)
            except subprocess.TimeoutExpired:
                if time.monotonic() < deadline:
                    continue
                code = None
            self.stop()
            raise RuntimeError(f"kube-apiserver {'is not ready' if code is None else f'ended with {code}'}: {self._last_words()}")

    def _is_ready(self) -> bool:
        try:
            self.client().request("GET", "/readyz")
        except (OSError, ApiError):
            return False
        return True

    def _last_words(self) -> str:
        lines = (self._folder / "kube-apiserver.log").read_text(errors="replace").splitlines()
        return "\n".join(lines[-5:])

    def _openssl(self, *args: str) -> None:
        subprocess.run(["openssl", *args], cwd=self._folder, check=True, capture_output=True)


def _is_stopped(pid: int) -> bool:
    """Whether all threads of a process are stopped (proc_pid_stat(5): the state comes after the name in parentheses)."""
    try:
        states = {path.read_text().rpartition(")")[2].split()[0] for path in Path(f"/proc/{pid}/task").glob("*/stat")}
    except OSError:  # a thread has ended between two looks
        return False
    return states == {"T"}


def _kill(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(SIGKILL)  # also ends one that is stopped
    process.wait()
