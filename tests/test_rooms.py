"""The plan of the rooms, checked on the code itself: who may import whom, which room is the door to what, and the limits."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "supervisor"

LAYERS = {
    5: {
        *(
            "__main__",
            "plain",
            "entry",
            "main",
            "cli",
            "sections",
            "reload_sections",
            "commands",
            "commands.check",
            "commands.rbac",
        ),
        *("commands.doctor", "commands.doctor_cluster", "commands.doctor_disk", "commands.status"),
    },
    4: {
        *("pid1", "sync", "transaction", "app"),
        *("report", "report.answers", "report.facts", "report.health", "report.line", "report.metrics"),
        *("report.page", "report.server", "report.state", "report.style", "report.events", "report.wording"),
    },
    3: {
        *("forwarding", "stopping"),
        *("source", "source.decode", "source.folder", "source.local", "source.manifest", "source.objects"),
        *("reload", "reload.by_command", "reload.by_exit", "reload.by_http", "reload.by_restart", "reload.by_signal"),
        *("confirm", "ledger", "trial", "splay"),
        *("items", "convert", "convert_reload", "convert_wanted", "profiles", "usage", "manual"),
    },
    2: {
        "inbox",
        "processes",
        "spawn",
        "children",
        "unstartable",
        "running_hook",
        "terminal",
        "prctl",
        "tree",
        "root",
        "generation",
        "links",
        "files",
        "disk",
        "ext4",
        "places",
        "stamp",
        "contents",
        "cluster",
        "login",
        "desired",
        "hook",
        "peers",
        "request",
        "logs",
        "notify",
        "inotify",
        "backoff",
        "patience",
        "turns",
        "status",
        "termination",
        "child_lines",
        "child_logs",
    },
    1: {"settings", "model", "collection", "mounts", "errors", ""},  # "" is the package itself: the version and the map
}
LAYER = {room: number for number, rooms in LAYERS.items() for room in rooms}

# Imports within one layer, each with its reason. Rooms of one folder (source/, reload/) know each other anyway.
WITHIN_A_LAYER = {
    ("__main__", "plain"): "the first lines take the signals, then hand over",
    ("__main__", "entry"): "the same, if there is more to do",
    ("entry", "cli"): "it is what the command line is read for",
    ("cli", "sections"): "sections is the part of reading that knows what each option means",
    ("sections", "reload_sections"): "the part of it that knows two large groups; nobody else uses it",
    ("convert_reload", "profiles"): "the name of a profile is a value as others are",
    ("convert_reload", "convert"): "the same for values: some are seconds with a further condition",
    ("sync", "transaction"): "sync is the loop, transaction what is done in it; nobody else uses it",
    ("hook", "processes"): "what a process's end means to us: two rooms, because processes knows nothing of revisions",
    ("cluster", "patience"): "what its watches learn of silence; nobody else uses it",
    ("cluster", "turns"): "how often its server is asked while in trouble; nobody else uses it",
    ("processes", "spawn"): "the part of it that runs in, or makes, the new process; nobody else uses it",
    ("processes", "running_hook"): "the same for a hook, imported when there is one",
    ("spawn", "unstartable"): "what to say when that fails, imported when it does",
    ("processes", "terminal"): "the command's group is the terminal's foreground group as long as it runs",
    ("tree", "generation"): "a generation is a part of the tree that was too long for one file; nobody else uses it",
    ("tree", "links"): "one of the two layouts, the same",
    ("tree", "files"): "the other layout, the same",
    ("tree", "root"): "the folder that it fills, from outside; nobody else uses it",
    ("tree", "disk"): "the part of the tree that touches the file system, for its other parts too",
    ("links", "generation"): "a layout shows a generation",
    ("links", "disk"): "through the one door",
    ("files", "generation"): "a layout shows a generation",
    ("files", "links"): "it takes the other layout's names away, when the layout was changed",
    ("files", "disk"): "through the one door",
    ("generation", "disk"): "through the one door",
    ("generation", "stamp"): "it takes over files that nobody has touched",
    ("disk", "ext4"): "what one file system is asked; nobody else uses it",
    ("disk", "places"): "the part of the door that finds the way",
    ("disk", "stamp"): "the part of the door that is about one file",
    ("notify", "inotify"): "its door to the kernel; nobody else uses it",
    ("cluster", "login"): "the part of it that becomes somebody; nobody else uses it",
    ("entry", "main"): "a run is built and wired there",
    ("entry", "commands"): "a side command is chosen by the first word",
    ("manual", "usage"): "the same table in other forms",
    ("manual", "profiles"): "their names can be completed",
    ("commands", "cli"): "a side command reads its own options",
    ("commands.doctor", "cli"): "it names the variables of the options",
    ("termination", "status"): "it says what the notice board knew last",
    ("processes", "children"): "the part of it that asks the kernel; nobody else uses it",
    ("processes", "status"): "it fills the command's cell of the notice board",
    ("child_logs", "child_lines"): "what it writes; nobody else uses it",
    ("child_logs", "logs"): "the same descriptors, written in the same way and under the same lock",
    ("model", "errors"): "a value that cannot be is Refused by its constructor; errors imports nothing",
}

# What has one door: a regular expression over dotted names → the rooms that may use them. Each must, or the entry is stale.
DOORS = {
    r"kubernetes\b": {"cluster", "login"},
    r"urllib3\b": {"cluster"},
    r"ctypes\b": {"inotify", "prctl"},  # a few calls; a library for inotify starts ldconfig, which as PID 1 we would reap
    r"psutil\b": {"peers"},
    r"docopt\b": {"cli"},
    r"prometheus_client\b": {"report.metrics"},
    r"yaml\b": {"source.manifest", "commands.rbac"},
    r"(pythonjsonlogger|logging)\b": {"logs"},
    r"http\.client\b": {"request"},
    r"socket\b": {"request", "report.server", "commands.status"},  # to the app; from whoever asks
    r"_?signal\.(sigwaitinfo|sigtimedwait|sigwait|sigpending)": {"inbox", "terminal"},  # two that the terminal's loss brings
    r"_?signal\.(pthread_sigmask)": {"inbox", "spawn"},
    r"_?signal\.(signal|set_wakeup_fd|siginterrupt|setitimer|alarm|raise_signal|pthread_kill|pidfd_send_signal)$": {"spawn"},
    r"os\.(fork|forkpty|exec\w+|posix_spawnp?|spawn\w+|system|popen|setpgid|setsid)$": {"spawn"},
    r"os\.(set(res|re|e)?[ug]id|setgroups|initgroups)$": {"spawn"},
    r"os\.(wait|waitpid|wait[34]|waitid)$": {"children", "spawn"},  # spawn waits for a process that never became the command
    r"os\.tcsetpgrp$": {"terminal"},
    # inbox wakes its own main thread; prctl does what the kernel missed; peers tells the command, while it cannot be reaped
    r"os\.(kill|killpg)$": {"processes", "inbox", "prctl", "peers"},
    r"os\._exit$": {"spawn", "__main__"},
    r"os\.(environb?|getenvb?|putenv|unsetenv)$": {"spawn", "__main__"},
    r"fcntl\b": {"root", "ext4", "terminal"},  # a lock; a flag; the terminal's ioctls
    r"termios\b": {"terminal"},
    r"os\.(makedirs|chmod)$": {"root"},
    r"os\.(mkdir|rmdir)$": {"root", "disk", "commands.doctor_disk"},  # to see whether it can be done; a doctor too
    r"os\.symlink$": {"disk", "commands.doctor_disk"},
    r"os\.(rename|fchmod|fsync)$": {"disk"},
    r"os\.(O_CREAT|O_WRONLY)$": {"disk", "termination"},
    r"os\.O_TRUNC$": {"termination"},  # a file that the kubelet has mounted cannot be renamed onto
    r"os\.unlink$": {"disk", "stamp", "report.server", "commands.doctor_disk"},  # a socket that a run before has left
    r"os\.link$": {"stamp"},
    r"os\.O_RDWR$": {"__main__", "terminal"},  # /dev/null in place of a closed descriptor; the terminal
    r"os\.pwritev$": {"logs"},
    r"os\.write$": {"disk", "logs", "spawn", "termination"},  # files; standard error; a pipe to ourselves
    r"tempfile\b": {"login", "commands.check"},  # the library wants certificates as files
}
NOWHERE = {
    r"subprocess\b|multiprocessing\b|pty\b|asyncio\b": (
        "its children inherit our blocked signals, or it waits for ours: use processes"
    ),
    r"time\.sleep$": "nobody can interrupt it: wait on an event or a condition",
    r"unittest\b": "no mocks",
    r"shutil\b|pathlib\b": "it hides which calls of the system are made, and has no folder descriptors",
    r"os\.(replace|renames|remove|removedirs|f?truncate|mkfifo|mknod|[lf]?chown|utime)$": "not even tree needs it",
    r"os\.O_(APPEND|TMPFILE)$": "files are new, or renamed into place",
}

LINES_MAX = 300
FUNCTION_LINES_MAX = 40
CONSTANT = re.compile(r"_?[A-Z][A-Z0-9_]*|[A-Z][A-Za-z0-9]*|__version__")  # the second form is the name of a type
PURE_CALLS = {"re.compile", "frozenset", "float", "typing.NewType", "typing.TypeVar", "re.findall"}
MUTATORS = {"append", "add", "update", "extend", "insert", "pop", "popitem", "remove", "discard", "clear", "setdefault", "sort"}


class Room:
    """One module of the program, parsed."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.lines = len(text.splitlines())
        self.tree = ast.parse(text)
        self.imports = [node for node in _at_runtime(self.tree) if isinstance(node, (ast.Import, ast.ImportFrom))]
        self._known: dict[str, str] = {}
        for node in self.imports:
            if isinstance(node, ast.Import):
                self._known |= {
                    alias.asname or alias.name.split(".")[0]: alias.name if alias.asname else "" for alias in node.names
                }
            else:
                self._known |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}

    def __repr__(self) -> str:
        return self.name or "__init__"

    def modules(self) -> set[str]:
        """Full names of everything that is imported when the program runs."""
        names = {alias.name for node in self.imports if isinstance(node, ast.Import) for alias in node.names}
        return names | {
            f"{node.module}.{alias.name}" for node in self.imports if isinstance(node, ast.ImportFrom) for alias in node.names
        }

    def rooms(self) -> set[str]:
        """The rooms that are imported when the program runs."""
        ours = {name.partition(".")[2] for name in self.modules() if name.split(".")[0] == "supervisor"}
        return {name if name in LAYER else name.rpartition(".")[0] for name in ours}

    def dotted(self, node: ast.AST) -> str:
        """`os.path.join` for that expression, whatever the import calls it; empty if it is something else."""
        if isinstance(node, ast.Name):
            return self._known.get(node.id) or node.id
        if isinstance(node, ast.Attribute):
            inner = self.dotted(node.value)
            return f"{inner}.{node.attr}" if inner else ""
        return ""

    def used(self) -> set[str]:
        """The dotted name of everything that is imported or looked up."""
        return self.modules() | {self.dotted(node) for node in _at_runtime(self.tree)} - {""}

    def functions(self) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
        """Every function and method."""
        return (node for node in ast.walk(self.tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)))


