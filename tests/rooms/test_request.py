from __future__ import annotations

import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from threading import Thread
from urllib.parse import quote

import pytest

from supervisor.errors import Refused, SupervisorError, Unreachable
from supervisor.model import Revision, Update
from supervisor.reload.by_http import ByHttp
from supervisor.request import shown
from supervisor.settings import HttpSettings

UPDATE = Update(Revision("0123456789ab"))
Behave = Callable[[socket.socket], None]


class Server:
    """A server of one connection after another, whose every byte the test decides."""

    def __init__(self, behave: Behave, listener: socket.socket | None = None) -> None:
        self._behave = behave
        self.listener = listener or socket.create_server(("127.0.0.1", 0))
        self.requests: list[bytes] = []
        Thread(target=self._serve, daemon=True).start()

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.listener.getsockname()[1]}/-/reload"

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except ssl.SSLError:
                continue
            except OSError:
                return
            with connection, suppress(OSError):
                self.requests.append(_whole_request(connection))
                self._behave(connection)


def _whole_request(connection: socket.socket) -> bytes:
    """Head and body."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += _more(connection)
    head, _, body = data.partition(b"\r\n\r\n")
    lengths = [int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    while len(body) < sum(lengths):
        body += _more(connection)
    return head + b"\r\n\r\n" + body


def _more(connection: socket.socket) -> bytes:
    """What comes next. Raises OSError at the end: the client may leave early."""
    if data := connection.recv(65536):
        return data
    raise ConnectionError("the client has left")


def answer(status: str, *more: bytes) -> Behave:
    """Say one thing and close."""
    return lambda connection: connection.sendall(f"HTTP/1.1 {status}\r\n".encode() + (b"".join(more) or b"\r\n"))


def reset(connection: socket.socket) -> None:
    """Close with data unread, so that the kernel sends RST."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


def be_silent(connection: socket.socket) -> None:
    """Keep the connection and say nothing, until the other side goes."""
    connection.recv(1)


def drip(connection: socket.socket) -> None:
    """Send a header that never ends, a byte at a time."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nX-Long: ")
    while True:
        connection.sendall(b"x")
        time.sleep(0.02)  # the server's pace, which the client must not wait for


def drip_body(connection: socket.socket) -> None:
    """The answer is there, but its body never ends."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    while True:
        connection.sendall(b"x")
        time.sleep(0.02)  # the same


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    """Start a server that behaves so."""
    servers: list[Server] = []

    def make(behave: Behave, listener: socket.socket | None = None) -> Server:
        servers.append(Server(behave, listener))
        return servers[-1]

    yield make
    for server in servers:
        server.listener.close()


def deliver(url: str, **more: object) -> SupervisorError | None:
    """What comes of one delivery: None for a yes."""
    try:
        ByHttp(HttpSettings(url, **{"timeout_s": 5, **more})).deliver(UPDATE)  # type: ignore[arg-type]
    except (Refused, Unreachable) as error:
        return error
    return None


@pytest.mark.parametrize("status", ["200 OK", "204 No Content", "299 Odd"])
def test_any_2xx_is_a_yes(serve: Callable[..., Server], status: str) -> None:
    """Whatever the body."""
    assert deliver(serve(answer(status)).url) is None


@pytest.mark.parametrize("status", ["400 Bad", "401 No", "403 No", "404 No", "405 No", "409 No", "500 Oh", "501 No", "599 Odd"])
def test_an_answer_that_is_no_yes_is_the_apps_no(serve: Callable[..., Server], status: str) -> None:
    """It names the status, not what else the app said."""
    error = deliver(serve(answer(status, b"X-Why: canary\r\n\r\ncanary")).url)

    assert isinstance(error, Refused)
    assert f"answers {status[:3]}" in str(error)
    assert "canary" not in str(error)


def test_a_redirect_is_not_followed(serve: Callable[..., Server]) -> None:
    """The message says what to do."""
    error = deliver(serve(answer("302 Found", b"Location: http://127.0.0.1:1/\r\n\r\n")).url)

    assert isinstance(error, Refused)
    assert "give the final URL" in str(error)


@pytest.mark.parametrize("status", ["429 Too Many", "502 Bad Gateway", "503 Unavailable", "504 Timeout"])
def test_not_now_is_no_refusal(serve: Callable[..., Server], status: str) -> None:
    """A busy app, or a gateway that does not reach it, says nothing of the configuration: worth another try."""
    error = deliver(serve(answer(status, b"Retry-After: 7\r\n\r\n")).url)

    assert isinstance(error, Unreachable)
    assert error.retry_after_s == 7


@pytest.mark.parametrize("value", ["Wed, 21 Oct 2026 07:28:00 GMT", "-1", "1e9", "²", "99999999"])
def test_a_wait_that_is_odd_or_long_is_bounded(serve: Callable[..., Server], value: str) -> None:
    """At most half a minute."""
    error = deliver(serve(answer("503 No", f"Retry-After: {value}\r\n\r\n".encode("latin-1", "replace"))).url)

    assert isinstance(error, Unreachable)
    assert 0 <= error.retry_after_s <= 30


