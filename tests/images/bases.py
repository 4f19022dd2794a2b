"""The images that ours are built from: those on this machine, else from a registry, else stand-ins where there is no registry.

CONTAINERS=podman python -m tests.images.bases
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

HERE = Path(__file__).parent

DEBIAN = "docker.io/library/debian:trixie-slim"
PYTHON = "docker.io/library/python:3.13-slim-trixie"
MUSL = "docker.io/library/alpine:3.22"
DISTROLESS = "gcr.io/distroless/base-debian12:nonroot"
# Where no registry is reached: an image that is made from Debian's packages, or a folder of `bases` with a Dockerfile.
STAND_INS = {
    DEBIAN: DEBIAN,
    PYTHON: PYTHON,
    MUSL: "localhost/musl-base",
    DISTROLESS: "localhost/distroless-base",
    "docker.io/library/nginx:1.28": "nginx",
    "docker.io/prom/prometheus:v3.5.0": "prometheus",
    "docker.io/library/postgres:17": "postgres",
    "docker.io/library/haproxy:3.0": "haproxy",
}


def main() -> None:
    """Get all of them, and say for which there are stand-ins."""
    for image, stand_in in STAND_INS.items():
        if _engine("image", "inspect", image) or _engine("pull", "--quiet", image):
            continue
        print(f"{image}: no registry has it for us, {stand_in} stands in for it", flush=True)
        folder = HERE / "bases" / stand_in
        if folder.is_dir():
            subprocess.run([os.environ["CONTAINERS"], "build", "--tag", image, folder], check=True)
        elif stand_in != image:
            subprocess.run([os.environ["CONTAINERS"], "tag", stand_in, image], check=True)


def _engine(*words: str) -> bool:
    return subprocess.run([os.environ["CONTAINERS"], *words], capture_output=True, check=False).returncode == 0


if __name__ == "__main__":
    main()