def _at_runtime(node: ast.AST) -> Iterator[ast.AST]:
    """A node and all below it, but for what only the type checker reads."""
    yield node
    is_for_types = isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
    for name, value in ast.iter_fields(node):
        if (is_for_types and name == "body") or name in {"annotation", "returns"}:
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from _at_runtime(child)


def _read_rooms() -> list[Room]:
    rooms = []
    for path in sorted(PACKAGE.rglob("*.py")):
        name = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        rooms.append(Room(name.removesuffix("__init__").removesuffix("."), path.read_text()))
    return rooms


ROOMS = _read_rooms()
every_room = pytest.mark.parametrize("room", ROOMS, ids=repr)


def wrong_imports(room: Room) -> list[str]:
    """Imports that go up or sideways."""
    wrong = []
    for other in room.rooms():
        is_family = room.name.split(".")[0] == other.split(".")[0]
        if LAYER[other] >= LAYER[room.name] and not is_family and (room.name, other) not in WITHIN_A_LAYER:
            wrong.append(f"{room} (layer {LAYER[room.name]}) imports {other} (layer {LAYER[other]})")
    wrong += [f"{room} imports relatively" for node in room.imports if isinstance(node, ast.ImportFrom) and node.level]
    return wrong


def wrong_doors(room: Room) -> list[str]:
    """Uses of what another room is the door to, or what nobody may use."""
    wrong = []
    for name in sorted(room.used()):
        wrong += [
            f"{room} uses {name}: only {doors} may"
            for what, doors in DOORS.items()
            if re.match(what, name) and room.name not in doors
        ]
        wrong += [f"{room} uses {name}: {reason}" for what, reason in NOWHERE.items() if re.match(what, name)]
    return wrong


