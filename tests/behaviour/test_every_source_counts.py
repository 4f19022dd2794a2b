from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import pytest

from tests.conftest import Manifest, Start
from tests.manifests import METADATA, configmap, put
from tests.running import Running, eventually, program
from tests.stand_ins.api import StandInApi
from tests.stand_ins.client import Client
from tests.stand_ins.kubelet import Mount


@pytest.fixture
def api() -> StandInApi:
    """An API server that is not started."""
    return StandInApi()


def write(path: Path, name: str, **data: str) -> Path:
    """A manifest of one ConfigMap, renamed into place."""
    return put(path, configmap(name, data))


def files(root: Path) -> dict[str, str]:
    """What a plain reader finds, by path."""
    found = {}
    for folder, below, names in os.walk(root, followlinks=True):
        below[:] = [name for name in below if not name.startswith("..")]
        for name in names:
            path = Path(folder, name)
            if not name.startswith(".."):
                with suppress(FileNotFoundError, IsADirectoryError):  # gone meanwhile, or its link leads to a folder now
                    found[str(path.relative_to(root))] = path.read_text()
    return found


def become(running: Running, root: Path, expected: dict[str, str]) -> None:
    """Wait until the folder holds this and nothing else."""
    eventually(lambda: root.is_dir() and files(root) == expected, f"{expected}, not {running.err.all()[-3:]}")


def test_all_kinds_of_sources_are_one_folder(start: Start, api: StandInApi, root: Path, tmp_path: Path) -> None:
    """Named and labelled objects of both kinds, files and folders; a change of each is in it."""
    with api:
        client = api.client()
        mount = Mount(tmp_path / "mount")
        mount.write({"from-mount": "1"})
        (tmp_path / "plain").mkdir()
        client.create("ConfigMap", "default", "app", {"from-name": "1"})
        client.create("Secret", "prod", "app", {"from-secret": "1"})
        client.create("ConfigMap", "default", "one", {"from-label": "1"}, labels={"app": "web"})
        running = start(
            f"--kubeconfig={api.write_kubeconfig(tmp_path / 'kubeconfig')}",
            *("--configmap=app", "--secret=prod/app", "--configmap-selector=app=web", "--secret-selector=app=web"),
            *(f"--manifest={write(tmp_path / f'{name}.yaml', name, **{f'from-{name}': '1'})}" for name in ("first", "second")),
            *(f"--watch-dir={tmp_path / name}" for name in ("mount", "plain")),
            *(f"--configroot={root}", "--reload-interval=0"),
        )
        names = ["from-name", "from-secret", "from-label", "from-first", "from-second", "from-mount"]
        become(running, root, dict.fromkeys(names, "1"))

        client.replace("ConfigMap", "default", "app", {"from-name": "2"})
        client.replace("Secret", "prod", "app", {"from-secret": "2"})
        client.replace("ConfigMap", "default", "one", {"from-label": "2"}, labels={"app": "web"})
        client.create("Secret", "default", "two", {"from-both": "2"}, labels={"app": "web"})
        write(tmp_path / "first.yaml", "first", **{"from-first": "2"})
        write(tmp_path / "second.yaml", "second", **{"from-second": "2"})
        mount.write({"from-mount": "2"})
        (tmp_path / "plain/from").mkdir()
        (tmp_path / "plain/from/plain").write_text("2")
        become(running, root, {**dict.fromkeys(names, "2"), "from-both": "2", "from/plain": "2"})


def test_nothing_is_published_until_every_source_has_spoken(start: Start, root: Path, tmp_path: Path) -> None:
    """Half a configuration is none; the log says for whom we wait."""
    there = write(tmp_path / "there.yaml", "there", a="1")
    running = start(
        f"--manifest={there}", f"--watch-dir={tmp_path}/late", f"--configroot={root}", command=program("show_signals")
    )
    running.wait_for_event("source.found")
    problem = running.wait_for_event("source.problem")["message"]
    write(there, "there", a="2")
    assert not (root / "..data").exists()
    (tmp_path / "late").mkdir()
    running.out.wait_for("ready")

    assert problem == f"folder {tmp_path}/late does not exist: waiting for it"
    become(running, root, {"a": "2"})


