"""Who may read what: the Role that the README names, given to a user and taken back."""

from __future__ import annotations

from tests.stand_ins.client import Client

_GROUP = "rbac.authorization.k8s.io"
_PLACE = f"/apis/{_GROUP}/v1/namespaces/default"


def allow(client: Client, name: str, user: str = "reader") -> None:
    """Give a user the Role for one ConfigMap, and no more."""
    rule = {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": [name], "verbs": ["list", "watch"]}
    client.create_raw(f"{_PLACE}/roles", {"metadata": {"name": name}, "rules": [rule]})
    bind(client, name, user)


def bind(client: Client, name: str, user: str = "reader") -> None:
    """Give a user the Role that is there."""
    role = {"apiGroup": _GROUP, "kind": "Role", "name": name}
    subjects = [{"apiGroup": _GROUP, "kind": "User", "name": user}]
    client.create_raw(f"{_PLACE}/rolebindings", {"metadata": {"name": name}, "roleRef": role, "subjects": subjects})


def unbind(client: Client, name: str) -> None:
    """Take the Role from its user; it stays."""
    client.delete_raw(f"{_PLACE}/rolebindings/{name}")
