"""A value that only the objects hold is nowhere else, at --v=9: not in logs, answers, arguments, the termination log.

Besides this, every object of every test holds a canary, and nothing prints or serves it: see tests/test_canary.py.
"""

from __future__ import annotations

import base64
import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.asking import ask
from tests.conftest import HttpApp, Start
from tests.faults.conftest import Tried
from tests.manifests import METADATA, put
from tests.running import CANARY, Running, begun_by, descendants, program
from tests.side import side

WHAT, NOWHERE = "a value that only objects hold, looked for after every fault", "in no log, answer, argument or file but its own"
PATHS = ("/", "/status.json", "/metrics", "/livez", "/readyz", "/startupz", "/healthz", f"/{CANARY}")
HEAD = f"kind: Secret\nmetadata: {METADATA}\n"
ENCODED = base64.b64encode(CANARY.encode()).decode()
COMPRESSED = base64.b64encode(gzip.compress(CANARY.encode())[:-3]).decode()
# What is wrong with each manifest, and the options with which it is.
BAD: dict[str, tuple[str, tuple[str, ...]]] = {
    "YAML": (f"{HEAD}stringData:\n  a: '{CANARY}\n", ()),
    "a tab": (f"{HEAD}stringData:\n\ta: {CANARY}\n", ()),
    "an alias": (f"{HEAD}stringData:\n  a: *{CANARY}\n", ()),
    "an anchor twice": (f"{HEAD}stringData:\n  a: &{CANARY} x\n  b: &{CANARY} y\n  c: *{CANARY}\n  d: *none\n", ()),
    "a tag handle": (f"{HEAD}stringData:\n  a: !{CANARY}! x\n", ()),
    "a tag": (f"{HEAD}stringData:\n  a: !{CANARY} x\n", ()),
    "base64": (f"{HEAD}data:\n  a: {CANARY}!\n", ()),
    "a list": (f"{HEAD}stringData:\n  a: [{CANARY}]\n", ()),
    "no mapping": (f"{HEAD}stringData: {CANARY}\n", ()),
    "a variable that is not set": (f"{HEAD}stringData: {{a: 'x $(no_such_variable) {CANARY}'}}\n", ("--expand",)),
    "gzip": (f"{HEAD}data: {{a.gz: {COMPRESSED}}}\n", ("--gunzip",)),
    "two keys on one path": (f"{HEAD}stringData: {{a__b: {CANARY}, a: {CANARY}}}\n", ("--key-separator=__",)),
    "a check says no": (f"{HEAD}stringData: {{a: {CANARY}}}\n", ("--validate=test ! -e {}/a",)),
    "a check cannot be run": (
        f"{HEAD}stringData: {{a: {CANARY}}}\n",
        ("--validate=sh -c 'test ! -e {}/a || exec /no/such/program'",),
    ),
}


@pytest.fixture
def follow(start: Start, root: Path, tmp_path: Path) -> Callable[..., Running]:
    """Start the program with all that it can say and serve, on a manifest with this text."""

    def run(text: str, *options: str, **more: object) -> Running:
        put(tmp_path / "manifest.yaml", text)
        return start(
            *(f"--manifest={tmp_path}/manifest.yaml", f"--configroot={root}", f"--listen=unix:{tmp_path}/socket"),
            *("--v=9", "--settle=0", "--reload-interval=0", f"--termination-log={tmp_path}/termination-log", *options),
            command=program("show_signals"),
            **more,
        )

    return run


def look_everywhere(running: Running, folder: Path, root: Path) -> None:
    """Ask for all that is served, end the program, and look at all that is left. Answers and prints are looked at anyway."""
    for path in PATHS:
        ask(f"unix:{folder}/socket", path)
    for pid in (running.pid, *descendants(running.pid)):
        assert CANARY.encode() not in Path(f"/proc/{pid}/cmdline").read_bytes() + Path(f"/proc/{pid}/environ").read_bytes()
    side("status", f"--listen=unix:{folder}/socket")
    side("check", f"--manifest={folder}/manifest.yaml", f"--configroot={root}", "--v=9")
    running.stop()
    for file in root.rglob("*"):  # where it belongs; nothing else of what is left may hold it
        if file.is_file() and not file.is_symlink():
            file.unlink()


