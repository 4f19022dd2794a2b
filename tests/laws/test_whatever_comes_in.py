"""Whatever comes in from outside gives a value or one of our own errors: never another error, never a wait without end."""

from __future__ import annotations

import gzip
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import event, given
from hypothesis import strategies as st

from supervisor.cluster import Cluster
from supervisor.collection import Collection
from supervisor.contents import expand, gunzip
from supervisor.errors import Refused, SourceError
from supervisor.source.manifest import ManifestSource
from supervisor.source.objects import ObjectSource
from tests.asking import connect
from tests.conftest import Manifest, Start
from tests.laws.conftest import CASES
from tests.running import CANARY, eventually
from tests.stand_ins.client import write_context

OBJECT: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "app", "namespace": "default", "resourceVersion": "7", "labels": {"a": "b"}, "managedFields": [{}]},
    "data": {"key": CANARY, "other": CANARY},
    "binaryData": {"raw": "AAEC"},
}
NAMES = [
    "kind",
    "metadata",
    "name",
    "data",
    "binaryData",
    "stringData",
    "items",
    "resourceVersion",
    "continue",
    "code",
    "type",
    "object",
]

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8) | st.sampled_from(NAMES)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


def places(value: Any, way: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The ways to all parts of a value, itself first."""
    yield way
    for step, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from places(inner, (*way, step))


@st.composite
def bent(draw: st.DrawFn, whole: Any) -> Any:
    """A value in which some parts are missing, or are something else."""
    made = json.loads(json.dumps(whole))
    for _ in range(draw(st.integers(0, 3))):
        way = draw(st.sampled_from([*places(made)]))
        if not way:
            return draw(values)
        holder = made
        for step in way[:-1]:
            holder = holder[step]
        if draw(st.booleans()):
            holder[way[-1]] = draw(values)
        else:
            del holder[way[-1]]
    return made


@st.composite
def damaged(draw: st.DrawFn, text: st.SearchStrategy[bytes]) -> bytes:
    """Bytes of which a part is cut off, doubled, or replaced by any others."""
    whole = draw(text)
    at, to = sorted((draw(st.integers(0, len(whole))), draw(st.integers(0, len(whole)))))
    return draw(
        st.sampled_from([whole, whole[:at], whole[:to] + whole[at:], whole[:at] + draw(st.binary(max_size=12)) + whole[to:]])
    )


# --- manifests

manifests = st.lists(bent(OBJECT) | bent({"kind": "List", "items": [OBJECT, OBJECT]}), max_size=3)


@pytest.mark.fuzz("a manifest, damaged or bent", "objects, or a problem that does not quote it", CASES)
@given(text=st.binary(max_size=60) | damaged(manifests.map(lambda many: yaml.safe_dump_all(many).encode())))
def test_any_manifest(text: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Objects, or a problem that does not quote it."""
    path = tmp_path_factory.getbasetemp() / "any-manifest.yaml"
    path.write_bytes(text)
    try:
        found = ManifestSource(str(path))._read()
    except SourceError as error:
        event("a problem")
        said = str(error)
    else:
        event("objects")
        said = ""
        assert all(isinstance(content, bytes) for one in found for content in one.data.values())
    assert CANARY not in said


# --- what the API server says

Said = dict[str, bytes]


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Said, str]]:
    """A server that answers a list and a watch with any bytes, and the kubeconfig that leads to it."""
    said: Said = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = said["watch" if "watch=1" in self.path else "list"]
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            with suppress(OSError):
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    address = {"server": f"http://127.0.0.1:{server.server_port}"}
    kubeconfig = write_context(tmp_path_factory.mktemp("any") / "kubeconfig", address, "token", {})
    yield said, str(kubeconfig)
    server.shutdown()
    server.server_close()


EVENTS: list[Any] = [{"type": kind, "object": OBJECT} for kind in ("ADDED", "MODIFIED", "BOOKMARK", "DELETED")]
EVENTS += [{"type": "ERROR", "object": {"kind": "Status", "code": 410, "message": "too old"}}]
LIST: dict[str, Any] = {"kind": "ConfigMapList", "metadata": {"resourceVersion": "5"}, "items": [OBJECT]}

lists = damaged(bent(LIST).map(lambda made: json.dumps(made).encode()))
watches = damaged(
    st.lists(st.sampled_from(EVENTS).flatmap(bent), max_size=4).map(
        lambda made: b"".join(json.dumps(one).encode() + b"\n" for one in made)
    )
)