def test_optional_sources_are_not_waited_for(start: Start, root: Path, tmp_path: Path) -> None:
    """They count as soon as they are there, and as long."""
    running = start(
        f"--manifest={tmp_path}/late.yaml",
        f"--watch-dir={tmp_path}/late",
        f"--configroot={root}",
        "--optional",
        "--reload-interval=0",
    )
    become(running, root, {})
    write(tmp_path / "late.yaml", "late", a="1")
    become(running, root, {"a": "1"})
    (tmp_path / "late").mkdir()
    (tmp_path / "late/b").write_text("2")
    become(running, root, {"a": "1", "b": "2"})
    (tmp_path / "late.yaml").unlink()
    become(running, root, {"b": "2"})


def test_a_broken_edit_leaves_what_was_there(start: Start, manifest: Manifest, root: Path) -> None:
    """The log says line and column, once; when it is mended, that is live."""
    path = manifest(a="1")
    running = start(f"--manifest={path}", f"--configroot={root}", "--reload-interval=0")
    become(running, root, {"a": "1"})
    for text in (
        f"kind: ConfigMap\nmetadata: {METADATA[:-1]}\ndata: {{a: '2'}}\n",
        f"kind: ConfigMap\nmetadata: {METADATA}\ndata: {{a: 2}}\n",
    ):
        path.write_text(text)
        number = 1 + (": 2}" in text)
        message = running.wait_for_event("source.problem", times=number)["message"]
        assert message.startswith(f"{path}, line 3, column ")
        assert files(root) == {"a": "1"}
    manifest(a="3")

    become(running, root, {"a": "3"})
    assert len(running.events("source.problem")) == 2


def test_a_folder_that_is_removed_and_made_again_is_followed(start: Start, root: Path, tmp_path: Path) -> None:
    """Between the two, what was there stays; and the log says that it is missing."""
    source = tmp_path / "source"
    (source / "deep/er").mkdir(parents=True)
    (source / "deep/er/a").write_text("1")
    running = start(f"--watch-dir={source}", f"--configroot={root}", "--reload-interval=0")
    become(running, root, {"deep/er/a": "1"})
    source.rename(tmp_path / "removed")  # in one step
    running.wait_for_event("source.problem")
    assert files(root) == {"deep/er/a": "1"}
    (source / "deep").mkdir(parents=True)
    (source / "deep/b").write_text("2")

    become(running, root, {"deep/b": "2"})


def test_two_sources_that_want_one_path_are_refused_and_the_old_revision_stays(start: Start, root: Path, tmp_path: Path) -> None:
    """Both are named, with their files; when one gives way, the other is live."""
    first, second = (write(tmp_path / f"{name}.yaml", name, **{name: "1"}) for name in ("first", "second"))
    running = start(f"--manifest={first}", f"--manifest={second}", f"--configroot={root}", "--reload-interval=0")
    become(running, root, {"first": "1", "second": "1"})
    write(second, "second", first="2")
    message = running.wait_for_event("config.refused")["message"]
    assert f"'first' is wanted by both ConfigMap default/first ({first}) and ConfigMap default/second ({second})" in message
    assert files(root) == {"first": "1", "second": "1"}
    write(first, "first", other="3")

    become(running, root, {"other": "3", "first": "2"})