def wrong_opens(room: Room) -> list[str]:
    """Calls of open that could write, or that do not say what they do."""
    wrong = []
    for node in ast.walk(room.tree):
        if not isinstance(node, ast.Call):
            continue
        if room.dotted(node.func) in {"open", "io.open", "os.fdopen", "codecs.open"}:
            modes = [*node.args[1:2], *(keyword.value for keyword in node.keywords if keyword.arg == "mode")]
            if not all(isinstance(mode, ast.Constant) and not set(str(mode.value)) & set("wax+") for mode in modes):
                wrong.append(f"{room}:{node.lineno} opens a file for writing")
        if room.dotted(node.func) == "os.open":
            flags = [
                part for part in ast.walk(node.args[1]) if isinstance(part, (ast.Name, ast.Constant, ast.Attribute, ast.Call))
            ]
            if not all(re.fullmatch(r"os(\.O_[A-Z]+)?", room.dotted(flag)) for flag in flags):
                wrong.append(f"{room}:{node.lineno} opens a file with flags that are not spelt out")
    return wrong


def state(room: Room) -> list[str]:
    """What makes a module or a class remember something between two calls."""
    wrong = [f"{room}:{node.lineno} says global" for node in ast.walk(room.tree) if isinstance(node, ast.Global)]
    constants: set[str] = set()
    for statement in _statements(room.tree.body):
        if isinstance(statement, ast.Assign | ast.AnnAssign):
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            names = [node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name)]
            constants |= set(names)
            wrong += [f"{room}:{statement.lineno} {name} is no constant" for name in names if not CONSTANT.fullmatch(name)]
            calls = [node for node in ast.walk(statement) if isinstance(node, ast.Call)]
            wrong += [f"{room}:{call.lineno} keeps an object" for call in calls if not _is_pure(call, room, constants)]
        elif not isinstance(statement, ast.Import | ast.ImportFrom | ast.FunctionDef | ast.ClassDef) and not _is_text(statement):
            wrong.append(f"{room}:{statement.lineno} does something when it is imported")
    wrong += [f"{room}:{line} changes a constant" for line in _changes_of(constants, room)]
    wrong += [f"{room}:{line} is shared by all objects of a class" for line in _shared_by_objects(room)]
    wrong += [
        f"{room}:{function.lineno} caches"
        for function in room.functions()
        for decorator in function.decorator_list
        if room.dotted(decorator.func if isinstance(decorator, ast.Call) else decorator)
        in {"functools.cache", "functools.lru_cache"}
    ]
    return wrong


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Those of a module, and of its `if`s but the last one of __main__."""
    for statement in body:
        if isinstance(statement, ast.If):
            if "__name__" not in ast.unparse(statement.test):
                yield from _statements([*statement.body, *statement.orelse])
        elif not (isinstance(statement, ast.Assign) and ast.unparse(statement) == "TYPE_CHECKING = False"):
            yield statement


def _is_text(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _is_pure(call: ast.Call, room: Room, constants: set[str]) -> bool:
    """A call whose value never changes: of a table of such, or a method of a text."""
    is_method = isinstance(call.func, ast.Attribute) and room.dotted(call.func).split(".")[0] in constants | {"", "match"}
    return is_method or room.dotted(call.func) in PURE_CALLS


def _changes_of(constants: set[str], room: Room) -> Iterator[int]:
    for node in ast.walk(room.tree):
        if isinstance(node, (ast.Subscript, ast.Attribute)) and isinstance(node.ctx, (ast.Store, ast.Del)):
            changed: ast.AST = node.value
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in MUTATORS:
            changed = node.func.value
        else:
            continue
        if isinstance(changed, ast.Name) and changed.id in constants:
            yield changed.lineno


def _shared_by_objects(room: Room) -> Iterator[int]:
    for owner in ast.walk(room.tree):
        for statement in owner.body if isinstance(owner, ast.ClassDef) else []:
            value = statement.value if isinstance(statement, (ast.Assign, ast.AnnAssign)) else None
            is_field = value is not None and ast.unparse(value).startswith("field(")  # of a dataclass: one for each object
            if isinstance(value, (ast.List, ast.Dict, ast.Set, ast.Call)) and not is_field:
                yield statement.lineno


def undocumented(room: Room) -> list[str]:
    """Public names without a docstring."""
    without = [] if ast.get_docstring(room.tree) else [f"{room} itself"]
    stack: list[ast.stmt] = list(_statements(room.tree.body))
    while stack:
        node = stack.pop()
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)) or node.name.startswith("_"):
            continue
        if not ast.get_docstring(node):
            without.append(f"{room}:{node.lineno} {node.name}")
        if isinstance(node, ast.ClassDef):
            stack += node.body
    return without


def too_long(room: Room) -> list[str]:
    """A module or functions over the limit; docstrings of functions do not count."""
    found = [f"{room} has {room.lines} lines"] if room.lines > LINES_MAX else []
    for function in room.functions():
        assert function.end_lineno
        length = function.end_lineno - function.lineno + 1
        if ast.get_docstring(function):
            text = function.body[0]
            assert text.end_lineno
            length -= text.end_lineno - text.lineno + 1
        if length > FUNCTION_LINES_MAX:
            found.append(f"{room}:{function.lineno} {function.name} has {length} lines")
    return found


def test_every_room_has_its_layer() -> None:
    """A new room gets a place in the plan; one that is gone leaves it."""
    assert {room.name for room in ROOMS} == set(LAYER)


@every_room
def test_imports_go_down(room: Room) -> None:
    """A room imports rooms of lower layers, also inside its functions; types may be looked up anywhere."""
    assert wrong_imports(room) == []


def test_every_exception_is_needed() -> None:
    """An import within a layer that is no longer made leaves the list."""
    made = {(room.name, other) for room in ROOMS for other in room.rooms()}

    assert set(WITHIN_A_LAYER) <= made


@every_room
def test_everything_outside_has_one_door(room: Room) -> None:
    """The cluster, signals, processes, files, the environment, each library: one room each."""
    assert wrong_doors(room) == []


@pytest.mark.parametrize("what", DOORS)
def test_every_door_is_used(what: str) -> None:
    """A room that does not use what it is the door to leaves the list."""
    users = {room.name for room in ROOMS if any(re.match(what, name) for name in room.used())}

    assert users == DOORS[what]


@every_room
def test_every_library_has_a_door(room: Room) -> None:
    """What is neither ours nor Python's stands in the table of doors."""
    libraries = {name.split(".")[0] for name in room.modules()} - sys.stdlib_module_names - {"supervisor"}

    assert [name for name in libraries if not any(re.match(what, name) for what in DOORS)] == []


