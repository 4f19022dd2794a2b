"""Who may read what: the Role that the README names, given to a user and taken back."""

from __future__ import annotations

from tests.running import eventually
from tests.stand_ins.client import ApiError, Client, Kind, Object

_GROUP = "rbac.authorization.k8s.io"
_PLACE = f"/apis/{_GROUP}/v1/namespaces/default"


def allow(client: Client, name: str, user: str = "reader") -> None:
    """Give a user the Role for one ConfigMap, and no more."""
    rule = {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": [name], "verbs": ["list", "watch"]}
    client.create_raw(f"{_PLACE}/roles", {"metadata": {"name": name}, "rules": [rule]})
    bind(client, name, user)


def bind(client: Client, name: str, user: str = "reader") -> None:
    """Give a user the Role that is there; the server knows of it when this returns."""
    role = {"apiGroup": _GROUP, "kind": "Role", "name": name}
    subjects = [{"apiGroup": _GROUP, "kind": "User", "name": user}]
    client.create_raw(f"{_PLACE}/rolebindings", {"metadata": {"name": name}, "roleRef": role, "subjects": subjects})
    eventually(lambda: may_list(client.acting_as(user), "ConfigMap", "default", name), "the Role is known")


def unbind(client: Client, name: str) -> None:
    """Take the Role from its user; it stays."""
    client.delete_raw(f"{_PLACE}/rolebindings/{name}")


def wait_until_known(user: Client, role: Object) -> None:
    """Wait until a user may list what a Role says: the server learns of Roles and bindings a moment after they are there."""
    kinds: dict[str, Kind] = {"configmaps": "ConfigMap", "secrets": "Secret"}
    rules = [rule for rule in role["rules"] if rule["resources"][0] in kinds]  # all of them are known at once
    rule = max(rules, key=lambda rule: "resourceNames" in rule)  # for all objects there may have been one before
    kind, name = kinds[rule["resources"][0]], rule.get("resourceNames", [None])[0]
    eventually(lambda: may_list(user, kind, role["metadata"]["namespace"], name), "the Role is known")


def may_list(user: Client, kind: Kind, namespace: str, name: str | None) -> bool:
    """Whether the server lets a user list this object, or all of a kind."""
    try:
        user.list(kind, namespace, name)
    except ApiError as error:
        if error.status != 403:
            raise
        return False
    return True
