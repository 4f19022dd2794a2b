"""The stand-in and the real API server give the same answers to the same requests, where other tests rely on it.

What differs between them, texts and identifiers, is not compared.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from datetime import datetime
from itertools import count, islice
from pathlib import Path

import pytest

from tests.stand_ins.api import StandInApi
from tests.stand_ins.client import Api, ApiError, Client, Kind, Object, object_of, path_of, version_of
from tests.stand_ins.real_api import RealApi
from tests.stand_ins.rights import allow, unbind

SOON_S = 0.5  # long enough for an answer on this machine, were there one
BYTES = bytes(range(256))

_numbers = count(1)


@pytest.fixture(scope="module")
def real_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealApi]:
    """One real etcd and API server for all tests of this file."""
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    if not assets:
        pytest.skip("no KUBEBUILDER_ASSETS")
    with RealApi(Path(assets), tmp_path_factory.mktemp("real"), users={"reader-token": "reader"}) as api:
        yield api


@pytest.fixture
def stand_in() -> Iterator[StandInApi]:
    """A stand-in that wants a token."""
    with StandInApi(tokens={"admin-token"}) as api:
        yield api


@pytest.fixture(params=["stand_in", "real_api"])
def api(request: pytest.FixtureRequest) -> Iterator[Api]:
    """Either of them; a test may leave it killed or frozen."""
    api: Api = request.getfixturevalue(request.param)
    yield api
    api.start()


@pytest.fixture
def client(api: Api) -> Client:
    """An admin."""
    return api.client()


@pytest.fixture
def ns(api: Api) -> str:
    """A namespace of the test's own."""
    name = f"ns-{next(_numbers)}"
    api.namespace(name)
    return name


def seen(events: Iterable[Object]) -> list[tuple[str, str, Object]]:
    """Of each event its type, its object's version and its object's data."""
    return [(event["type"], version_of(event["object"]), event["object"].get("data", {})) for event in events]


def refusal(function: Callable[[], object]) -> tuple[int, str, Object]:
    """The HTTP status, the reason, and what every Status has, of the error that this call gets."""
    with pytest.raises(ApiError) as caught:
        function()
    body = caught.value.body
    return caught.value.status, caught.value.reason, {part: body.get(part) for part in ("kind", "apiVersion", "status", "code")}


def status(code: int, reason: str) -> tuple[int, str, Object]:
    """What `refusal` should be."""
    return code, reason, {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code}


@pytest.mark.parametrize("kind", ["ConfigMap", "Secret"])
def test_list_of_one_object_before_and_after_its_creation(client: Client, ns: str, kind: Kind) -> None:
    """An object that does not exist is an empty list, not a 404; the list's version is never older than the object's."""
    before = client.list(kind, ns, "app")
    client.create(kind, ns, "other")
    version = client.create(kind, ns, "app", {"key": "value"})
    after = client.list(kind, ns, "app")

    assert (before["kind"], before["apiVersion"], before["items"]) == (f"{kind}List", "v1", [])
    assert [(item["metadata"]["name"], version_of(item)) for item in after["items"]] == [("app", version)]
    assert "kind" not in after["items"][0], "items of a list do not say what they are"
    assert int(version_of(before)) < int(version) <= int(version_of(after))


def test_an_object_tells_when_it_was_changed_last(client: Client, ns: str) -> None:
    """To the second, in UTC; a replacement by the same is no change."""
    client.create("ConfigMap", ns, "app", {"n": "1"})

    def changed_at_s() -> float:
        entries = client.list("ConfigMap", ns, "app")["items"][0]["metadata"]["managedFields"]
        return max(datetime.fromisoformat(entry["time"]).timestamp() for entry in entries)

    created_s = changed_at_s()
    eventually(lambda: time.time() >= created_s + 1)
    client.replace("ConfigMap", ns, "app", {"n": "1"})
    same_s = changed_at_s()
    client.replace("ConfigMap", ns, "app", {"n": "2"})

    assert same_s == created_s < changed_at_s() <= time.time()