@pytest.mark.parametrize("key", ["..", "../up", "/etc/passwd", "a//b", "a/./b", "..data", "x" * 256, "a/..b", ""])
def test_a_key_that_leads_elsewhere_is_refused_and_the_old_revision_stays(
    start: Start, root: Path, tmp_path: Path, key: str
) -> None:
    """The object and the key are named. Nothing else of that revision is live either."""
    path = write(tmp_path / "app.yaml", "app", a="1")
    running = start(f"--manifest={path}", f"--configroot={root}", "--reload-interval=0")
    become(running, root, {"a": "1"})
    write(path, "app", **{"a": "2", key: "x"})
    message = running.wait_for_event("config.refused")["message"]

    assert f"ConfigMap default/app ({path}): {key!r} cannot be a file name" in message
    assert files(root) == {"a": "1"}


def test_all_that_shapes_files_goes_together(start: Start, root: Path, tmp_path: Path) -> None:
    """Items of one object, a template and a separator for the others, variables, packed keys, modes."""
    import base64
    import gzip

    packed = base64.b64encode(gzip.compress(b"region: $(REGION), price: 5$$\n")).decode()
    objects = [
        configmap("one", {"keep": "1", "drop": "2"}),
        configmap("two", {"rules.d__a.yml": "x"}, binaryData={"conf.gz": packed}),
        configmap("three", kind="Secret", stringData={"password": "no newline"}),
    ]
    path = put(tmp_path / "all.yaml", {"kind": "List", "items": objects})
    start(
        *(f"--manifest={path}", f"--configroot={root}", "--item=one:keep=top/kept.conf", "--path={name}/{key}"),
        *("--key-separator=__", "--expand", "--gunzip", "--file-mode=0604", "--secret-mode=0400", "--dir-mode=0711", "--once"),
        environment={"REGION": "north"},
    ).wait()

    assert files(root) == {
        "top/kept.conf": "1",
        "two/rules.d/a.yml": "x",
        "two/conf": "region: north, price: 5$\n",
        "three/password": "no newline",
    }
    modes = [(root / name).stat().st_mode & 0o7777 for name in ("top/kept.conf", "three/password", "two/rules.d", "")]
    assert modes == [0o604, 0o400, 0o711, 0o711]


def test_a_bomb_and_an_unset_variable_are_refused(start: Start, root: Path, tmp_path: Path) -> None:
    """The old revision stays, the memory does not grow, and the reason is in the log."""
    import base64
    import gzip

    path = write(tmp_path / "app.yaml", "app", a="1")
    running = start(f"--manifest={path}", f"--configroot={root}", "--expand", "--gunzip", "--reload-interval=0")
    become(running, root, {"a": "1"})
    bomb = base64.b64encode(gzip.compress(b"\0" * 2**28)).decode()
    for data, reason in [
        ({"binaryData": {"a.gz": bomb}}, "larger than 64 MiB"),
        ({"data": {"a": "$(NO_SUCH)"}}, "$(NO_SUCH) in line 1"),
    ]:
        put(path, configmap("app", **data))
        eventually(lambda reason=reason: any(reason in event["message"] for event in running.events("config.refused")), reason)  # type: ignore[misc]

    assert files(root) == {"a": "1"}
    peak_kib = int(
        next(line for line in Path(f"/proc/{running.pid}/status").read_text().splitlines() if "VmHWM" in line).split()[1]
    )
    assert peak_kib < 200 * 1024


def test_one_object_found_twice_is_one(start: Start, api: StandInApi, root: Path, tmp_path: Path) -> None:
    """By its name and by its label."""
    with api:
        client: Client = api.client()
        client.create("ConfigMap", "default", "app", {"a": "1"}, labels={"app": "web"})
        running = start(
            f"--kubeconfig={api.write_kubeconfig(tmp_path / 'kubeconfig')}",
            *("--configmap=app", "--configmap-selector=app=web", f"--configroot={root}", "--reload-interval=0"),
        )
        become(running, root, {"a": "1"})
        client.replace("ConfigMap", "default", "app", {"a": "2"}, labels={"app": "web"})

        become(running, root, {"a": "2"})
        assert running.events("config.refused") == []
