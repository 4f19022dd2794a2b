"""Which objects of the API are meant, and the rights that they need."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from supervisor.settings import SourceSettings


@dataclass(frozen=True, slots=True)
class Collection:
    """Objects of one kind in one namespace: the one that is called `name`, or all with these `labels`.

    With a name, list and watch use a field selector: that is what a Role limited by resourceNames allows (Kubernetes
    documentation, "Using RBAC authorization", *Referring to resources*).
    """

    kind: str
    namespace: str
    name: str = ""
    labels: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.name else f"{self.kind}s {self.namespace}/{self.labels}"

    @property
    def resource(self) -> str:
        """The kind as the API's paths and RBAC rules have it."""
        return f"{self.kind.lower()}s"

    @property
    def path(self) -> str:
        """Where the API serves them."""
        return f"/api/v1/namespaces/{self.namespace}/{self.resource}"

    @property
    def selection(self) -> list[tuple[str, str]]:
        """The part of a query that picks ours."""
        return [("fieldSelector", f"metadata.name={self.name}") if self.name else ("labelSelector", self.labels)]

    @property
    def rule(self) -> str:
        """The rule of a Role that allows what we ask for. RBAC knows no labels: a selector needs all objects of its kind."""
        names = f'resourceNames: ["{self.name}"], ' if self.name else ""
        return f'in namespace {self.namespace}: apiGroups: [""], resources: ["{self.resource}"], {names}verbs: ["list", "watch"]'


def collections_of(settings: SourceSettings) -> list[Collection]:
    """Everything that a run with these settings asks the API for."""
    named = [("ConfigMap", settings.configmaps), ("Secret", settings.secrets)]
    selected = [("ConfigMap", settings.configmap_selectors), ("Secret", settings.secret_selectors)]
    return [
        *(Collection(kind, one.namespace, name=one.name) for kind, names in named for one in names),
        *(Collection(kind, one.namespace, labels=one.labels) for kind, labels in selected for one in labels),
    ]
