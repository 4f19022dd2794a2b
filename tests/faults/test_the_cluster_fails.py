"""Each fault lies between the program and a real API server, with a change made during it: lost is none, and late is none."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from tests.conftest import Start
from tests.contract.conftest import App
from tests.faults.conftest import Tried
from tests.manifests import NOTES
from tests.running import eventually, soon_s
from tests.stand_ins.client import Client
from tests.stand_ins.proxy import FaultyProxy
from tests.stand_ins.real_api import ADMIN_TOKEN, RealApi
from tests.stand_ins.rights import allow, bind, may_list, unbind

Fault = Callable[[FaultyProxy], AbstractContextManager[None]]

# By when a change is live after the end of the fault: of one that was short, and of any. See supervisor/backoff.py.
SOON_S, BOUND_S = 2.0, 35.0

EVENT = (
    b'{"type": "%s", "object": {"kind": "ConfigMap", "metadata": {"name": "%s", "resourceVersion": "%s", "annotations": '
    + NOTES.encode()
    + b'}, "data": {"key": "%s"}}}\n'
)
FAKETIME = next(iter(map(str, Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))), "")


@pytest.fixture
def proxy(real_api: RealApi) -> Iterator[FaultyProxy]:
    """A proxy before the real API server."""
    real_api.start()
    with FaultyProxy(real_api.url, real_api.ca_file) as proxy:
        yield proxy


@pytest.fixture
def client(real_api: RealApi) -> Client:
    """An admin who is not disturbed by the proxy."""
    real_api.start()
    return real_api.client()


@pytest.fixture
def app(start: Start, proxy: FaultyProxy, client: Client, name: str, root: Path, tmp_path: Path) -> App:
    """The program, following the ConfigMap through the proxy."""
    client.create("ConfigMap", "default", name, {"key": "1"})
    kubeconfig = proxy.write_kubeconfig(tmp_path / "kubeconfig", ADMIN_TOKEN)
    app = App(start, kubeconfig, f"--configmap={name}", root, "--settle=0")
    app.wait_until_started_with("1")
    eventually(lambda: len(proxy.requests) == 2, "it watches")
    return app


def outlast(
    app: App, proxy: FaultyProxy, client: Client, name: str, fault: AbstractContextManager[None], held_s: float
) -> tuple[float, float]:
    """Change the object during a fault; seconds from the fault's end until the app has it, and requests a second meanwhile."""
    began, before = time.monotonic(), len(proxy.requests)
    with fault:
        client.replace("ConfigMap", "default", name, {"key": "2"})
        eventually(lambda: time.monotonic() - began >= held_s, "the fault has lasted", held_s + 10)
        asked = len(proxy.requests) - before
    ended = time.monotonic()
    app.wait_until_told("2", deadline_s=BOUND_S + 5)
    return round(time.monotonic() - ended, 2), asked / held_s


@contextmanager
def swallowing_after_a_cut(proxy: FaultyProxy) -> Iterator[None]:
    """The next watch is asked for, and gets no answer ever."""
    with proxy.swallowing():
        proxy.cut()
        yield