@pytest.mark.parametrize(
    "behave",
    [reset, be_silent, drip, lambda _: None, lambda c: c.sendall(b"SSH-2.0-canary\r\n"), lambda c: c.sendall(b"HTTP/1.1 2")],
    ids=["reset", "silent", "dripping", "closed", "another protocol", "half an answer"],
)
def test_no_answer_is_worth_another_try_and_takes_no_longer_than_its_time(serve: Callable[..., Server], behave: Behave) -> None:
    """The time counts from the start to the end, not for each byte."""
    began = time.monotonic()
    error = deliver(serve(behave).url, timeout_s=0.3)

    assert isinstance(error, Unreachable)
    assert time.monotonic() - began < 3
    assert "canary" not in str(error)


def test_nobody_listening_is_worth_another_try() -> None:
    """The message has the system's reason."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        error = deliver(f"http://127.0.0.1:{probe.getsockname()[1]}/")

    assert isinstance(error, Unreachable)
    assert str(error).endswith("Connection refused")


def test_an_unknown_host_is_worth_another_try() -> None:
    """It may be known in a moment."""
    assert isinstance(deliver("http://no-such-host.invalid/"), Unreachable)


def test_the_status_is_the_answer_even_if_the_body_never_ends(serve: Callable[..., Server]) -> None:
    """Cut at the end of its time."""
    began = time.monotonic()

    assert deliver(serve(drip_body).url, timeout_s=2) is None
    assert time.monotonic() - began < 5


def test_other_statuses_can_be_a_yes(serve: Callable[..., Server]) -> None:
    """Then 2xx is none, unless it is listed; and "not now" is one, if it is."""
    statuses = ((304, 304), (503, 503))

    assert deliver(serve(answer("304 Same")).url, statuses=statuses) is None
    assert deliver(serve(answer("503 Fine")).url, statuses=statuses) is None
    assert isinstance(deliver(serve(answer("200 OK")).url, statuses=statuses), Refused)


def test_headers_and_body_are_sent_and_a_files_header_is_read_each_time(serve: Callable[..., Server], tmp_path: Path) -> None:
    """Tokens are renewed."""
    server = serve(answer("200 OK"))
    token = tmp_path / "token"
    more = {"headers": (("X-A", "1"),), "header_files": (("Authorization", str(token)),), "body": '{"ü": 1}', "method": "PUT"}
    for value in ("Bearer one\n", "Bearer two\n"):
        token.write_text(value)
        assert deliver(server.url, **more) is None

    first, second = (request.decode() for request in server.requests)
    assert first.startswith("PUT /-/reload HTTP/1.1\r\n")
    assert all(line in first.split("\r\n") for line in ("X-A: 1", "Authorization: Bearer one", "Content-Length: 9", '{"ü": 1}'))
    assert "Authorization: Bearer two" in second


@pytest.mark.parametrize("content", [None, "canary\nX-Evil: 1", "canary\x00"])
def test_a_header_file_that_is_missing_or_wrong_is_no_refusal(
    serve: Callable[..., Server], tmp_path: Path, content: str | None
) -> None:
    """And its content is in no message."""
    token = tmp_path / "token"
    if content:
        token.write_text(content)
    server = serve(answer("200 OK"))
    error = deliver(server.url, header_files=(("Authorization", str(token)),))

    assert isinstance(error, Unreachable)
    assert "canary" not in str(error)
    assert b"X-Evil" not in b"".join(server.requests)


def test_user_and_password_of_the_url_are_basic_authentication(serve: Callable[..., Server]) -> None:
    """As curl has it; no message shows them, nor a query."""
    server = serve(answer("500 No"))
    error = deliver(server.url.replace("http://", "http://me:canary%21@") + "?token=canary")

    assert b"Authorization: Basic bWU6Y2FuYXJ5IQ==\r\n" in server.requests[0]
    assert server.requests[0].startswith(b"POST /-/reload?token=canary HTTP/1.1\r\n")
    assert "canary" not in str(error)
    assert shown(HttpSettings("https://a:b@host:1/p?q=1", "GET")) == "GET https://host:1/p"


def test_a_socket_file_is_asked_too(serve: Callable[..., Server], tmp_path: Path) -> None:
    """Its path stands where the host stands, %-encoded."""
    path = tmp_path / "App Socket"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()
    server = serve(answer("200 OK"), listener)

    assert deliver(f"http+unix://{quote(str(path), safe='')}/reload?x=1") is None
    assert server.requests[0].startswith(b"POST /reload?x=1 HTTP/1.1\r\n")
    assert b"\r\nHost: localhost\r\n" in server.requests[0]
    assert isinstance(deliver(f"http+unix://{quote(str(tmp_path / 'none'), safe='')}/"), Unreachable)


def test_proxies_of_the_environment_are_not_used(serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch) -> None:
    """The app is a neighbour."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1/")

    assert deliver(serve(answer("200 OK")).url) is None


def test_tls_trusts_the_given_authority_alone(serve: Callable[..., Server], tmp_path: Path) -> None:
    """A certificate that nobody vouches for is no answer of the app."""
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    words = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    more = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*words, *more], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    listener = context.wrap_socket(socket.create_server(("127.0.0.1", 0)), server_side=True)
    url = serve(answer("200 OK"), listener).url.replace("http:", "https:")

    assert deliver(url, ca=str(certificate)) is None
    assert isinstance(deliver(url), Unreachable)
    assert isinstance(deliver(url, ca=str(key)), Unreachable)
