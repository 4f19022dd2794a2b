from __future__ import annotations

import os
import random
import signal
import socket
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from threading import Event, Thread

import pytest

from tests.asking import address_of, ask, connect, read_answer
from tests.conftest import Start
from tests.running import Running, eventually, program

CLIENTS_MAX = 32


@pytest.fixture
def running(start: Start) -> Running:
    """A program that listens, and whose command tells when each signal reached it."""
    running = start("--listen=127.0.0.1:0", command=program("show_signals"))
    running.out.wait_for("ready")
    ask(address_of(running), "/metrics")  # what is imported for it counts for no client
    return running


def memory_kib(running: Running) -> int:
    """What the program holds in memory."""
    lines = Path(f"/proc/{running.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))


def descriptors(running: Running) -> int:
    """How many files and sockets the program has open."""
    return len(os.listdir(f"/proc/{running.pid}/fd"))


def signal_latency_s(running: Running, times: int = 60) -> float:
    """The median time from a signal sent to us to the command's line about it: the main job."""
    took = []
    for _ in range(times):
        count = len([line for line in running.out.all() if line == f"signal {int(signal.SIGUSR1)}"])
        began = time.monotonic()
        running.send(signal.SIGUSR1)
        running.out.wait_for(f"^signal {int(signal.SIGUSR1)}$", times=count + 1)
        took.append(time.monotonic() - began)
    return statistics.median(took)


@contextmanager
def meanwhile(attack: Callable[[], None]) -> Iterator[None]:
    """Attack again and again from another thread, as long as the block lasts."""
    stop = Event()

    def run() -> None:
        while not stop.is_set():
            with suppress(OSError):
                attack()

    thread = Thread(target=run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@pytest.mark.fuzz("an HTTP client that sends a byte now and then", "let go after 3 s")
def test_a_client_that_sends_a_byte_now_and_then_is_let_go(running: Running) -> None:
    """After three seconds for the whole request, whatever it has sent by then."""
    with connect(address_of(running)) as slow, suppress(ConnectionError):
        began = time.monotonic()
        slow.settimeout(0.2)
        for letter in b"GET /livez HTTP/1.1\r\nX-Slow: " + b"x" * 1000:
            slow.sendall(bytes([letter]))
            with suppress(TimeoutError):
                if slow.recv(1) == b"":
                    break

    assert time.monotonic() - began < 6


@pytest.mark.fuzz("HTTP clients that are silent", "the oldest goes for the newest; probes are answered within 10 ms", 500)
def test_five_hundred_idle_connections_leave_room_for_a_probe(running: Running) -> None:
    """The oldest goes for the newest; descriptors and memory stay bounded, and all is well afterwards."""
    address = address_of(running)
    before, memory = descriptors(running), memory_kib(running)
    with ExitStack() as stack:
        for _ in range(500):
            stack.enter_context(connect(address))
        answers = [ask(address, "/readyz") for _ in range(50)]
        most = descriptors(running)

    assert [answer.status for answer in answers] == [200] * 50
    assert statistics.median(answer.took_s for answer in answers) < 0.01
    assert most <= before + CLIENTS_MAX
    assert memory_kib(running) - memory < 2 * 2**10
    eventually(lambda: descriptors(running) <= before, "all connections are closed")


@pytest.mark.fuzz("a request line of a gigabyte", "431 after the first kilobytes; the rest is not read")
def test_a_request_line_of_a_gigabyte_is_refused_after_the_first_few_kilobytes(running: Running) -> None:
    """The answer says so, the rest is never read, and no memory is taken for it."""
    memory = memory_kib(running)
    sent = 0
    with connect(address_of(running)) as client, suppress(ConnectionError):
        client.sendall(b"GET /")
        while sent < 2**30:
            sent += client.send(b"x" * 2**16)
    with connect(address_of(running)) as client:
        client.sendall(b"GET /" + b"x" * 10_000)
        answer = read_answer(client)

    assert sent < 16 * 2**20
    assert memory_kib(running) - memory < 2 * 2**10
    assert answer.status == 431


@pytest.mark.fuzz("odd requests", "each has its answer; nothing of the file system", 14)
@pytest.mark.parametrize(
    ("request_text", "status"),
    [
        (b"\r\n\r\n", 400),
        (b"GET /livez\r\n\r\n", 400),
        (b"GET livez HTTP/1.1\r\n\r\n", 400),
        (b"GET http://elsewhere/livez HTTP/1.1\r\n\r\n", 400),
        (b"GET /livez HTTP/2.0\r\n\r\n", 400),
        (b"GET /livez HTTP/1.1 x\r\n\r\n", 400),
        (b"POST /livez HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello", 405),
        (b"DELETE /livez HTTP/1.1\r\n\r\n", 405),
        (b"GET /../../etc/passwd HTTP/1.1\r\n\r\n", 404),
        (b"GET /livez/ HTTP/1.1\r\n\r\n", 404),
        (b"GET /\xff\x00 HTTP/1.1\r\n\r\n", 404),
        (b"GET /livez HTTP/1.1\r\n" + b"A: b\r\n" * 2000 + b"\r\n", 431),
        (b"GET /livez?x=1 HTTP/1.0\r\n\r\n", 200),
        (b"HEAD /livez HTTP/1.1\r\nHost: x\r\n\r\n", 200),
    ],
)
def test_each_odd_request_gets_its_answer(running: Running, request_text: bytes, status: int) -> None:
    """No traceback, nothing of the file system, and no body for HEAD."""
    with connect(address_of(running)) as client:
        client.sendall(request_text)
        answer = read_answer(client)

    assert answer.status == status
    assert (answer.body == b"") == request_text.startswith(b"HEAD")
    assert answer.headers["connection"] == "close"


@pytest.mark.fuzz("HTTP clients with random bytes, some of which leave in the middle", "the next one is answered", 500)
def test_random_bytes_do_no_harm(running: Running) -> None:
    """500 clients with up to 20 kB of them; some leave in the middle."""
    chance = random.Random(7)
    address = address_of(running)
    for _ in range(500):
        with connect(address) as client, suppress(ConnectionError):
            client.sendall(chance.randbytes(chance.randrange(20_000)))
            if chance.random() < 0.5:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")  # a reset

    assert ask(address, "/readyz").status == 200
    assert running.events("thread.crashed") == []


@pytest.mark.fuzz("an HTTP client that does not read its answer", "let go; others are served meanwhile")
def test_a_client_that_does_not_read_its_answer_is_let_go(running: Running) -> None:
    """It asked for much and reads nothing; others are served meanwhile."""
    address = address_of(running)
    before = descriptors(running)
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        host, _, port = address.rpartition(":")
        deaf.connect((host, int(port)))
        deaf.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")

        assert ask(address, "/readyz").status == 200
        eventually(lambda: descriptors(running) <= before, "the deaf one is gone")


@pytest.mark.fuzz(
    "HTTP clients that hold every descriptor that we may have",
    "we wait without spinning; probes are answered when one leaves",
    40,
)
def test_without_free_descriptors_we_wait_and_do_not_spin(start: Start) -> None:
    """Somebody holds all connections that the limit allows; when he leaves, probes are answered again."""
    limited = ["prlimit", "--nofile=24:24"]
    running = start("--listen=127.0.0.1:0", prefix=limited, command=program("show_signals"))
    running.out.wait_for("ready")
    address = address_of(running)
    with ExitStack() as stack:
        for _ in range(40):
            stack.enter_context(connect(address))
        began = cpu_s(running)
        eventually(lambda: descriptors(running) >= 24, "all descriptors are in use")
        with pytest.raises(TimeoutError), connect(address, timeout_s=1.0) as client:
            client.recv(1)
        used = cpu_s(running) - began

    assert used < 0.3
    eventually(lambda: ask(address, "/readyz").status == 200, "probes are answered again")


def cpu_s(running: Running) -> float:
    """Seconds of processor time that the program has used."""
    fields = Path(f"/proc/{running.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.fuzz("HTTP clients as fast as they can connect", "signals reach the command as fast as ever")
def test_under_attack_signals_reach_the_command_as_fast_as_ever(running: Running) -> None:
    """Connections as fast as one thread can make them, with a request, with garbage and with nothing."""
    address = address_of(running)
    requests = [b"GET / HTTP/1.1\r\n\r\n", b"GET /metrics HTTP/1.1\r\n\r\n", b"\x16\x03\x01" * 3000, b""]

    def attack() -> None:
        for request in requests:
            with connect(address) as client:
                client.sendall(request)

    calm_s = signal_latency_s(running)
    with meanwhile(attack):
        attacked_s = signal_latency_s(running)

    assert attacked_s < calm_s + 0.01
    assert ask(address, "/readyz").status == 200