FAULTS: dict[str, tuple[Fault, float, float]] = {
    "nobody listens for 4 s": (lambda proxy: proxy.refusing(), 4, SOON_S),
    "nobody listens for 20 s": (lambda proxy: proxy.refusing(), 20, BOUND_S),
    "nothing comes through for 20 s, in either direction": (lambda proxy: proxy.forwarding_nothing(), 20, SOON_S),
    "requests are lost for 10 s, on connections that stay dead": (swallowing_after_a_cut, 10, BOUND_S),
    "everything is lost for 95 s, on connections that stay dead": (lambda proxy: proxy.swallowing(), 95, BOUND_S),
    "connections are cut every 200 ms for a minute": (lambda proxy: proxy.cutting(), 60, BOUND_S),
    "answers trickle, 1 byte in 100 ms": (lambda proxy: proxy.slow(), 10, BOUND_S),
    "429, Retry-After: 1": (lambda proxy: proxy.answering(429, Retry_After="1"), 4, SOON_S),
    "503, Retry-After: 5": (lambda proxy: proxy.answering(503, Retry_After="5"), 11, BOUND_S),
    "500 to everything": (lambda proxy: proxy.answering(500), 4, SOON_S),
    "500 to everything for 15 s": (lambda proxy: proxy.answering(500), 15, BOUND_S),
    "an answer that is no Kubernetes: 404": (lambda proxy: proxy.answering(404), 4, SOON_S),
    "410 to everything": (lambda proxy: proxy.answering(410), 4, SOON_S),
    "half a line of JSON": (lambda proxy: proxy.saying(b'{"type": "MODI\n'), 4, SOON_S),
    "half a line, and then the end": (lambda proxy: proxy.saying(EVENT[:40]), 4, SOON_S),
    "a line that is no JSON": (lambda proxy: proxy.saying(b"<html>\n"), 4, SOON_S),
    "JSON that is no event": (lambda proxy: proxy.saying(b"[]\n", b"null\n", b'{"type": 1, "object": 2}\n'), 4, SOON_S),
    "an event of an unknown type": (lambda proxy: proxy.saying(EVENT % (b"RENAMED", b"other", b"7", b"x")), 4, SOON_S),
    "an event, and then garbage, again and again": (
        lambda proxy: proxy.saying(EVENT % (b"MODIFIED", b"other", b"7", b"x"), b"<html>\n"),
        10,
        BOUND_S,
    ),
    "a bookmark without metadata": (
        lambda proxy: proxy.saying(b'{"type": "BOOKMARK", "object": {"metadata": null}}\n'),
        4,
        SOON_S,
    ),
    "an ERROR whose code is a list": (lambda proxy: proxy.saying(b'{"type": "ERROR", "object": {"code": []}}\n'), 4, SOON_S),
    "200,000 brackets in a line": (lambda proxy: proxy.saying(b"[" * 200_000 + b"\n"), 4, SOON_S),
    "an ERROR without a code": (lambda proxy: proxy.saying(b'{"type": "ERROR", "object": {"kind": "Status"}}\n'), 4, SOON_S),
    "an ERROR that says 410": (lambda proxy: proxy.saying(b'{"type": "ERROR", "object": {"code": 410}}\n'), 4, SOON_S),
}


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.parametrize("what", FAULTS)
def test_the_change_is_live_soon_after(app: App, proxy: FaultyProxy, client: Client, name: str, what: str, tried: Tried) -> None:
    """Without a restart of ours, and the server is asked no more than once a second, and once more."""
    make, held_s, bound_s = FAULTS[what]

    recovery_s, per_s = outlast(app, proxy, client, name, make(proxy), held_s)

    assert recovery_s <= max(bound_s, soon_s() if bound_s == SOON_S else 0)
    assert per_s <= 1 + 1 / held_s
    assert app.reloads() in (["2"], ["1", "2"])
    assert app.running.events("thread.crashed") == []
    tried(what, "the app goes on; the change is live", lost=0, recovery_s=recovery_s, requests_per_s=per_s or None)


@pytest.mark.slow
def test_events_that_are_old_or_of_others_change_nothing_for_long(
    app: App, proxy: FaultyProxy, client: Client, name: str, tried: Tried
) -> None:
    """A server that lies is believed, as far as it speaks of our object; when it stops, the truth is live again."""
    lies = (
        EVENT % (b"MODIFIED", name.encode(), b"900000000", b"lie"),
        EVENT % (b"MODIFIED", name.encode(), b"3", b"older lie"),
        EVENT % (b"MODIFIED", b"somebody-else", b"4", b"no"),
    )

    recovery_s, _ = outlast(app, proxy, client, name, proxy.saying(*lies), 4)

    assert recovery_s <= BOUND_S
    assert "no" not in app.reloads()
    tried("watch events out of order, or of another object", "what is true is live", lost=0, recovery_s=recovery_s)


@pytest.mark.slow
def test_a_line_without_an_end_does_not_fill_the_memory(
    app: App, proxy: FaultyProxy, client: Client, name: str, tried: Tried
) -> None:
    """100 MB in one line are given up after 16 MiB."""
    before_kb = peak_kb(app.running.pid)

    recovery_s, per_s = outlast(app, proxy, client, name, proxy.saying(*[b"x" * 2**20] * 100), 4)

    grown_mb = (peak_kb(app.running.pid) - before_kb) / 1024
    assert grown_mb < 80
    assert recovery_s <= BOUND_S
    happened = f"given up after 16 MiB; {grown_mb:.0f} MB more memory at the most"
    tried("100 MB in one line", happened, lost=0, recovery_s=recovery_s, requests_per_s=per_s)


