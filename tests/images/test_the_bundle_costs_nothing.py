from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from supervisor import __version__
from tests.conftest import needs_root
from tests.images.engine import BUNDLE
from tests.stand_ins.real_api import RealApi

REPOSITORY = Path(__file__).parents[2]
MADE = REPOSITORY / "dist" / "bundle" / "config-supervisor"
PLAIN = Path(sys.executable).with_name("config-supervisor")
SIZE_MB_MAX = 60
RATIO_MAX = 1.2


@pytest.fixture(scope="module")
def figures(api: RealApi, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What tests/images/figures.py measures, with the bundle of `make bundle` mounted where it belongs."""
    folder = tmp_path_factory.mktemp("figures")
    api.client().apply("ConfigMap", "default", "app", {"key": "value"})
    kubeconfig = api.write_kubeconfig(folder / "kubeconfig")
    Path(BUNDLE).mkdir(parents=True, exist_ok=True)
    mount = f'mount --bind "$0" {BUNDLE} && exec "$@"'
    measure = [sys.executable, "-m", "tests.images.figures", str(kubeconfig), str(folder / "config"), str(PLAIN)]
    words = ["unshare", "--mount", "sh", "-c", mount, str(MADE), *measure]
    done = subprocess.run(words, cwd=REPOSITORY, stdout=subprocess.PIPE, check=True, text=True)
    print(done.stdout)
    return json.loads(done.stdout)


@needs_root
@pytest.mark.timeout(300)
def test_it_takes_no_more_room_than_promised(figures: Any) -> None:
    """With sources and bytecode, on the disk."""
    assert figures["size_mb"] <= SIZE_MB_MAX


@needs_root
@pytest.mark.parametrize("figure", ["start_ms", "memory_mb"])
@pytest.mark.parametrize("mode", ["init", "with a ConfigMap"])
def test_it_is_as_fast_and_light_as_a_plain_installation(figures: Any, mode: str, figure: str) -> None:
    """Start and memory, as a plain init and with a cluster."""
    assert figures[mode]["bundle"][figure] <= RATIO_MAX * figures[mode]["plain"][figure]


def test_it_says_what_is_in_it() -> None:
    """A bill of materials for scanners: Python, both C libraries, and the packages in the versions of the lock file."""
    document = json.loads((MADE / "share" / "sbom.cdx.json").read_text())
    named = {component["purl"].partition("@")[0]: component["version"] for component in document["components"]}
    packages = {purl.removeprefix("pkg:pypi/").replace("_", "-"): named[purl] for purl in named if purl.startswith("pkg:pypi/")}
    lock = (REPOSITORY / "requirements.lock").read_text()

    assert (document["bomFormat"], document["specVersion"]) == ("CycloneDX", "1.5")
    assert {"pkg:deb/debian/libc6", "pkg:deb/debian/musl-dev"} <= named.keys()
    assert any(purl.startswith(("pkg:generic/python", "pkg:deb/debian/python3")) for purl in named)
    assert packages.pop("config-supervisor") == __version__
    assert {"docopt-ng", "kubernetes", "psutil", "python-json-logger", "urllib3"} <= packages.keys()
    assert packages.items() <= dict(re.findall(r"^([\w.-]+)==([\w.]+)", lock, re.MULTILINE)).items()


def test_it_says_which_archive_each_package_came_in() -> None:
    """By its hash, one of those that the lock file has for that package."""
    document = json.loads((MADE / "share" / "sbom.cdx.json").read_text())
    locked = dict(re.findall(r"^([\w.-]+)==((?:.*\\\n)+.*)", (REPOSITORY / "requirements.lock").read_text(), re.MULTILINE))
    packages = [found for found in document["components"] if found["purl"].startswith("pkg:pypi/")]

    assert [found["name"] for found in packages if "hashes" not in found] == ["config-supervisor"]
    for found in packages:
        for named in found.get("hashes", []):
            assert named["alg"] == "SHA-256"
            assert f"--hash=sha256:{named['content']}" in locked[found["name"].replace("_", "-").lower()]