@pytest.mark.parametrize("what", BAD)
def test_what_is_wrong_is_said_without_it(
    follow: Callable[..., Running], root: Path, tmp_path: Path, what: str, tried: Tried
) -> None:
    """Line and column, the name of the key, the program that said no; never the value."""
    text, options = BAD[what]
    running = follow(f"{HEAD}stringData: {{key: {CANARY}-1}}\n", *options)
    running.wait_for_event("config.applied")
    put(tmp_path / "manifest.yaml", text)
    running.err.wait_for(r'"event": "(config\.(refused|failed)|source\.problem)"')

    look_everywhere(running, tmp_path, root)
    tried(WHAT, NOWHERE)


def test_a_crash_is_said_without_it(follow: Callable[..., Running], root: Path, tmp_path: Path, tried: Tried) -> None:
    """Where it was, and which kind of error; the error's text may hold anything."""
    faults = begun_by("faulty", FAULTS=tmp_path)
    running = follow(f"{HEAD}stringData: {{key: {CANARY}-1}}\n", environment=faults)
    running.wait_for_event("config.applied")
    (tmp_path / "crash").write_text("sync os.rename ..data")
    put(tmp_path / "manifest.yaml", f"{HEAD}stringData: {{key: {CANARY}-2}}\n")
    running.wait_for_event("thread.crashed")
    (tmp_path / "crash").unlink()
    running.wait_for_event("config.applied", times=2)

    look_everywhere(running, tmp_path, root)
    tried(WHAT, NOWHERE)


def test_what_we_run_gets_it_neither_as_an_argument_nor_by_its_environment(
    follow: Callable[..., Running], root: Path, tmp_path: Path, tried: Tried
) -> None:
    """Checks, what tells the app, and what asks whether it took it; of the app itself it is looked at in every test here."""
    hooks = {option: tmp_path / option for option in ("--validate", "--reload-command", "--confirm-command")}
    options = [f"{option}=sh -c 'cat /proc/$$/cmdline /proc/$$/environ >{path}'" for option, path in hooks.items()]
    running = follow(f"{HEAD}stringData: {{key: {CANARY}-1}}\n", *options)
    running.wait_for_event("config.applied")
    put(tmp_path / "manifest.yaml", f"{HEAD}stringData: {{key: {CANARY}-2}}\n")
    running.wait_for_event("config.applied", times=2)

    for path in hooks.values():
        seen = path.read_bytes()
        assert b"CONFIG_SUPERVISOR_CHANGED=key" in seen
        assert CANARY.encode() not in seen
    look_everywhere(running, tmp_path, root)
    tried(WHAT, NOWHERE)


def test_a_header_of_a_file_is_no_argument(
    follow: Callable[..., Running], http_app: HttpApp, root: Path, tmp_path: Path, tried: Tried
) -> None:
    """A token by which the app is told is read from its file, and shown by nobody, also when the app says no."""
    header = tmp_path / "header-manifest"
    header.write_text(CANARY)
    url, requests = http_app(root / "key", 401)
    options = (f"--reload-http={url}", f"--reload-http-header-file=Authorization={header}")
    running = follow(f"{HEAD}stringData: {{key: one}}\n", *options)
    running.wait_for_event("config.applied")
    put(tmp_path / "manifest.yaml", f"{HEAD}stringData: {{key: {CANARY}-2}}\n")
    requests.wait_for("POST")
    running.err.wait_for(r'"event": "config\.(refused|rolled_back|failed)"')

    look_everywhere(running, tmp_path, root)
    tried(WHAT, NOWHERE)
