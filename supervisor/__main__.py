"""The program's first lines. Signals come first: until they are blocked, one that is sent to PID 1 is lost."""

from __future__ import annotations

from supervisor.inbox import Inbox

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn


def main() -> NoReturn:
    """Run the program, and leave with its exit code without waiting for any thread."""
    inbox = Inbox()
    import os
    import sys

    _claim_standard_descriptors()
    code = 125
    try:
        from supervisor import plain

        if plain.is_plain(sys.argv[1:], os.environ):
            code = plain.run(inbox, sys.argv[2:])
        else:
            from supervisor.entry import run

            code = run(inbox, sys.argv[1:], os.environ)
    except Exception:
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(code)


def _claim_standard_descriptors() -> None:
    """If 0, 1 or 2 was closed when we were started, take its place: no file of ours may become our standard error.

    The command finds it closed, as it was: what we open is not inherited.
    """
    import os

    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


if __name__ == "__main__":
    main()
