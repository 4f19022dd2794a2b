from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.manifests import configmap, put
from tests.side import side

pytestmark = pytest.mark.apps

GOOD = "events {}\nhttp { include conf.d/*.conf; }\n"
SITE = "server { listen 127.0.0.1:8099; return 200 hello; }\n"


@pytest.mark.skipif(not shutil.which("nginx"), reason="no nginx")
def test_a_pull_request_is_checked_by_the_profile_of_nginx(tmp_path: Path) -> None:
    """The real nginx says yes to a good one, and where it is wrong to a bad one."""
    manifest = tmp_path / "nginx.yaml"

    def check(site: str) -> tuple[int, str]:
        data = {"nginx.conf": GOOD, "conf.d__site.conf": site}
        put(manifest, configmap("nginx", data))
        options = (f"--manifest={manifest}", f"--configroot={tmp_path}/nginx", "--key-separator=__", "--profile=nginx")
        said = side("check", *options)
        assert said.err == ""
        return said.code, said.out

    good, bad = check(SITE), check(SITE.replace("return", "retrun"))

    assert good[0] == 0
    assert good[1].splitlines()[0].startswith("added conf.d/site.conf")
    assert good[1].endswith("--validate says yes\n")
    assert bad[0] == 1
    assert 'unknown directive "retrun"' in bad[1]
