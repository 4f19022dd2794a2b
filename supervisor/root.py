"""The configroot itself: make it, and keep others out of it. Used by tree alone."""

from __future__ import annotations

import fcntl
import os

from supervisor.errors import StartError


def open_root(root: str, folder_mode: int) -> int:
    """Make the folder if it is missing, try to write in it, and keep others out of it for as long as we live.

    Returns its descriptor. Raises StartError.
    """
    try:
        if not os.path.isdir(root):
            os.makedirs(root)
            os.chmod(root, folder_mode)
        descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            probe = f"..new-{os.urandom(4).hex()}"
            os.mkdir(probe, dir_fd=descriptor)
            os.rmdir(probe, dir_fd=descriptor)
        except OSError:
            os.close(descriptor)
            raise
    except BlockingIOError:
        raise StartError(f"another config-supervisor already writes to {root}: give each its own --configroot") from None
    except OSError as error:
        raise StartError(f"cannot write to --configroot {root}: {error.strerror}") from error
    return descriptor
