"""The side commands: each looks, or works in a place of its own, and prints what it found."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from supervisor.inbox import Inbox


def run(form: str, argv: list[str], environment: Mapping[str, str], inbox: Inbox) -> int:
    """Do what a side command is for, and return its exit code. Raises UsageError, and Leave if only a text is wanted."""
    from supervisor import cli

    asked = cli.read_form(form, argv, environment)
    if form == "status":
        from supervisor.commands.status import tell

        return tell(asked)
    if form == "rbac":
        from supervisor.commands.rbac import print_rights

        return print_rights(asked)
    if form == "check":
        from supervisor.commands.check import build_and_check

        return build_and_check(asked, inbox)
    from supervisor.commands.doctor import examine

    return examine(asked, environment)