def peak_kb(pid: int) -> int:
    """The most memory that a process has had, in KiB (proc(5): VmHWM)."""
    text = Path(f"/proc/{pid}/status").read_text()
    return int(text.partition("VmHWM:")[2].split()[0])


@pytest.mark.slow
def test_many_sources_ask_no_more_often_than_one(
    start: Start, client: Client, proxy: FaultyProxy, name: str, root: Path, tmp_path: Path, tried: Tried
) -> None:
    """Together, once a second; and none of them is late when the server is well again."""
    others = [f"{name}-{number}" for number in range(8)]
    client.create("ConfigMap", "default", name, {"key": "1"})
    for other in others:
        client.create("ConfigMap", "default", other, {other: "x"})
    kubeconfig = proxy.write_kubeconfig(tmp_path / "kubeconfig", ADMIN_TOKEN)
    options = [f"--configmap={other}" for other in others]
    app = App(start, kubeconfig, f"--configmap={name}", root, "--settle=0", *options)
    app.wait_until_started_with("1")
    eventually(lambda: len(proxy.requests) == 2 * (len(others) + 1), "all watch")

    recovery_s, per_s = outlast(app, proxy, client, name, proxy.answering(503), 10)

    assert per_s <= 1.1
    assert recovery_s <= BOUND_S
    tried("503 to nine sources for 10 s", "they take turns", lost=0, recovery_s=recovery_s, requests_per_s=per_s)


@pytest.mark.slow
def test_the_address_has_moved(
    app: App, proxy: FaultyProxy, client: Client, real_api: RealApi, name: str, tmp_path: Path, tried: Tried
) -> None:
    """The kubeconfig is written anew, and read anew."""
    with FaultyProxy(real_api.url, real_api.ca_file) as other, proxy.refusing():
        client.replace("ConfigMap", "default", name, {"key": "2"})
        app.running.wait_for_event("source.problem")
        other.write_kubeconfig(tmp_path / "kubeconfig", ADMIN_TOKEN)
        ended = time.monotonic()
        app.wait_until_told("2", deadline_s=BOUND_S)

    tried(
        "the server's address has moved: kubeconfig rewritten", "it is found there", lost=0, recovery_s=time.monotonic() - ended
    )


@pytest.mark.slow
def test_a_token_is_revoked_and_another_one_comes(
    start: Start, client: Client, proxy: FaultyProxy, real_api: RealApi, name: str, root: Path, tmp_path: Path, tried: Tried
) -> None:
    """As the kubelet rotates them: in the file."""
    client.create("ConfigMap", "default", name, {"key": "1"})
    token = tmp_path / "token"
    token.write_text("reader-token")
    allow(client, name)
    app = App(start, proxy.write_kubeconfig(tmp_path / "kubeconfig", "", token), f"--configmap={name}", root, "--settle=0")
    app.wait_until_started_with("1")
    real_api.kill()
    real_api.users["rotated-token"] = real_api.users.pop("reader-token")
    real_api.rewrite_tokens()
    try:
        real_api.start()
        app.running.err.wait_for(r"source\.problem.*\(401\)|\(401\).*source\.problem", deadline_s=40)
        real_api.client().replace("ConfigMap", "default", name, {"key": "2"})
        token.write_text("rotated-token")
        ended = time.monotonic()
        app.wait_until_told("2", deadline_s=BOUND_S)
        recovery_s = time.monotonic() - ended
    finally:
        real_api.kill()
        real_api.users["reader-token"] = real_api.users.pop("rotated-token")
        real_api.rewrite_tokens()

    tried("the token is revoked, and rotated in its file", "said once; the new one is used", lost=0, recovery_s=recovery_s)