def test_watch_of_create_change_delete_and_create(client: Client, ns: str) -> None:
    """Every change is an event with a version of its own, and a deleted object is shown as it was last."""
    start = version_of(client.list("ConfigMap", ns, "app"))
    first = client.create("ConfigMap", ns, "app", {"n": "1"})
    client.create("ConfigMap", ns, "other")
    client.create("Secret", ns, "app")
    second = client.replace("ConfigMap", ns, "app", {"n": "2"})
    client.delete("ConfigMap", ns, "app")
    last = client.create("ConfigMap", ns, "app", {"n": "3"})
    events = seen(islice(client.watch("ConfigMap", ns, "app", version=start), 4))

    deleted = events[2][1]
    expected = [("ADDED", first, {"n": "1"}), ("MODIFIED", second, {"n": "2"}), ("DELETED", deleted, {"n": "2"})]
    assert events == [*expected, ("ADDED", last, {"n": "3"})]
    assert int(second) < int(deleted) < int(last)


def test_watch_tells_of_a_change_at_once(client: Client, ns: str) -> None:
    """The event is there long before the watch ends."""
    version = client.create("ConfigMap", ns, "app", {"n": "1"})
    watch = client.watch("ConfigMap", ns, "app", version=str(int(version) - 1), timeout_s=60)
    next(watch)
    began = time.monotonic()
    version = client.replace("ConfigMap", ns, "app", {"n": "2"})

    assert seen([next(watch)]) == [("MODIFIED", version, {"n": "2"})]
    assert time.monotonic() - began < 5


