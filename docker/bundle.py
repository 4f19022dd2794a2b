"""Make a folder that is config-supervisor for any Linux image: interpreter, modules, C library and loader, and nothing else.

    python3 bundle.py PREFIX PROJECT

PREFIX is where it will lie, because the kernel finds the loader by its absolute path; PROJECT is a checkout. Run by the
Python that is to be bundled; needs gcc, musl-gcc, binutils, patchelf and, for the licences, dpkg.
"""

from __future__ import annotations

import compileall
import json
import os
import py_compile
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

from contents import find_modules, find_rest
from describe import describe

HERE = Path(__file__).parent
STDLIB = Path(sysconfig.get_path("stdlib"))
VERSION = f"python{sys.version_info.major}.{sys.version_info.minor}"


def main() -> None:
    """Make the bundle that the command line asks for."""
    prefix, project = Path(sys.argv[1]), Path(sys.argv[2])
    if prefix.exists():
        shutil.rmtree(prefix)
    with tempfile.TemporaryDirectory() as folder:
        packages = Path(folder)
        hashes = install(project, packages)
        taken = copy_python(prefix, packages)
    taken += make_independent(prefix)
    taken.append(build_entry(prefix))
    compileall.compile_dir(prefix / "lib" / VERSION, quiet=1, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
    describe(prefix, prefix / "lib" / VERSION, taken, hashes)
    print(f"{prefix}: {sum(path.lstat().st_blocks for path in prefix.rglob('*')) * 512 / 1e6:.1f} MB")


def install(project: Path, packages: Path) -> dict[str, str]:
    """Install what the lock file names, and the project, built with what another names, into a folder.

    Returns the SHA-256 by package of the archive that pip has chosen of those that the lock file names.
    """
    report = packages / "report.json"
    pip = (sys.executable, "-m", "pip", "install", "--no-deps", "--quiet", "--no-compile", "--root-user-action=ignore")
    run(*pip, "--target", packages, "--require-hashes", "--requirement", project / "requirements.lock", "--report", report)
    installed = json.loads(report.read_text())["install"]
    report.unlink()
    with tempfile.TemporaryDirectory() as backend:
        run(*pip, "--target", backend, "--require-hashes", "--requirement", HERE / "build-requirements.lock")
        # --upgrade: into a folder that is not empty
        run("env", f"PYTHONPATH={backend}", *pip, "--target", packages, "--no-build-isolation", "--upgrade", project)
    return {found["metadata"]["name"]: found["download_info"]["archive_info"]["hashes"]["sha256"] for found in installed}


def copy_python(prefix: Path, packages: Path) -> list[Path]:
    """Copy the interpreter and every module that can be imported; return where those of Python came from.

    All modules go to one folder: nothing is looked for twice, and Python needs no site module to find it.
    """
    goal = prefix / "lib" / VERSION
    (prefix / "bin").mkdir(parents=True)
    (goal / "lib-dynload").mkdir(parents=True)  # Python takes its prefix from where this is
    shutil.copy2(os.path.realpath(sys.executable), prefix / "bin" / VERSION)
    modules = find_modules([packages, STDLIB, STDLIB / "lib-dynload"])
    for path in [*modules, *find_rest(packages, modules)]:
        copy(path, goal / path.relative_to(packages if path.is_relative_to(packages) else STDLIB))
    return [Path(os.path.realpath(sys.executable)), *(path for path in modules if path.is_relative_to(STDLIB))]


def copy(path: Path, goal: Path) -> None:
    """Copy a file, which anybody may read."""
    goal.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, goal)
    goal.chmod(0o755 if path.name.endswith(tuple(EXTENSION_SUFFIXES)) else 0o644)


def make_independent(prefix: Path) -> list[Path]:
    """Copy the loader and every library that anything in the bundle names, and let all of it find only these.

    Returns where the libraries came from.
    """
    lib, python = prefix / "lib", prefix / "bin" / VERSION
    loader = Path(run("patchelf", "--print-interpreter", python).strip())
    libc = next(Path(found) for found in re.findall(r"=> (\S+/libc\.so\S*)", run("ldd", python)))
    elves = [path for path in prefix.rglob("*") if path.is_file() and path.read_bytes().startswith(b"\x7fELF")]
    wanted = {Path(found) for elf in elves for found in re.findall(r"=> (/\S+)", run("ldd", elf))}
    wanted |= {loader, libc.with_name("libgcc_s.so.1")}  # glibc loads the second one when a thread is cancelled
    for path in wanted:
        copy(Path(os.path.realpath(path)), lib / path.name)
    apart = lib / "apart.so"
    authorities = f'-DOWN_AUTHORITIES="{prefix}/lib/{VERSION}/certifi/cacert.pem"'
    run("gcc", "-Wall", "-Wextra", "-Os", "-s", "-shared", "-fPIC", authorities, "-o", apart, HERE / "apart.c")
    for elf in [*elves, *(lib / path.name for path in wanted), apart]:
        elf.chmod(0o755)
        run("strip", "--strip-unneeded", elf)
        if elf.name not in {loader.name, libc.name}:
            run("patchelf", "--force-rpath", "--set-rpath", lib, elf)  # before LD_LIBRARY_PATH, unlike DT_RUNPATH
            run("patchelf", "--no-default-lib", elf)
    run("patchelf", "--set-interpreter", lib / loader.name, "--add-needed", apart, python)
    return list(wanted)


def build_entry(prefix: Path) -> Path:
    """Build the program that users name as their ENTRYPOINT; return the C library that becomes a part of it."""
    entry, python = prefix / "bin" / "config-supervisor", prefix / "bin" / VERSION
    options = ("-Wall", "-Wextra", "-Os", "-s", "-static", f'-DPYTHON="{python}"')
    linked = run("musl-gcc", *options, "-Wl,--trace", "-o", entry, HERE / "launcher.c")
    (prefix / "bin" / "python").symlink_to(VERSION)
    (prefix / "bin" / "config-controller").symlink_to("config-supervisor")  # the name of the Go program of 2016
    found = re.search(r"/\S+/libc\.a", linked)  # asked for its libraries, musl-gcc names those of gcc
    assert found, linked
    return Path(found[0])


def run(*words: str | Path) -> str:
    """Run a program to its end and return what it prints. Raises CalledProcessError if it fails."""
    return subprocess.run(words, check=True, text=True, stdout=subprocess.PIPE).stdout


if __name__ == "__main__":
    main()
