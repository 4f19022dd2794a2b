"""The converters of what is wanted and of its files. Each raises ValueError saying what is expected."""

from __future__ import annotations

import re
from typing import Literal

from supervisor.model import problem_of_path
from supervisor.settings import Item, ObjectName, Selector

# Kubernetes documentation, "Object Names and IDs": RFC 1123 labels and subdomains. Not compiled here: few runs need them.
_LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
_SUBDOMAIN = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
_NAME_MAX = 253
# Kubernetes documentation, "Labels and Selectors"; apimachinery's labels.Parse also takes == and comparisons.
_WORD = r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
_KEY = rf"({_SUBDOMAIN}/)?{_WORD}"
_SET = rf"\(\s*({_WORD})?(\s*,\s*({_WORD})?)*\s*\)"
_TERM = rf"\s*(!\s*{_KEY}|{_KEY}(\s*(=|==|!=)\s*({_WORD})?|\s+(in|notin)\s*{_SET}|\s*[<>]\s*[0-9]+)?)\s*"
_SELECTOR = rf"{_TERM}(,{_TERM})*"


def to_namespace(text: str) -> str:
    """The name of a namespace."""
    if not re.fullmatch(_LABEL, text):
        raise ValueError(f"{text!r} is not a namespace")
    return text


def to_object_name(text: str, default_namespace: str = "default") -> ObjectName:
    """`[NAMESPACE/]NAME`."""
    namespace, slash, name = text.rpartition("/")
    if not slash:
        namespace = default_namespace
    if not re.fullmatch(_LABEL, namespace):
        raise ValueError(f"{namespace!r} is not a namespace; expected [NAMESPACE/]NAME")
    if not re.fullmatch(_SUBDOMAIN, name) or len(name) > _NAME_MAX:
        raise ValueError(f"{name!r} is not the name of an object; expected [NAMESPACE/]NAME")
    return ObjectName(namespace, name)


def to_selector(text: str, default_namespace: str = "default") -> Selector:
    """`[NAMESPACE/]SELECTOR`.

    A selector may hold a slash itself, in the prefix of a label. What stands before the first slash is the namespace if it can
    be one and if what follows is a selector: `prod/app=x`, `prod/app.kubernetes.io/name=x`. A prefix with a dot in it cannot
    be a namespace: `app.kubernetes.io/name=x` has none.
    """
    namespace, slash, labels = text.partition("/")
    if slash and re.fullmatch(_LABEL, namespace) and re.fullmatch(_SELECTOR, labels):
        return Selector(namespace, labels)
    if not re.fullmatch(_SELECTOR, text):
        raise ValueError("expected [NAMESPACE/]SELECTOR, with a selector as kubectl's -l takes it: app=web,tier!=cache")
    return Selector(default_namespace, text)


def to_item(text: str, default_namespace: str = "default") -> Item:
    """`KEY=PATH` or `[NAMESPACE/]NAME:KEY=PATH`."""
    left, equals, path = text.partition("=")
    name, colon, key = left.rpartition(":")
    if not equals or not key:
        raise ValueError("expected KEY=PATH or [NAMESPACE/]NAME:KEY=PATH")
    problem = problem_of_path(path)
    if problem:
        raise ValueError(f"{path!r} cannot be a path below the configroot: {problem}")
    if not colon:
        return Item(None, key, path)
    namespace, slash, name = name.rpartition("/")
    return Item(ObjectName(to_namespace(namespace) if slash else default_namespace, name), key, path)


def to_template(text: str) -> str:
    """A path with {namespace}, {name} and {key} in it."""
    sample = re.sub(r"\{(namespace|name|key)\}", "x", text)
    if "{" in sample or "}" in sample:
        raise ValueError("expected a path with {namespace}, {name} and {key}, and no other braces")
    problem = problem_of_path(sample)
    if problem:
        raise ValueError(f"it cannot be a path below the configroot: {problem}")
    return text


def to_separator(text: str) -> str:
    """What stands for a slash in keys."""
    if not text or "/" in text or "\0" in text:
        raise ValueError("expected what stands for / in keys, as __")
    return text


def to_file_mode(text: str) -> int:
    """Permission bits of a file."""
    mode = _to_mode(text)
    if not mode & 0o400:
        raise ValueError("its owner must be able to read it: add 0400")
    return mode


def to_folder_mode(text: str) -> int:
    """Permission bits of a folder."""
    mode = _to_mode(text)
    if mode & 0o700 != 0o700:
        raise ValueError("its owner must be able to use it: add 0700")
    return mode


def _to_mode(text: str) -> int:
    if not re.fullmatch(r"(0o)?[0-7]{1,4}", text) or int(text, 8) > 0o777:
        raise ValueError("expected permission bits in octal, as 0640")
    return int(text, 8)


def to_layout(text: str) -> Literal["atomic", "files"]:
    """The name of a layout."""
    if text not in {"atomic", "files"}:
        raise ValueError("expected atomic or files")
    return "files" if text == "files" else "atomic"