def test_watch_without_version_begins_with_what_is_there(client: Client, ns: str) -> None:
    """As ADDED events, and then a bookmark that says so."""
    client.create("ConfigMap", ns, "other")
    version = client.create("ConfigMap", ns, "app", {"n": "1"})
    event, mark = islice(client.watch("ConfigMap", ns, "app", bookmarks=True), 2)

    assert seen([event]) == [("ADDED", version, {"n": "1"})]
    assert (mark["type"], mark["object"]["kind"]) == ("BOOKMARK", "ConfigMap")
    assert mark["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}


def test_watch_by_labels(client: Client, ns: str) -> None:
    """An object comes when it gets the labels, and goes, as it was, when it loses them."""
    start = client.create("ConfigMap", ns, "app", {"n": "0"})
    first = client.replace("ConfigMap", ns, "app", {"n": "1"}, labels={"tier": "web", "team": "a"})
    second = client.replace("ConfigMap", ns, "app", {"n": "2"}, labels={"tier": "web", "team": "a"})
    there = client.list("ConfigMap", ns, labels="tier=web,team=a")["items"]
    third = client.replace("ConfigMap", ns, "app", {"n": "3"}, labels={"tier": "web", "team": "b"})
    events = seen(islice(client.watch("ConfigMap", ns, labels="tier=web,team=a", version=start), 3))

    assert events == [("ADDED", first, {"n": "1"}), ("MODIFIED", second, {"n": "2"}), ("DELETED", third, {"n": "2"})]
    assert [version_of(item) for item in there] == [second]
    assert client.list("ConfigMap", ns, labels="tier=web,team=a")["items"] == []


@pytest.mark.parametrize(
    ("selector", "names"),
    [
        ("app=web", ["a", "b"]),
        ("app==web,tier=front", ["a"]),
        ("app!=web", ["c", "d"]),
        ("tier", ["a", "c"]),
        ("!tier", ["b", "d"]),
        ("app in (web, db)", ["a", "b", "c"]),
        ("app notin (web,db),!tier", ["d"]),
        ("example.com/x=1", ["d"]),
    ],
)
def test_list_by_labels(client: Client, ns: str, selector: str, names: list[str]) -> None:
    """All kinds of requirements."""
    client.create("ConfigMap", ns, "a", labels={"app": "web", "tier": "front"})
    client.create("ConfigMap", ns, "b", labels={"app": "web"})
    client.create("ConfigMap", ns, "c", labels={"app": "db", "tier": "back"})
    client.create("ConfigMap", ns, "d", labels={"example.com/x": "1"})

    found = client.list("ConfigMap", ns, labels=selector)["items"]
    assert [item["metadata"]["name"] for item in found if item["metadata"]["name"] != "kube-root-ca.crt"] == names


def test_list_page_by_page(client: Client, ns: str) -> None:
    """All pages show the state of the first one, whatever happens meanwhile."""
    for name in "abcde":
        client.create("ConfigMap", ns, name, labels={"app": "web"})
    first, more = client.list_page("ConfigMap", ns, "app=web", 2)
    client.delete("ConfigMap", ns, "d")
    client.create("ConfigMap", ns, "c1", labels={"app": "web"})
    second, more = client.list_page("ConfigMap", ns, "app=web", 2, more)
    third, end = client.list_page("ConfigMap", ns, "app=web", 2, more)

    assert [*first, *second, *third] == ["a", "b", "c", "d", "e"]
    assert end == ""


def test_list_page_of_a_forgotten_state(api: Api, client: Client, ns: str) -> None:
    """410: the list has to be begun again."""
    for name in "abc":
        client.create("ConfigMap", ns, name, labels={"app": "web"})
    _, more = client.list_page("ConfigMap", ns, "app=web", 2)
    api.kill()
    api.compact()
    api.start()

    assert refusal(lambda: api.client().list_page("ConfigMap", ns, "app=web", 2, more)) == status(410, "Expired")


def test_bookmark_before_the_time_out(client: Client, ns: str) -> None:
    """Two seconds before the end, with a version that is as new as the last event, and with no content."""
    version = client.create("ConfigMap", ns, "app")
    began = time.monotonic()
    watch = client.watch("ConfigMap", ns, "app", version=str(int(version) - 1), timeout_s=4, bookmarks=True)
    next(watch)
    version = client.replace("ConfigMap", ns, "app", {"n": "2"})
    change, mark = next(watch), next(watch)

    assert 1 < time.monotonic() - began < 4, "the real one is up to a second early or late"
    assert [change["type"], mark["type"]] == ["MODIFIED", "BOOKMARK"]
    assert mark["object"]["kind"] == "ConfigMap"
    assert "name" not in mark["object"]["metadata"]
    assert int(version_of(mark["object"])) >= int(version)


def test_watch_ends_when_it_was_asked_to(client: Client, ns: str) -> None:
    """Cleanly and without an event."""
    version = client.create("ConfigMap", ns, "app")
    began = time.monotonic()

    assert list(client.watch("ConfigMap", ns, "app", version=version, timeout_s=1)) == []
    assert 0.9 < time.monotonic() - began < 4


def test_watch_from_a_forgotten_version(api: Api, client: Client, ns: str) -> None:
    """HTTP 200, and then one ERROR event with the Status of a 410. A list gives a version that can be watched again."""
    old = client.create("ConfigMap", ns, "app", {"n": "1"})
    api.kill()
    api.compact()
    api.start()
    event, *more = client.watch("ConfigMap", ns, "app", version=old, timeout_s=60)
    new = version_of(client.list("ConfigMap", ns, "app"))
    changed = client.replace("ConfigMap", ns, "app", {"n": "2"})

    assert (event["type"], event["object"]["kind"], more) == ("ERROR", "Status", [])
    assert [event["object"][part] for part in ("status", "reason", "code")] == ["Failure", "Expired", 410]
    assert seen([next(client.watch("ConfigMap", ns, "app", version=new))]) == [("MODIFIED", changed, {"n": "2"})]


def test_what_is_not_there(client: Client, ns: str) -> None:
    """404 for an object, and for a path that nobody serves."""
    missing = status(404, "NotFound")

    assert refusal(lambda: client.get("ConfigMap", ns, "app")) == missing
    assert refusal(lambda: client.replace("ConfigMap", ns, "app")) == missing
    assert refusal(lambda: client.delete("ConfigMap", ns, "app")) == missing
    assert refusal(lambda: client.request("GET", f"/api/v1/namespaces/{ns}/nonsense")) == missing


def test_conflicts(client: Client, ns: str) -> None:
    """409 for a second one of a name, and for a change that is based on an old version."""
    client.create("ConfigMap", ns, "app", {"n": "1"})
    old = client.get("ConfigMap", ns, "app")
    client.replace("ConfigMap", ns, "app", {"n": "2"})

    assert refusal(lambda: client.create("ConfigMap", ns, "app")) == status(409, "AlreadyExists")
    assert refusal(lambda: client.request("PUT", path_of("ConfigMap", ns, "app"), old)) == status(409, "Conflict")


def test_what_is_invalid(client: Client, ns: str) -> None:
    """422 for a bad key, one key in both parts, too much, and a change to an immutable object."""
    invalid = status(422, "Invalid")
    fixed = {**object_of("ConfigMap", "fixed", {"n": "1"}), "immutable": True}
    client.request("POST", path_of("ConfigMap", ns), fixed)

    assert refusal(lambda: client.create("ConfigMap", ns, "app", {"a key": "x"})) == invalid
    assert refusal(lambda: client.create("ConfigMap", ns, "app", {"key": "x"}, {"key": b"x"})) == invalid
    assert refusal(lambda: client.create("ConfigMap", ns, "app", {"key": "x"}, {"raw": b"x" * 2**20})) == invalid
    assert refusal(lambda: client.create("Secret", ns, "app", {"key": "x" * (2**20 + 1)})) == invalid
    assert refusal(lambda: client.replace("ConfigMap", ns, "fixed", {"n": "2"})) == invalid


def test_what_cannot_be_read(client: Client, ns: str) -> None:
    """400 for contents that are no text and no base64."""
    number = {**object_of("ConfigMap", "app"), "data": {"key": 1}}
    nonsense = {**object_of("ConfigMap", "app"), "binaryData": {"key": "!"}}
    bad = status(400, "BadRequest")

    assert refusal(lambda: client.request("POST", path_of("ConfigMap", ns), number)) == bad
    assert refusal(lambda: client.request("POST", path_of("ConfigMap", ns), nonsense)) == bad


def test_who_may_not_come_in(api: Api, ns: str) -> None:
    """401 for a token that nobody has; 403 for no token at all, since that is the anonymous user."""
    ca_file = getattr(api, "ca_file", None)
    stranger, nobody = Client(api.url, ca_file=ca_file, token="wrong"), Client(api.url, ca_file=ca_file)

    assert refusal(lambda: stranger.list("ConfigMap", ns, "app")) == status(401, "Unauthorized")
    assert refusal(lambda: list(stranger.watch("ConfigMap", ns, "app"))) == status(401, "Unauthorized")
    assert refusal(lambda: nobody.list("ConfigMap", ns, "app")) == status(403, "Forbidden")


def test_bytes_come_back_as_they_were(client: Client, ns: str) -> None:
    """All of them, in a ConfigMap's binaryData and in a Secret; and text in Unicode."""
    client.create("ConfigMap", ns, "app", {"text": "ü\n", "empty": ""}, {"raw": BYTES, "none": b""})
    client.create("Secret", ns, "app", {"text": "ü\n"}, {"raw": BYTES})
    configmap, secret = client.get("ConfigMap", ns, "app"), client.get("Secret", ns, "app")
    encoded = object_of("ConfigMap", "app", None, {"raw": BYTES})["binaryData"]["raw"]

    assert configmap["data"] == {"text": "ü\n", "empty": ""}
    assert configmap["binaryData"] == {"raw": encoded, "none": ""}
    assert secret["data"] == {"text": "w7wK", "raw": encoded}
    assert secret["type"] == "Opaque"


def test_a_change_to_the_same_is_none(client: Client, ns: str) -> None:
    """The version stays, and nobody is told."""
    version = client.create("ConfigMap", ns, "app", {"n": "1"})
    same = client.replace("ConfigMap", ns, "app", {"n": "1"})
    other = client.replace("ConfigMap", ns, "app", {"n": "2"})

    assert same == version
    assert seen([next(client.watch("ConfigMap", ns, "app", version=version))]) == [("MODIFIED", other, {"n": "2"})]


def test_patch(client: Client, ns: str) -> None:
    """A merge patch changes what it names, and removes what it names as null."""
    client.create("ConfigMap", ns, "app", {"a": "1", "b": "2"})
    patch = {"data": {"a": None, "c": "3"}}
    client.request("PATCH", path_of("ConfigMap", ns, "app"), patch, "application/merge-patch+json")

    assert client.get("ConfigMap", ns, "app")["data"] == {"b": "2", "c": "3"}


def test_killed_in_the_middle_of_a_watch(api: Api, client: Client, ns: str) -> None:
    """The watch is cut, the port is closed, and afterwards everything is where it was."""
    version = client.create("ConfigMap", ns, "app", {"n": "1"})
    watch = client.watch("ConfigMap", ns, "app", version=str(int(version) - 1), timeout_s=60)
    next(watch)
    url = api.url
    api.kill()

    with pytest.raises(ConnectionError):
        next(watch)
    with pytest.raises(ConnectionRefusedError):
        api.client().get("ConfigMap", ns, "app")
    api.start()
    assert (api.url, version_of(client.get("ConfigMap", ns, "app"))) == (url, version)


def test_frozen(api: Api, client: Client, ns: str) -> None:
    """Neither an answer nor an event comes, and no connection is lost: all goes on when it thaws."""
    version = client.create("ConfigMap", ns, "app", {"n": "1"})
    watch = client.watch("ConfigMap", ns, "app", version=str(int(version) - 1), timeout_s=60)
    next(watch)
    api.freeze()
    with pytest.raises(TimeoutError):
        api.client(answer_s=SOON_S).get("ConfigMap", ns, "app")
    with pytest.raises(TimeoutError):
        replace_soon(api, ns)
    api.thaw()
    changed = client.replace("ConfigMap", ns, "app", {"n": "3"})

    assert seen(event for event in watch_until(watch, changed))[-1] == ("MODIFIED", changed, {"n": "3"})


def replace_soon(api: Api, ns: str) -> None:
    """A change that is given up before it is answered; it may be made or not, as with every lost answer."""
    api.client(answer_s=SOON_S).replace("ConfigMap", ns, "app", {"n": "2"})


def watch_until(watch: Iterator[Object], version: str) -> Iterator[Object]:
    """The events of a watch up to the one of this version."""
    for event in watch:
        yield event
        if version_of(event["object"]) == version:
            return


def test_killed_while_frozen(api: Api, client: Client, ns: str) -> None:
    """What it had not answered is not done later."""
    version = client.create("ConfigMap", ns, "app", {"n": "1"})
    api.freeze()
    with pytest.raises(TimeoutError):
        replace_soon(api, ns)
    api.kill()
    api.start()

    assert version_of(client.get("ConfigMap", ns, "app")) == version


def test_kubeconfig_with_two_contexts(api: Api, tmp_path: Path) -> None:
    """The one that was written last is the current one, and both have what they were given."""
    path = api.write_kubeconfig(tmp_path / "config")
    api.write_kubeconfig(path, context="other", token="t", namespace="ns", embed_ca=True)
    api.write_kubeconfig(path, context="file", token_file=tmp_path / "token")
    api.write_kubeconfig(path, context="other", token="u", namespace="ns")
    config = json.loads(path.read_text())

    assert config["current-context"] == "other"
    assert {cluster["cluster"]["server"] for cluster in config["clusters"]} == {api.url}
    assert {user["name"]: user["user"] for user in config["users"]} == {
        "test": {"token": "admin-token"},
        "other": {"token": "u"},
        "file": {"tokenFile": str(tmp_path / "token")},
    }
    assert config["contexts"][-1] == {"name": "other", "context": {"cluster": "other", "user": "other", "namespace": "ns"}}


def test_stand_in_answers_by_an_error_as_often_as_asked(stand_in: StandInApi) -> None:
    """Only what is picked is hit; a 429 is plain text with Retry-After, as the real one's."""
    client = stand_in.client()
    stand_in.answer_next(503, {"Retry-After": "7"}, times=2, where=lambda request: request.method == "GET")
    client.create("ConfigMap", "default", "app")

    assert refusal(lambda: client.get("ConfigMap", "default", "app")) == status(503, "ServiceUnavailable")
    with pytest.raises(ApiError) as caught:
        client.get("ConfigMap", "default", "app")
    assert caught.value.headers["Retry-After"] == "7"
    assert client.get("ConfigMap", "default", "app")["kind"] == "ConfigMap"
    stand_in.answer_next(429)
    assert busy(client) == ("1", {})
    stand_in.answer_next(410, where=lambda request: request.is_watch)
    assert refusal(lambda: list(client.watch("ConfigMap", "default"))) == status(410, "Expired")


def busy(client: Client) -> tuple[str, Object]:
    """The Retry-After and the Status of the 429 that a list gets."""
    with pytest.raises(ApiError) as caught:
        client.list("ConfigMap", "default", "app")
    assert caught.value.status == 429
    assert caught.value.headers["Content-Type"] == "text/plain; charset=utf-8"
    return caught.value.headers["Retry-After"], caught.value.body


def test_stand_in_drops_watches_only(stand_in: StandInApi) -> None:
    """A watch is cut, and another connection is not."""
    client = stand_in.client()
    client.create("ConfigMap", "default", "app")
    watch = client.watch("ConfigMap", "default", "app")
    next(watch)
    stand_in.drop_watches()

    with pytest.raises(ConnectionError):
        next(watch)
    client.get("ConfigMap", "default", "app")
    assert len({request.headers["Host"] for request in stand_in.requests}) == 1


def test_stand_in_sends_raw_lines_to_the_next_watch(stand_in: StandInApi) -> None:
    """As they are, before anything else, and once."""
    client = stand_in.client()
    client.create("ConfigMap", "default", "app")
    stand_in.raw_watch_lines = [b"{}\n", b"\xff garbage\n"]
    watch = client.watch("ConfigMap", "default", "app")

    assert next(watch) == {}
    with pytest.raises(ValueError, match="utf-8"):
        next(watch)
    assert next(client.watch("ConfigMap", "default", "app"))["type"] == "ADDED"


def test_stand_in_sends_bookmarks_as_often_as_asked(stand_in: StandInApi) -> None:
    """Or never."""
    client = stand_in.client()
    version = client.create("ConfigMap", "default", "app")
    stand_in.bookmark_s = 0.05
    watch = client.watch("ConfigMap", "default", "app", version=version, bookmarks=True)
    marks = [next(watch) for _ in range(3)]
    stand_in.bookmark_s = None

    assert seen(marks) == [("BOOKMARK", version, {})] * 3
    assert list(client.watch("ConfigMap", "default", "app", version=version, timeout_s=3, bookmarks=True)) == []


def test_stand_in_records_requests(stand_in: StandInApi) -> None:
    """With what they asked for, and when."""
    before = time.monotonic()
    next(stand_in.client().watch("ConfigMap", "default", "app", bookmarks=True))
    (request,) = stand_in.requests

    assert (request.method, request.path, request.is_watch) == ("GET", "/api/v1/namespaces/default/configmaps", True)
    assert request.query["fieldSelector"] == "metadata.name=app"
    assert request.headers["Authorization"] == "Bearer admin-token"
    assert before <= request.time <= time.monotonic()


def test_real_api_gives_a_user_what_a_role_allows(real_api: RealApi) -> None:
    """With resourceNames, a list of that one object by field selector is allowed, and others are not."""
    client, reader = real_api.client(), Client(real_api.url, ca_file=real_api.ca_file, token="reader-token")
    allow(client, "mine")

    assert reader.list("ConfigMap", "default", "mine")["items"] == []
    assert refusal(lambda: reader.list("ConfigMap", "default", "other")) == status(403, "Forbidden")
    assert refusal(lambda: reader.list("ConfigMap", "default")) == status(403, "Forbidden")
    unbind(client, "mine")
    eventually(lambda: status_of(lambda: reader.list("ConfigMap", "default", "mine")) == 403)


def test_real_api_reads_tokens_when_it_starts(real_api: RealApi) -> None:
    """A user who was added is let in after a restart, and one who was removed is not."""
    real_api.add_user("new-token", "new")
    client = Client(real_api.url, ca_file=real_api.ca_file, token="new-token")
    before = status_of(lambda: client.list("ConfigMap", "default"))
    restart(real_api)
    added = status_of(lambda: client.list("ConfigMap", "default"))
    del real_api.users["new-token"]
    real_api.rewrite_tokens()
    restart(real_api)

    assert (before, added, status_of(lambda: client.list("ConfigMap", "default"))) == (401, 403, 401)


def test_real_api_knows_client_certificates(real_api: RealApi) -> None:
    """User and group are the certificate's subject."""
    admin = real_api.client_certificate("root", ["system:masters"])
    somebody = real_api.client_certificate("somebody")

    assert status_of(lambda: by_certificate(real_api, admin).list("ConfigMap", "default")) == 200
    assert status_of(lambda: by_certificate(real_api, somebody).list("ConfigMap", "default")) == 403


def test_real_api_that_is_busy(real_api: RealApi) -> None:
    """A list that nobody reads holds the only slot. Admins are let through even then, so it takes another user to see it."""
    admin, reader = real_api.client(), Client(real_api.url, ca_file=real_api.ca_file, token="reader-token")
    for number in range(16):
        admin.apply("ConfigMap", "default", f"large-{number}", {"key": "x" * 1_000_000})
    restart(real_api, "--max-requests-inflight=1", "--enable-priority-and-fairness=false")
    with ExitStack() as after, ExitStack() as held:
        after.callback(restart, real_api)

        def is_busy() -> bool:
            # An admin who finds the slot taken, if only for an instant, is served without it: then the next one holds it.
            held.enter_context(real_api.client().unread(path_of("ConfigMap", "default")))
            return all(status_of(lambda: reader.list("ConfigMap", "default", "app")) == 429 for _ in range(5))

        eventually(is_busy)
        answer = busy(reader)

    assert answer == ("1", {})


def by_certificate(api: RealApi, certificate: tuple[Path, Path]) -> Client:
    """A client without a token."""
    return Client(api.url, ca_file=api.ca_file, certificate=certificate)


def status_of(function: Callable[[], object]) -> int:
    """The HTTP status of what this call asks for."""
    try:
        function()
    except ApiError as error:
        return error.status
    return 200


def restart(api: RealApi, *extra_args: str) -> None:
    """With these arguments, and no others besides the usual ones."""
    api.kill()
    api.extra_args = list(extra_args)
    api.start()


def eventually(condition: Callable[[], bool], deadline_s: float = 20) -> None:
    """Ask again and again until it is so."""
    end = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < end