@every_room
def test_files_are_opened_for_reading(room: Room) -> None:
    """Whoever writes uses os.open with flags, and those have their doors."""
    assert wrong_opens(room) == []


@every_room
def test_a_module_remembers_nothing(room: Room) -> None:
    """Constants, types and functions; a class only where there is a lock, a resource or a loop."""
    assert state(room) == []


@every_room
def test_every_public_name_has_a_docstring(room: Room) -> None:
    """Modules, classes, functions and methods."""
    assert undocumented(room) == []


@every_room
def test_rooms_and_functions_are_small(room: Room) -> None:
    """At most 300 lines a module, and 40 a function."""
    assert too_long(room) == []


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("sync", "from supervisor.main import run", "sync (layer 4) imports main (layer 5)"),
        ("sync", "from supervisor import pid1", "sync (layer 4) imports pid1 (layer 4)"),
        ("sync", "def f():\n    import supervisor.report", "sync (layer 4) imports report (layer 4)"),
        ("source.decode", "from supervisor.reload import by_http", "source.decode (layer 3) imports reload.by_http"),
        ("items", "from supervisor.source import decode", "items (layer 3) imports source.decode"),
        ("tree", "from supervisor.backoff import backoff", "tree (layer 2) imports backoff"),
        ("errors", "from supervisor.model import File", "errors (layer 1) imports model"),
        ("model", "from . import errors", "imports relatively"),
        ("sync", "import kubernetes.client", "sync uses kubernetes.client"),
        ("sync", "def f():\n    from urllib3 import PoolManager", "sync uses urllib3.PoolManager"),
        ("pid1", "import signal\nsignal.sigwait({1})", "pid1 uses signal.sigwait"),
        ("pid1", "import _signal as signal\nsignal.sigwait({1})", "pid1 uses _signal.sigwait"),
        ("pid1", "from os import kill as hit\nhit(1, 2)", "pid1 uses os.kill"),
        ("pid1", "import os as system\nsystem.fork()", "pid1 uses os.fork"),
        ("pid1", "import os\ngo = os.execvpe", "pid1 uses os.execvpe"),
        ("cli", "import os\nos.environ['A']", "cli uses os.environ"),
        ("sync", "import os\nos.rename('a', 'b')", "sync uses os.rename"),
        ("sync", "import os\nos.replace('a', 'b')", "sync uses os.replace"),
        ("sync", "import os\nos.open('a', os.O_CREAT)", "sync uses os.O_CREAT"),
        ("tree", "import time\ntime.sleep(1)", "tree uses time.sleep"),
        ("tree", "from time import sleep", "tree uses time.sleep"),
        ("reload", "import subprocess", "reload uses subprocess"),
        ("sync", "open('a', 'w')", "sync:1 opens a file for writing"),
        ("sync", "open('a', mode='r+')", "sync:1 opens a file for writing"),
        ("sync", "open('a', mode)", "sync:1 opens a file for writing"),
        ("sync", "import os\nos.open('a', 65)", "sync:2 opens a file with flags"),
        ("sync", "cache = {}", "cache is no constant"),
        ("sync", "_SEEN = {}\n_SEEN['a'] = 1", "changes a constant"),
        ("sync", "_SEEN = set()", "keeps an object"),
        ("sync", "from threading import Lock\n_LOCK = Lock()", "keeps an object"),
        ("sync", "_SEEN = [1]\ndef f():\n    _SEEN.append(2)", "sync:3 changes a constant"),
        ("sync", "def f():\n    global x\n    x = 1", "sync:2 says global"),
        ("sync", "print('hello')", "sync:1 does something"),
        ("sync", "class A:\n    seen = []", "sync:2 is shared by all objects"),
        ("sync", "from functools import cache\n@cache\ndef f(): ...", "caches"),
        ("sync", '"""Doc."""\nclass A:\n    """Doc."""\n    def f(self): ...', "sync:4 f"),
        ("sync", "x = 1", "sync itself"),
        ("sync", "def f():\n" + "    f()\n" * 40, "f has 41 lines"),
        ("sync", "\n" * 301, "sync has 301 lines"),
    ],
)
def test_the_guards_see_what_they_guard_against(name: str, text: str, words: str) -> None:
    """Each rule above has at least one piece of code that breaks it."""
    room = Room(name, text)
    found = [wrong for guard in (wrong_imports, wrong_doors, wrong_opens, state, undocumented, too_long) for wrong in guard(room)]

    assert any(words in wrong for wrong in found), found


@pytest.mark.parametrize(
    "text",
    [
        "TYPE_CHECKING = False\nif TYPE_CHECKING:\n    from supervisor.main import run\n    import subprocess",
        "def f(path: 'os.environ') -> None:\n    with open(path, 'rb') as file:\n        file.read()",
        "import os\nos.open('a', os.O_RDONLY | os.O_DIRECTORY)",
        "import signal\nfrom os.path import join\nsignal.Signals(1)\njoin('a')",
    ],
)
def test_the_guards_let_the_rest_pass(text: str) -> None:
    """Types, reading, and names that only look alike."""
    room = Room("sync", text)

    assert wrong_imports(room) + wrong_doors(room) + wrong_opens(room) == []