@pytest.mark.fuzz("a list and a watch of the API server, damaged or bent", "objects, or a problem that does not quote it", CASES)
@given(listed=st.just(json.dumps(LIST).encode()) | lists, watched=watches)
def test_any_answer_of_the_api_server(api: tuple[Said, str], listed: bytes, watched: bytes) -> None:
    """Something that is wanted, or a problem that does not quote it; and again from the watch."""
    said, kubeconfig = api
    said["list"], said["watch"] = listed, watched
    # Each case has a client of its own: one that remembers the trouble before would wait.
    source = ObjectSource(Cluster(kubeconfig, None), Collection("ConfigMap", "default", "app"))
    for heard in islice(source.watch(), 2 if listed.startswith(b'{"kind": "ConfigMapList"') else 1):
        event(type(heard).__name__)
        assert isinstance(heard, tuple) or CANARY not in str(heard)
        if isinstance(heard, SourceError):
            break  # it waits before it asks again


# --- contents


@pytest.mark.fuzz("a file for `--gunzip`, damaged", "what it holds, no more than the limit, or a refusal", CASES)
@given(content=damaged(st.binary(max_size=40).map(lambda content: gzip.compress(content, mtime=0))), limit=st.integers(0, 50))
def test_any_gzip_file(content: bytes, limit: int) -> None:
    """What it holds, no more than the limit, or a refusal."""
    with suppress(Refused):
        assert len(gunzip(content, limit)) <= limit


@pytest.mark.fuzz("a text for `--expand`", "replaced, or refused", CASES)
@given(
    content=st.lists(st.sampled_from([b"$", b"(", b")", b"A", b"$(A)", b"$$", b"$(no)", b"\0", b"\xff", b"\n", b"x"])).map(
        b"".join
    ),
    value=st.text(max_size=5),
)
def test_any_text_is_expanded(content: bytes, value: str) -> None:
    """What holds no reference to something unset has all of them replaced, and the rest is as it was."""
    with suppress(Refused):
        made = expand(content, {"A": value}, may_name=False)
        assert b"$" in content or made == content


# --- requests to our port

words = st.sampled_from(
    [b"GET", b"HEAD", b"POST", b"/", b"/metrics", b"/livez", b"/status.json", b"*", b"http://a/", b"HTTP/1.1", b"HTTP/9"]
)
heads = st.sampled_from(
    [
        *(
            b"Host: a",
            b"Host:",
            b"Content-Length: 5",
            b"Content-Length: -1",
            b"Content-Length: 9e9",
            b"Transfer-Encoding: chunked",
        ),
        b"Connection: close",
        b"Connection: keep-alive",
        b"Expect: 100-continue",
        b"A: " + b"x" * 9000,
        b": b",
        b" folded",
        b"\xff\0",
    ]
)
requests = damaged(
    st.builds(
        lambda first, more, body: b" ".join(first) + b"\r\n" + b"".join(one + b"\r\n" for one in more) + b"\r\n" + body,
        st.lists(words | st.binary(max_size=6), min_size=1, max_size=4),
        st.lists(heads, max_size=4),
        st.binary(max_size=20),
    )
)


@pytest.mark.fuzz("a request to our port, damaged", "an HTTP answer or an end, in time; the next one is answered", CASES)
def test_any_request_to_our_port(start: Start, manifest: Manifest, root: Path, tmp_path: Path) -> None:
    """An HTTP answer or an end, in time; the next one is answered; nothing crashes."""
    address = f"unix:{tmp_path}/socket"
    running = start(f"--listen={address}", f"--manifest={manifest(key=CANARY)}", f"--configroot={root}", command=["sleep", "600"])
    running.wait_for_event("config.applied")

    @given(request=requests | st.binary(max_size=40))
    def ask(request: bytes) -> None:
        with connected(address) as client:
            with suppress(OSError):
                client.sendall(request)
            with suppress(OSError):
                client.shutdown(socket.SHUT_WR)
            answer = b""
            with suppress(ConnectionError):
                while part := client.recv(2**16):
                    answer += part
        event(answer[:12].decode(errors="replace"))
        assert answer == b"" or answer.startswith(b"HTTP/1.1 ")
        assert CANARY.encode() not in answer

    ask()
    eventually(
        lambda: ask_once(address, b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n").startswith(b"HTTP/1.1 200"), "it still answers"
    )
    assert [line for line in running.err.all() if "thread.crashed" in line or "Traceback" in line] == []
    running.stop()
    for path in root.rglob("key"):  # where it belongs; see tests.conftest
        path.unlink()


@contextmanager
def connected(address: str) -> Iterator[socket.socket]:
    """A connection that is waited for no longer than ten seconds."""
    with connect(address) as client:
        client.settimeout(10)
        yield client


def ask_once(address: str, request: bytes) -> bytes:
    """The first bytes of an answer."""
    with connected(address) as client:
        client.sendall(request)
        return client.recv(100)
