"""`config-supervisor rbac`: the least rights that these options need, as YAML."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import yaml

from supervisor.collection import Collection, collections_of
from supervisor.convert_wanted import to_object_name
from supervisor.errors import UsageError
from supervisor.settings import ObjectName

if TYPE_CHECKING:
    from collections.abc import Iterable

    from supervisor.cli import Asked
    from supervisor.settings import Settings

_NAME = "config-supervisor"
_GROUP = "rbac.authorization.k8s.io"

Document = dict[str, object]


def print_rights(asked: Asked) -> int:
    """Print the documents."""
    usual = _usual_account(asked.settings)

    account = asked.given.one("--service-account", partial(to_object_name, default_namespace=usual.namespace), usual)
    if asked.given.problems:
        raise UsageError(asked.given.problems)
    documents = documents_for(asked.settings, account)
    print(yaml.safe_dump_all(documents, sort_keys=False, default_flow_style=None), end="", flush=True)
    return 0


def documents_for(settings: Settings, account: ObjectName) -> list[Document]:
    """A ServiceAccount, and for each namespace in which something is needed a Role and a RoleBinding to it."""
    rules = {namespace: _rules(found) for namespace, found in _by_namespace(collections_of(settings.sources)).items()}
    if settings.report.events:
        rules.setdefault(account.namespace, []).append({"apiGroups": [""], "resources": ["events"], "verbs": ["create", "patch"]})
    documents: list[Document] = [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": account.name, "namespace": account.namespace}}
    ]
    for namespace, needed in rules.items():
        metadata = {"name": account.name, "namespace": namespace}
        subject = {"kind": "ServiceAccount", "name": account.name, "namespace": account.namespace}
        documents += [
            {"apiVersion": f"{_GROUP}/v1", "kind": "Role", "metadata": dict(metadata), "rules": needed},
            {
                "apiVersion": f"{_GROUP}/v1",
                "kind": "RoleBinding",
                "metadata": metadata,
                "roleRef": {"apiGroup": _GROUP, "kind": "Role", "name": account.name},
                "subjects": [subject],
            },
        ]
    return documents


def _usual_account(settings: Settings) -> ObjectName:
    """The pod most likely runs where its objects are."""
    namespaces = [one.namespace for one in collections_of(settings.sources)]
    return ObjectName(namespaces[0] if namespaces else "default", _NAME)


def _by_namespace(collections: Iterable[Collection]) -> dict[str, list[Collection]]:
    found: dict[str, list[Collection]] = {}
    for one in collections:
        found.setdefault(one.namespace, []).append(one)
    return found


def _rules(collections: list[Collection]) -> list[Document]:
    """One rule for each kind: by name where all are named. RBAC knows no labels, so a selector needs all of its kind."""
    rules: list[Document] = []
    for resource in dict.fromkeys(one.resource for one in collections):
        of_kind = [one for one in collections if one.resource == resource]
        rule: Document = {"apiGroups": [""], "resources": [resource]}
        if all(one.name for one in of_kind):
            rule["resourceNames"] = list(dict.fromkeys(one.name for one in of_kind))
        rules.append({**rule, "verbs": ["list", "watch"]})
    return rules
