"""Kubernetes Events of outcomes: in a thread of their own, a few a minute at the most, the newest of each kind.

They lie on the pod, where `kubectl describe pod` shows them, or else on the first ConfigMap. What happens again is counted up
and not repeated (Kubernetes API reference, "Event v1 core"). Nobody waits for them, and without the right to write them one
line of the log says so.
"""

from __future__ import annotations

import os
import re
import time
from threading import Condition
from typing import TYPE_CHECKING, NamedTuple

from supervisor.backoff import backoff
from supervisor.cluster import own_namespace
from supervisor.collection import Collection
from supervisor.errors import Denied, SourceError, Unavailable
from supervisor.logs import rfc3339
from supervisor.model import Verdict
from supervisor.report.line import sentence

if TYPE_CHECKING:
    from collections.abc import Mapping

    from supervisor.cluster import Cluster
    from supervisor.logs import Log
    from supervisor.model import Outcome

_REASONS = {
    Verdict.APPLIED: "ConfigApplied",
    Verdict.REFUSED: "ConfigRefused",
    Verdict.ROLLED_BACK: "ConfigRolledBack",
    Verdict.FAILED: "ConfigFailed",
}
# So many at once, and one more each quarter of a minute.
_BURST = 4
_EACH_S = 15.0
_FLUSH_S = 0.5
_MESSAGE_MAX = 1000  # the API takes 1,024 bytes
# Where the kubelet's mounts lead to: their folders are named after the pod.
_POD_FOLDER = re.compile(r"/pods/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})/")


class Subject(NamedTuple):
    """What an Event is about."""

    kind: str
    namespace: str
    name: str
    uid: str = ""


class _Pending(NamedTuple):
    """The newest outcome of a verdict that was not sent yet, and how many there were."""

    outcome: Outcome
    at: float
    times: int


class _Sent(NamedTuple):
    """The last Event of a verdict."""

    collection: Collection
    message: str
    times: int


class Events:
    """Writes Events. `put` is called by the sync thread, `run` is the thread of its own."""

    def __init__(self, cluster: Cluster, pod: Subject | None, log: Log) -> None:
        self._cluster = cluster
        self._pod = pod
        self._log = log
        self._changed = Condition()
        self._pending: dict[Verdict, _Pending] = {}
        self._sent: dict[Verdict, _Sent] = {}
        self._is_denied = False
        self._is_busy = False  # with something that may be written at once

    def put(self, outcome: Outcome) -> None:
        """Leave an outcome to be written when there is time; a newer one of its kind takes its place."""
        if outcome.verdict not in _REASONS or self._is_denied:
            return
        with self._changed:
            before = self._pending.get(outcome.verdict)
            self._pending[outcome.verdict] = _Pending(outcome, time.time(), 1 + (before.times if before else 0))
            self._is_busy = True
            self._changed.notify_all()

    def flush(self) -> None:
        """Before we leave: wait a moment for what is just being written. What has to wait for its turn is given up."""
        with self._changed:
            self._changed.wait_for(lambda: not self._is_busy, _FLUSH_S)

    def run(self) -> None:
        """Write what is pending, as often as we may, until it turns out that we have not the right."""
        allowance, counted_at = float(_BURST), time.monotonic()
        delays = backoff()
        while not self._is_denied:
            verdict, pending = self._take()
            allowance = min(_BURST, allowance + (time.monotonic() - counted_at) / _EACH_S)
            counted_at = time.monotonic()
            if allowance < 1:
                self._put_back(verdict, pending, _EACH_S * (1 - allowance))
                continue
            allowance -= 1
            try:
                self._write(verdict, pending)
                delays = backoff()
            except Denied as error:
                self._is_denied = True
                with self._changed:
                    self._set_busy(False)
                self._log.warning("events.denied", f"no Events are written: {error}")
            except Unavailable as error:
                self._put_back(verdict, pending, max(next(delays), error.retry_after_s))
            except SourceError as error:
                self._log.warning("events.refused", str(error))

    def _take(self) -> tuple[Verdict, _Pending]:
        with self._changed:
            if not self._pending:
                self._set_busy(False)
            self._changed.wait_for(lambda: self._pending)
            verdict = next(iter(self._pending))
            return verdict, self._pending.pop(verdict)

    def _put_back(self, verdict: Verdict, pending: _Pending, wait_s: float) -> None:
        """Keep it for later, unless a newer one has come; then wait."""
        with self._changed:
            newer = self._pending.get(verdict)
            self._pending[verdict] = newer._replace(times=newer.times + pending.times) if newer else pending
            self._set_busy(False)
            self._changed.wait_for(lambda: False, wait_s)
            self._set_busy(True)

    def _set_busy(self, is_busy: bool) -> None:
        self._is_busy = is_busy
        self._changed.notify_all()

    def _write(self, verdict: Verdict, pending: _Pending) -> None:
        """Count up the last one if it said the same, and has not expired; else create one."""
        message, sent = _message(pending.outcome), self._sent.get(verdict)
        if sent and sent.message == message:
            times = sent.times + pending.times
            try:
                self._cluster.patch(sent.collection, {"count": times, "lastTimestamp": _seconds(pending.at)})
            except (Denied, Unavailable):
                raise
            except SourceError:  # it has expired
                self._sent.pop(verdict)
            else:
                self._sent[verdict] = sent._replace(times=times)
                return
        subject = self._pod or _object_of(pending.outcome)
        if subject is None:
            return
        collection = Collection("Event", subject.namespace, name=f"{subject.name}.{os.urandom(8).hex()}")
        event = _event(collection, subject, pending.at)
        event |= {"reason": _REASONS[verdict], "message": message, "count": pending.times}
        event["type"] = "Normal" if verdict is Verdict.APPLIED else "Warning"
        self._cluster.create(collection, event)
        self._sent[verdict] = _Sent(collection, message, pending.times)


