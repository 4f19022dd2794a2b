"""What is in the bundle, for scanners and lawyers: it comes from packages whose database the image does not have."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sysconfig
from importlib.metadata import distributions
from pathlib import Path
from urllib.parse import quote

Component = dict[str, object]


def describe(prefix: Path, modules: Path, taken: list[Path], hashes: dict[str, str]) -> None:
    """Write share/sbom.cdx.json (CycloneDX 1.5) and share/licences. `taken`: the files of this system that went in, Python first.

    Python packages have their licences in their own metadata, beside the modules. `hashes` are those of the archives that
    they came in; Debian's packages and our own have none, for their archives were not there.
    """
    licences = prefix / "share" / "licences"
    licences.mkdir(parents=True)
    owners = [_owner(path) for path in taken]
    components = [] if owners[0] else [_python(licences)]
    components += [_debian(package, licences) for package in sorted({*owners} - {""})]
    for found in sorted(distributions(path=[str(modules)]), key=lambda found: found.name):
        purl = f"pkg:pypi/{found.name.lower()}@{found.version}"
        component: Component = {"type": "library", "name": found.name, "version": found.version, "purl": purl}
        if found.name in hashes:
            component["hashes"] = [{"alg": "SHA-256", "content": hashes[found.name]}]
        components.append(component)
    document = {"bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1, "components": components}
    (prefix / "share" / "sbom.cdx.json").write_text(json.dumps(document, indent=1) + "\n")


def _python(licences: Path) -> Component:
    """Python, where it is not a package of the distribution."""
    shutil.copy(Path(sysconfig.get_path("stdlib")) / "LICENSE.txt", licences / "python")
    version = platform.python_version()
    return {"type": "application", "name": "python", "version": version, "purl": f"pkg:generic/python@{version}"}


def _debian(package: str, licences: Path) -> Component:
    version, source = _run("dpkg-query", "-W", "-f", "${Version}\n${source:Package}", package).split("\n")
    name = package.partition(":")[0]
    shutil.copy(f"/usr/share/doc/{name}/copyright", licences / name)
    purl = f"pkg:deb/debian/{name}@{quote(version)}?distro=debian&upstream={source}"
    return {"type": "library", "name": name, "version": version, "purl": purl}


def _owner(path: Path) -> str:
    """The Debian package that a file belongs to; empty if it belongs to none. /lib may be a link to /usr/lib."""
    for spelling in dict.fromkeys((path, Path(os.path.realpath(path)), Path("/usr") / path.relative_to("/"))):
        answer = subprocess.run(["dpkg", "-S", spelling], capture_output=True, text=True, check=False).stdout
        for line in answer.splitlines():
            if not line.startswith("diversion by"):
                return line.split(": ")[0].split(",")[0]
    return ""


def _run(*words: str) -> str:
    return subprocess.run(words, check=True, text=True, stdout=subprocess.PIPE).stdout
