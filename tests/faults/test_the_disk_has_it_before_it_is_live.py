from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.conftest import Manifest, Start


def traced(trace: Path, calls: str) -> list[str]:
    """What to put before a command, so that strace writes these calls of it to a file."""
    if not shutil.which("strace"):
        pytest.skip("no strace")
    return ["strace", "--follow-forks", "--decode-fds=path", f"--trace={calls}", f"--output={trace}"]


def calls(trace: Path) -> list[str]:
    """The calls that came to an end well, in order: `fsync /path` and `rename NEW`."""
    found = []
    for line in trace.read_text().splitlines():
        synced = re.search(r"fsync\(\d+<(.*?)>\)\s*= 0", line)
        renamed = re.search(r'renameat2?\(.*?<(.*?)>, "(.*?)", \d+<(.*?)>, "(.*?)"(, 0)?\)\s*= 0', line)
        if synced:
            found.append(f"fsync {synced[1]}")
        elif renamed:
            found.append(f"rename {renamed[3]}/{renamed[4]}")
    return found


@pytest.mark.parametrize("layout", ["atomic", "files"])
def test_with_fsync_every_file_and_folder_is_on_the_disk_before_the_swap(
    start: Start, manifest: Manifest, root: Path, tmp_path: Path, layout: str
) -> None:
    """And the swap itself before anybody is told. Looked at by strace."""
    trace = tmp_path / "trace"
    running = start(
        *(f"--manifest={manifest(a='1', d__b='2')}", f"--configroot={root}", f"--layout={layout}", "--key-separator=__"),
        *("--fsync", "--once"),
        prefix=traced(trace, "fsync,renameat,renameat2"),
    )
    assert running.wait() == 0
    found = calls(trace)
    generation = (root / "..data").resolve()
    swap = found.index(f"rename {root}/..data")
    before, after = found[:swap], found[swap:]

    named = before.index(f"rename {generation}")
    unfinished = next(call.removeprefix("fsync ").removesuffix("/a") for call in before if call.endswith("/a"))
    assert {f"fsync {unfinished}{path}" for path in ("", "/a", "/d", "/d/b")} <= set(before[:named])
    assert f"fsync {root}" in before[named:]
    assert f"fsync {root}" in after
    if layout == "files":
        assert {f"rename {root}/a", f"rename {root}/d/b", f"fsync {root}/d"} <= set(after)


def test_without_it_nobody_waits_for_the_disk(start: Start, manifest: Manifest, root: Path, tmp_path: Path) -> None:
    """As with the kubelet."""
    trace = tmp_path / "trace"
    prefix = traced(trace, "fsync,renameat,renameat2")
    assert start(f"--manifest={manifest(a='1')}", f"--configroot={root}", "--once", prefix=prefix).wait() == 0

    assert [call for call in calls(trace) if call.startswith("fsync")] == []
    assert f"rename {root}/..data" in calls(trace)


@pytest.mark.parametrize(("files", "asks"), [(19, False), (20, True)])
def test_many_files_get_a_part_of_the_disk_for_themselves(
    start: Start, manifest: Manifest, root: Path, tmp_path: Path, files: int, *, asks: bool
) -> None:
    """Where the file system knows what is asked: the folder in which theirs is made counts as one at the top.

    Its name says in which part: it is another one each time.
    """
    trace = tmp_path / "trace"
    prefix = traced(trace, "ioctl,mkdirat")
    names = set()
    for content in "1", "2":
        path = manifest(**{f"key{number}": content for number in range(files)})
        assert start(f"--manifest={path}", f"--configroot={root}", "--once", prefix=prefix).wait() == 0
        text = trace.read_text()
        names |= {*re.findall(rf'mkdirat\(\d+<{root}/\.\.new-[0-9a-f]+>, "(.*?)"', text)}

        asked = re.findall(rf"ioctl\(\d+<{root}/\.\.new-[0-9a-f]+>, FS_IOC_(GET|SET)FLAGS, .*\) = (-?\d+)", text)
        knows = ("GET", "0") in asked
        assert asked == ([("GET", "0"), ("SET", "0")] if knows else [("GET", "-1")] if asks else [])
        assert asks or not knows
    assert len(names) == (2 if asks else 0)