@pytest.mark.slow
def test_the_role_is_taken_away_and_given_back(
    start: Start, client: Client, proxy: FaultyProxy, real_api: RealApi, name: str, root: Path, tmp_path: Path, tried: Tried
) -> None:
    """The log says which Role is missing."""
    client.create("ConfigMap", "default", name, {"key": "1"})
    allow(client, name)
    kubeconfig = proxy.write_kubeconfig(tmp_path / "kubeconfig", "reader-token")
    reader = Client(real_api.url, ca_file=real_api.ca_file, token="reader-token")
    app = App(start, kubeconfig, f"--configmap={name}", root, "--settle=0")
    app.wait_until_started_with("1")
    unbind(client, name)

    eventually(lambda: not may_list(reader, "ConfigMap", "default", name), "the server knows it")
    proxy.cut()
    assert "(403)" in app.running.wait_for_event("source.problem", times=2)["message"]  # the first is the cut
    client.replace("ConfigMap", "default", name, {"key": "2"})
    ended = time.monotonic()
    bind(client, name)
    app.wait_until_told("2", deadline_s=BOUND_S)

    tried("the Role is taken away and given back", "said once, with the Role to add", lost=0, recovery_s=time.monotonic() - ended)


@pytest.mark.slow
def test_the_object_is_deleted_and_made_again(app: App, client: Client, name: str, tried: Tried) -> None:
    """The files stay meanwhile."""
    client.delete("ConfigMap", "default", name)
    assert "was deleted" in app.running.wait_for_event("source.problem")["message"]
    client.create("ConfigMap", "default", name, {"key": "2"})
    ended = time.monotonic()
    app.wait_until_told("2", deadline_s=BOUND_S)

    assert app.reloads() == ["2"]
    tried("the object is deleted, and made again", "the files stay meanwhile", lost=0, recovery_s=time.monotonic() - ended)


@pytest.mark.slow
def test_the_servers_certificate_is_replaced(
    start: Start, client: Client, real_api: RealApi, name: str, root: Path, tmp_path: Path, tried: Tried
) -> None:
    """And its authority with it: the file that the kubeconfig names is read anew."""
    client.create("ConfigMap", "default", name, {"key": "1"})
    app = App(start, real_api.write_kubeconfig(tmp_path / "kubeconfig"), f"--configmap={name}", root, "--settle=0")
    app.wait_until_started_with("1")
    real_api.kill()
    real_api.ca_file.unlink()
    real_api.ca_file.with_suffix(".key").unlink()
    real_api.start()
    ended = time.monotonic()
    real_api.client().replace("ConfigMap", "default", name, {"key": "2"})
    app.wait_until_told("2", deadline_s=BOUND_S)

    tried("the server is killed and restarted with another authority", "read anew", lost=0, recovery_s=time.monotonic() - ended)


@pytest.mark.slow
@pytest.mark.skipif(not FAKETIME, reason="no libfaketime")
def test_the_clock_is_set_back(
    start: Start, proxy: FaultyProxy, client: Client, name: str, root: Path, tmp_path: Path, tried: Tried
) -> None:
    """By a year, and forward again: only what people read has to do with that clock."""
    client.create("ConfigMap", "default", name, {"key": "1"})
    clock = tmp_path / "clock"
    clock.write_text("+0")
    fake = {"LD_PRELOAD": FAKETIME, "FAKETIME_TIMESTAMP_FILE": str(clock), "FAKETIME_NO_CACHE": "1", "DONT_FAKE_MONOTONIC": "1"}
    app = App(
        start,
        proxy.write_kubeconfig(tmp_path / "kubeconfig", ADMIN_TOKEN),
        f"--configmap={name}",
        root,
        "--settle=0",
        environment=fake,
    )
    app.wait_until_started_with("1")
    for number, offset in enumerate(("-365d", "+365d", "+0"), 2):
        clock.write_text(offset)
        client.replace("ConfigMap", "default", name, {"key": f"{number}"})
        app.wait_until_told(f"{number}")
    proxy.cut()
    clock.write_text("-365d")
    client.replace("ConfigMap", "default", name, {"key": "last"})
    ended = time.monotonic()
    app.wait_until_told("last", deadline_s=BOUND_S)

    years = {event["time"][:4] for event in app.running.events("config.applied")}
    assert len(years) >= 2, f"the clock was not set: {years}"
    tried("the clock is set back and forward by a year", "nothing depends on it", lost=0, recovery_s=time.monotonic() - ended)
