from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from tests.conftest import Start


def unstartable(folder: Path) -> dict[str, tuple[str, int, str]]:
    """Commands that cannot be started, with the code and the reason."""
    files = {
        "locked": "#!/bin/sh\n",
        "no interpreter": "#!/no/such/shell -x\n",
        "from Windows": "#!/bin/sh\r\necho hello\r\n",
        "no loader": "",
        "of another machine": "\x7fELF nonsense",
    }
    for name, text in files.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o644 if name == "locked" else 0o755)
    program = bytearray(Path("/bin/true").read_bytes())
    loader = program.index(b"/lib64/ld-linux")
    program[loader + 1] = ord("x")
    (folder / "no loader").write_bytes(program)
    (folder / "folder").mkdir()
    (folder / "loop").symlink_to("loop")
    (folder / "link").symlink_to("/no/such/target")
    return {
        "no-such-command": ("no-such-command", 127, "no such command in PATH"),
        "missing file": (f"{folder}/missing", 127, "no such command"),
        "below a file": (f"{folder}/locked/file", 127, "Not a directory"),
        "empty": ("", 127, "its name is empty"),
        "locked": (f"{folder}/locked", 126, "Permission denied"),
        "folder": (f"{folder}/folder", 126, "Permission denied: it is a folder"),
        "no interpreter": (f"{folder}/no interpreter", 127, "its interpreter '/no/such/shell' is missing"),
        "from Windows": (f"{folder}/from Windows", 127, "its interpreter '/bin/sh\\r' is missing"),
        "no loader": (f"{folder}/no loader", 127, "its interpreter or loader is missing"),
        "of another machine": (f"{folder}/of another machine", 126, "Exec format error"),
        "loop": (f"{folder}/loop", 126, "Too many levels of symbolic links"),
        "link": (f"{folder}/link", 127, "it is a link to '/no/such/target', which is not there"),
        "long name": ("n" * 300, 126, "File name too long"),
        "long path": ("/" + "n/" * 3000, 126, "File name too long"),
    }


@pytest.mark.parametrize("what", unstartable(Path(tempfile.mkdtemp())))
@pytest.mark.parametrize("options", [[], ["--new-session"]], ids=["plain", "with an option"])
def test_a_command_that_cannot_be_started_gives_127_or_126_and_the_reason(
    start: Start, tmp_path: Path, what: str, options: list[str]
) -> None:
    """With its name. 127 is for what is not there."""
    name, code, reason = unstartable(tmp_path)[what]
    running = start(*options, command=[name])

    assert running.wait() == code
    assert running.wait_for_event("start.failed")["message"] == f"cannot start {name!r}: {reason}"
    assert running.out.wait_for_end() == []


def test_a_file_that_may_not_be_executed_counts_more_than_one_that_is_not_there(start: Start, tmp_path: Path) -> None:
    """As in a shell: the search goes on after both, and tells of the former."""
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
    (tmp_path / "one" / "command").touch()
    environment = {"PATH": f"{tmp_path}/one:{tmp_path}/missing:{tmp_path}/two"}

    assert start(command=["command"], environment=environment).wait() == 126
    (tmp_path / "two" / "command").write_text("#!/bin/sh\nexit 9\n")
    (tmp_path / "two" / "command").chmod(0o755)
    assert start(command=["command"], environment=environment).wait() == 9


def test_a_script_without_a_first_line_is_run_by_the_shell(start: Start, tmp_path: Path) -> None:
    """As execvp(3) does it, and so tini and dumb-init."""
    script = tmp_path / "script"
    script.write_text("exit $1\n")
    script.chmod(0o755)

    assert start(command=[str(script), "9"]).wait() == 9


def test_wrong_usage_gives_2_and_names_every_problem(start: Start) -> None:
    """Nothing is started."""
    running = start("--frobnicate", "--reload-interval=soon", "--reload-interval=1", command=["echo", "started"])

    assert running.wait() == 2
    assert running.out.wait_for_end() == []
    assert running.err.wait_for_end() == [
        "config-supervisor: unknown option --frobnicate: see --help",
        "config-supervisor: --reload-interval is given more than once",
    ]


def test_a_configroot_that_is_taken_gives_125(start: Start, root: Path, tmp_path: Path) -> None:
    """Two supervisors on one folder would tear it: the second one refuses to start."""
    missing = f"--manifest={tmp_path}/later.yaml"
    first = start(missing, f"--configroot={root}")
    first.wait_for_event("source.problem")
    second = start(missing, f"--configroot={root}")

    assert second.wait() == 125
    assert f"already writes to {root}" in second.wait_for_event("start.failed")["message"]


def test_no_configuration_in_time_gives_125_and_the_reason(start: Start, root: Path, tmp_path: Path) -> None:
    """The command is not started without its configuration."""
    running = start(
        f"--manifest={tmp_path}/missing.yaml", f"--configroot={root}", "--startup-timeout=2", command=["echo", "started"]
    )

    assert running.wait() == 125
    assert running.out.wait_for_end() == []
    message = running.wait_for_event("start.failed")["message"]
    assert "no configuration after 2 s (--startup-timeout)" in message
    assert f"cannot read {tmp_path}/missing.yaml: there is no such file" in message
