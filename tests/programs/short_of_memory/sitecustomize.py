"""Python begins with this where the folder is in PYTHONPATH: memory runs out once, when the log first imports what it needs."""

import sys

seen: list[str] = []


def hook(event: str, arguments: tuple[object, ...]) -> None:
    if event == "import" and arguments[0] == "pythonjsonlogger.json" and not seen:
        seen.append(event)
        raise MemoryError


sys.addaudithook(hook)
