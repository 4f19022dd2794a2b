from __future__ import annotations

import os
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.conftest import Manifest, Start, needs_root
from tests.laws.folders import found_in
from tests.manifests import configmap, put
from tests.running import Running, eventually, program

pytestmark = needs_root

Follow = Callable[..., Running]
AsUser = Callable[..., tuple[str, ...]]


@pytest.fixture(params=["atomic", "files"])
def layout(request: pytest.FixtureRequest) -> str:
    """Either layout."""
    return str(request.param)


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """A folder that others may enter: pytest's own are for us alone."""
    with tempfile.TemporaryDirectory(prefix="place-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture
def as_user(tmp_path: Path) -> Callable[..., tuple[str, ...]]:
    """What to put before a command so that it runs as somebody without rights, who may use this Python wherever it lies."""

    def prefix(user: int, group: int, *more: str) -> tuple[str, ...]:
        python = Path(sys.base_prefix)
        closed = [str(above) for above in reversed(python.parents) if not above.stat().st_mode & stat.S_IXOTH][:1]
        open_up = "".join(
            f"mkdir {tmp_path}/python && mount --bind {python} {tmp_path}/python && mount -t tmpfs -o mode=755 none {above} && "
            f"mkdir -p {python} && mount --bind {tmp_path}/python {python} && "
            for above in closed
        )
        user_words = ["setpriv", f"--reuid={user}", f"--regid={group}", *(more or ["--clear-groups"]), "--bounding-set=-all"]
        return ("unshare", "--mount", "sh", "-c", f'{open_up}exec "$@"', "sh", *user_words, "--inh-caps=-all")

    return prefix


@pytest.fixture
def follow(tmp_path: Path, start: Start, layout: str, root: Path) -> Follow:
    """Start the program, with a ConfigMap of one key and a Secret of one key in a folder, and wait until both are there."""

    def run(value: str, *options: str, place: Path = root, prefix: tuple[str, ...] = ()) -> Running:
        write(tmp_path, value)
        running = start(
            *(f"--manifest={tmp_path}/manifest.yaml", f"--configroot={place}", f"--layout={layout}"),
            *("--key-separator=__", "--reload-interval=0", *options),
            prefix=prefix,
            command=program("show_config", f"{place}/key"),
        )
        running.out.wait_for(f"^started {value!r}$")
        return running

    return run


def write(folder: Path, value: str) -> None:
    """Another value for both keys, in one step."""
    both = [configmap("s", kind="Secret", stringData={"d__secret": value}), configmap("app", {"key": value})]
    put(folder / "manifest.yaml", {"kind": "List", "items": both})


def change(running: Running, folder: Path, value: str) -> None:
    """Another value, of which the app is told."""
    write(folder, value)
    running.out.wait_for(f"^reloaded .* {value!r}$")


def owners(root: Path) -> set[tuple[int, int]]:
    """Users and groups of all that the program has made below a folder."""
    found = set()
    for folder, folders, names in os.walk(root):
        for name in [*folders, *names]:
            with suppress(FileNotFoundError):  # it tidies up after the app was told
                status = Path(folder, name).lstat()
                found.add((status.st_uid, status.st_gid))
    return found


def test_modes_are_these_whatever_the_umask(follow: Follow, tmp_path: Path, root: Path) -> None:
    """0666 for all, 0640 for what is secret, 0755 for folders."""
    running = follow("1", prefix=("sh", "-c", 'umask 0777 && exec "$@"', "sh"))
    change(running, tmp_path, "2")

    assert [stat.S_IMODE((root / name).stat().st_mode) for name in ("", "key", "d", "d/secret")] == [0o755, 0o666, 0o755, 0o640]


def test_it_works_as_any_user(follow: Follow, tmp_path: Path, root: Path, as_user: AsUser) -> None:
    """In a folder that is open to all, without any right."""
    root.mkdir()
    root.chmod(0o777)
    running = follow("1", prefix=as_user(4321, 4321))
    change(running, tmp_path, "2")

    assert found_in(root) == {"key": "2", "d/secret": "2"}
    assert (root / "key").stat().st_uid == 4321


@pytest.mark.parametrize("layout", ["atomic"], indirect=True)
def test_it_works_after_somebody_else(follow: Follow, tmp_path: Path, root: Path, as_user: AsUser) -> None:
    """A run as root has left a generation that we may neither read nor remove: the links lead to ours."""
    root.mkdir()
    root.chmod(0o777)
    follow("left by root").stop()
    running = follow("1", prefix=as_user(4321, 4321))
    change(running, tmp_path, "2")

    assert found_in(root) == {"key": "2", "d/secret": "2"}


def test_a_folder_with_a_group_hands_it_on(follow: Follow, tmp_path: Path, root: Path, as_user: AsUser) -> None:
    """As fsGroup makes it: setgid. Folders that we make hand it on as well, so that the app may read what is secret."""
    root.mkdir()
    os.chown(root, 0, 4711)
    root.chmod(0o2775)
    running = follow("1", "--secret-mode=0440", prefix=as_user(4321, 4321, "--groups=4711"))
    change(running, tmp_path, "2")

    assert owners(root) == {(4321, 4711)}
    assert stat.S_IMODE((root / "d").stat().st_mode) == 0o2755
    assert stat.S_IMODE((root / "d/secret").stat().st_mode) == 0o440


def test_it_works_with_a_read_only_root(follow: Follow, tmp_path: Path, root: Path) -> None:
    """Nothing is written but below the configroot, not even to /tmp."""
    root.mkdir()
    script = f'mount -t tmpfs none {root} && mount -o remount,bind,ro / && ! touch /tmp/x 2>/dev/null && exec "$@"'
    running = follow("1", prefix=("unshare", "--mount", "sh", "-c", script, "sh"))
    change(running, tmp_path, "2")

    assert found_in(Path(f"/proc/{running.pid}/root{root}")) == {"key": "2", "d/secret": "2"}


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """Mount something, which is gone after the test."""
    place = tmp_path / "mounted"
    place.mkdir()

    def mount(*words: str) -> Path:
        subprocess.run(["mount", *words, str(place)], check=True)
        return place

    yield mount
    subprocess.run(["umount", "--lazy", str(place)], check=False)


def test_it_works_on_overlay(follow: Follow, mounted: Callable[..., Path], tmp_path: Path) -> None:
    """The file system of images: what the image brought lies in a lower layer, and stays there."""
    for name in ("lower/d", "upper", "work"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "lower/key").write_text("of the image")
    (tmp_path / "lower/d/own").write_text("of the image")
    layers = f"lowerdir={tmp_path}/lower,upperdir={tmp_path}/upper,workdir={tmp_path}/work"
    place = mounted("-t", "overlay", "-o", layers, "overlay")
    running = follow("1", place=place)
    change(running, tmp_path, "2")
    change(running, tmp_path, "3")
    running.stop()
    follow("3", place=place).stop()

    assert found_in(place) == {"key": "3", "d/secret": "3", "d/own": "of the image"}
    assert (tmp_path / "lower/key").read_text() == "of the image"


def test_a_volume_that_is_full_is_healed_when_there_is_space(
    follow: Follow, tmp_path: Path, mounted: Callable[..., Path]
) -> None:
    """The old revision stays meanwhile, the log says so once, and nothing else has to change."""
    place = mounted("-t", "tmpfs", "-o", "size=1m", "tmpfs")
    running = follow("1", place=place)
    (place / "filler").write_bytes(b"x" * 980_000)
    large = "2" * 60_000
    write(tmp_path, large)
    message = running.wait_for_event("config.failed")["message"]
    assert (place / "key").read_text() == (place / "d/secret").read_text() == "1"
    (place / "filler").unlink()
    running.out.wait_for("^reloaded .* '2222")

    assert (place / "key").read_text() == (place / "d/secret").read_text() == large
    assert "No space left on device" in message
    assert len(running.events("config.failed")) == 1


def test_a_volume_that_becomes_read_only_is_healed_when_it_is_not(
    follow: Follow, tmp_path: Path, mounted: Callable[..., Path]
) -> None:
    """As a disk with errors does, until somebody has mended it."""
    place = mounted("-t", "tmpfs", "tmpfs")
    running = follow("1", place=place)
    subprocess.run(["mount", "-o", "remount,ro", str(place)], check=True)
    write(tmp_path, "2")
    message = running.wait_for_event("config.failed")["message"]
    assert found_in(place) == {"key": "1", "d/secret": "1"}
    subprocess.run(["mount", "-o", "remount,rw", str(place)], check=True)
    running.out.wait_for("^reloaded .* '2'$")

    assert "Read-only file system" in message


def test_a_folder_that_cannot_be_had_is_said_at_the_start(start: Start, manifest: Manifest, layout: str, tmp_path: Path) -> None:
    """One that is a file is a mistake in the options, one that cannot be written to is a fault of the place. Nothing is run."""
    (tmp_path / "file").touch()
    for place, code, words in [
        (f"{tmp_path}/file", 2, "is not a folder"),
        ("/proc/self/fdinfo", 125, "cannot write to --configroot /proc"),
    ]:
        running = start(f"--manifest={manifest(key='1')}", f"--configroot={place}", f"--layout={layout}", command=["echo", "run"])

        assert running.wait() == code
        assert any(words in line for line in running.err.wait_for_end())
        assert running.out.wait_for_end() == []


def test_links_and_files_on_memory_and_disk_are_alike(follow: Follow, tmp_path: Path, mounted: Callable[..., Path]) -> None:
    """The mount point itself is the configroot; a restart finds what is live."""
    place = mounted("-t", "tmpfs", "tmpfs")
    running = follow("1", place=place)
    change(running, tmp_path, "2")
    running.stop()
    running = follow("2", place=place)
    change(running, tmp_path, "3")

    assert found_in(place) == {"key": "3", "d/secret": "3"}
    eventually(lambda: len([name for name in os.listdir(place) if name[2:4].isalnum() and "-" in name]) <= 2, "two generations")
