"""What a doctor finds out about the cluster: can it be reached, who are we, may we do what we need, is what we want there."""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from supervisor.cluster import Cluster, find, own_namespace
from supervisor.collection import Collection, collections_of
from supervisor.errors import SourceError, StartError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from supervisor.settings import Settings

    Found = tuple[str, bool, str]  # what, whether it is ok, and what was found or how to mend it

# Certificates and tokens are judged by the clock; kubelets and API servers keep theirs within seconds.
_CLOCK_S = 60.0


def cluster(settings: Settings, environment: Mapping[str, str]) -> Iterator[Found]:
    """Everything about the cluster, if it is needed. What depends on something that fails is left out."""
    collections = collections_of(settings.sources)
    if not collections and not settings.report.events:
        return
    try:
        kubeconfig = find(settings.sources.cluster, environment.get("KUBECONFIG"))
    except StartError as error:
        yield "cluster", False, str(error)
        return
    api = Cluster(kubeconfig, settings.sources.cluster.context)
    try:
        seen = api.look()
    except SourceError as error:
        yield "cluster", False, f"{error}{_mend(str(error))}"
        return
    yield "cluster", True, f"{seen.server} answers; configured by {kubeconfig or 'the service account of the pod'}"
    yield _clock(seen.date)
    yield "user", True, seen.user or "the server does not tell who we are"
    for collection in collections:
        yield from _object(api, collection)
    if settings.report.events:
        yield _events(api, environment)


def _mend(problem: str) -> str:
    """How to mend what commonly stands between us and the server."""
    for sign, mend in (
        (
            "CERTIFICATE_VERIFY_FAILED",
            "the authority in the configuration is not the server's, or the name is not in its certificate",
        ),
        ("refused", "is the address right, and does the server run?"),
        ("timed out", "is there a NetworkPolicy or a firewall between?"),
        ("resolve", "does the name exist, and is DNS reachable?"),
    ):
        if sign in problem:
            return f": {mend}"
    return ""


def _clock(date: str) -> Found:
    try:
        off_s = time.time() - parsedate_to_datetime(date).timestamp()
    except ValueError:
        return "clock", True, "the server does not tell its time"
    is_ok = abs(off_s) < _CLOCK_S
    ahead = "ahead of" if off_s > 0 else "behind"
    told = f"{abs(off_s):.0f} s {ahead} the server's"
    return "clock", is_ok, told if is_ok else f"{told}: set it, or tokens and certificates will be refused"


def _object(api: Cluster, collection: Collection) -> Iterator[Found]:
    """List it and begin to watch it, as a run does."""
    what = str(collection)
    try:
        found = 0
        version = ""
        for page, version_of_all in api.list_pages(collection):
            version = version_of_all
            found += len(page)
        for _ in api.watch_objects(collection, version):
            break
    except SourceError as error:
        yield what, False, str(error)
        return
    if found:
        there = "it is there" if collection.name else f"{found} are there"
        yield what, True, f"{there}, and may be listed and watched"
    elif not collection.name:
        yield what, True, "none is there yet; they may be listed and watched"
    else:
        yield (
            what,
            False,
            f"it may be listed and watched, but does not exist: create it{_elsewhere(collection)}, or give --optional",
        )


def _elsewhere(collection: Collection) -> str:
    pod_in = own_namespace()
    return (
        f" (this pod runs in namespace {pod_in}: did you mean {pod_in}/{collection.name}?)"
        if pod_in not in {None, collection.namespace}
        else ""
    )


def _events(api: Cluster, environment: Mapping[str, str]) -> Found:
    """Let the server say whether it would take an Event, without keeping it."""
    from supervisor.report.events import Subject, find_pod, trial_event

    subject = find_pod(environment) or Subject("Pod", "default", "config-supervisor")
    collection = Collection("Event", subject.namespace, name=f"{subject.name}.trial")
    try:
        api.create(collection, trial_event(collection, subject), is_trial=True)
    except SourceError as error:
        rule = f'apiGroups: [""], resources: ["events"], verbs: ["create", "patch"] in namespace {subject.namespace}'
        return "events", False, f"{str(error).partition('. Add a Role')[0]}. Add a Role, and a RoleBinding to it, with {rule}"
    return "events", True, f"may be written on {subject.kind} {subject.namespace}/{subject.name}"