def _message(outcome: Outcome) -> str:
    told = f"{outcome.revision}: {sentence(outcome)}" if outcome.revision else sentence(outcome)
    return told.encode()[:_MESSAGE_MAX].decode(errors="ignore")


def trial_event(collection: Collection, subject: Subject) -> dict[str, object]:
    """An Event that is only to find out whether we might write one."""
    return _event(collection, subject, time.time()) | {"reason": "Trial", "message": "a trial", "count": 1, "type": "Normal"}


def _event(collection: Collection, subject: Subject, at: float) -> dict[str, object]:
    """What all our Events have."""
    about = {"apiVersion": "v1", "kind": subject.kind, "namespace": subject.namespace, "name": subject.name}
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"namespace": collection.namespace, "name": collection.name},
        "involvedObject": about | ({"uid": subject.uid} if subject.uid else {}),
        "source": {"component": "config-supervisor", "host": os.uname().nodename},
        "reportingComponent": "config-supervisor",
        "reportingInstance": subject.name,
        "firstTimestamp": _seconds(at),
        "lastTimestamp": _seconds(at),
    }


def _seconds(at: float) -> str:
    """A time as an Event holds it: without fractions."""
    return f"{rfc3339(at)[:19]}Z"


def _object_of(outcome: Outcome) -> Subject | None:
    return next((Subject(one.kind, one.namespace, one.name) for one in outcome.origins if one.version and one.namespace), None)


def find_pod(environment: Mapping[str, str]) -> Subject | None:
    """The pod that we run in: POD_NAME, POD_NAMESPACE and POD_UID of the downward API, else what a container can see of it.

    A pod's host name is its own name, unless it uses its node's network. None outside of a pod.
    """
    namespace = environment.get("POD_NAMESPACE") or own_namespace()
    if not namespace:
        return None
    name = environment.get("POD_NAME") or os.uname().nodename
    return Subject("Pod", namespace, name, environment.get("POD_UID") or _uid())


def _uid() -> str:
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as file:
            found = _POD_FOLDER.search(file.read())
    except OSError:
        return ""
    return found[1] if found else ""
