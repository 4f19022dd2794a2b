from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Start
from tests.manifests import marked, put
from tests.running import Lines

REPOSITORY = Path(__file__).parents[2]
UNIT = REPOSITORY / "examples" / "systemd" / "greeter.service"


def words_of_unit() -> list[str]:
    """What systemd would start."""
    (line,) = [line for line in UNIT.read_text().splitlines() if line.startswith("ExecStart=")]
    return shlex.split(line.removeprefix("ExecStart="))


def test_the_unit_starts_an_app_that_follows_a_file(start: Start, tmp_path: Path) -> None:
    """Its command line, with other places for the files."""
    manifest = put(tmp_path / "greeter.yaml", marked((REPOSITORY / "examples" / "greeter.yaml").read_text()))
    places = {
        "/etc/greeter.yaml": str(manifest),
        "/run/greeter/config": str(tmp_path / "config"),
        "/usr/local/lib/greeter.py": str(REPOSITORY / "examples" / "greeter.py"),
        "/usr/bin/python3": sys.executable,
    }
    program, *words = words_of_unit()
    for place, ours in places.items():
        assert any(place in word for word in words)
        words = [word.replace(place, ours) for word in words]
    end = words.index("--")
    running = start(*words[:end], command=words[end + 1 :])
    running.out.wait_for("started")
    put(manifest, manifest.read_text().replace("greeting = ", "greeting = Again, "))

    running.out.wait_for("reloaded: Again, ")
    assert program == "/usr/local/bin/config-supervisor"
    assert running.stop() == 0


def test_systemd_understands_the_unit(tmp_path: Path) -> None:
    """With a program that is there, which is the first thing that it looks for."""
    if not shutil.which("systemd-analyze"):
        pytest.skip("no systemd-analyze")
    text = UNIT.read_text().replace("/usr/local/bin/config-supervisor", "/bin/true").replace("/usr/bin/python3", "/bin/true")
    (tmp_path / UNIT.name).write_text(text)
    done = subprocess.run(["systemd-analyze", "verify", tmp_path / UNIT.name], capture_output=True, text=True, check=False)

    assert UNIT.name not in done.stderr


@pytest.mark.timeout(300)
def test_pipx_installs_it(tmp_path: Path) -> None:
    """From the wheel, into an environment of its own, and its program runs from anywhere."""
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", tmp_path, REPOSITORY],
        stdout=subprocess.DEVNULL,
        check=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    environment = {**os.environ, "PIPX_HOME": str(tmp_path / "home"), "PIPX_BIN_DIR": str(tmp_path / "bin")}
    subprocess.run([sys.executable, "-m", "pipx", "install", wheel], env=environment, check=True, capture_output=True)
    program = tmp_path / "bin" / "config-supervisor"
    with subprocess.Popen([program, "--", "sh", "-c", "echo started; exit 7"], cwd=tmp_path, stdout=subprocess.PIPE) as process:
        assert process.stdout
        lines = Lines(process.stdout).wait_for_end()

    assert (lines, process.returncode) == (["started"], 7)
