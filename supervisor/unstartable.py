"""Why a command could not be started: in words, and as an exit code."""

from __future__ import annotations

import errno
import os

from supervisor.errors import StartError

_SHEBANG_BYTES = 256  # as many as the kernel reads (execve(2))


def why_not(name: str, program: bytes, number: int) -> StartError:
    """The error to raise for a command `name`: its file `program` gave the error `number`. 127: not there; 126: all else."""
    reason = _reason(name, program, number)
    return StartError(f"cannot start {name!r}: {reason}", 127 if number in {errno.ENOENT, errno.ENOTDIR} else 126)


def _reason(name: str, program: bytes, number: int) -> str:
    if not name:
        return "its name is empty"
    if number == errno.EACCES and os.path.isdir(program):
        return f"{os.strerror(number)}: it is a folder"
    if number != errno.ENOENT:
        return os.strerror(number)
    if os.path.isfile(program):
        return f"its interpreter {_interpreter(program)} is missing"
    if os.path.islink(program):
        return f"it is a link to {os.readlink(program).decode(errors='replace')!r}, which is not there"
    return "no such command" if "/" in name else "no such command in PATH"


def _interpreter(program: bytes) -> str:
    """What stands after #!; a carriage return of another system is a part of it, and the usual reason."""
    try:
        with open(program, "rb") as file:
            first = file.read(_SHEBANG_BYTES).partition(b"\n")[0]
    except OSError:
        first = b""
    words = first[2:].replace(b"\t", b" ").split(b" ") if first.startswith(b"#!") else []
    return next((repr(word.decode(errors="replace")) for word in words if word), "or loader")
