from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.apps.conftest import App, Site, Visitor, applied, free_port, get
from tests.conftest import needs_root

pytestmark = [pytest.mark.apps, needs_root]

Make = Callable[[App], Site]
Visit = Callable[[Callable[[], str]], Visitor]


def nginx(folder: Path) -> App:
    """Two workers, which answer with the word."""
    port = free_port()

    def files(word: str) -> dict[str, str]:
        directive = "retrun" if word == "bad" else "return"
        main = (
            f"daemon off; pid {folder}/nginx.pid; error_log stderr; worker_processes 2; events {{}} http {{ include site.conf; }}"
        )
        site = f"access_log off; server {{ listen 127.0.0.1:{port}; location / {{ {directive} 200 {word}; }} }}"
        return {"nginx.conf": main, "site.conf": site}

    return App("nginx", ["nginx", "-c", f"{folder}/config/nginx.conf"], files, lambda: get(port))


def haproxy(folder: Path) -> App:
    """A master and a worker, which answers with the word."""
    port = free_port()

    def files(word: str) -> dict[str, str]:
        lines = [
            "global",
            *("defaults", " mode http", " timeout client 9s", " timeout server 9s", " timeout connect 9s"),
            "frontend f",
            f" bind 127.0.0.1:{port}",
            f" http-request return status 200 content-type text/plain string {word}",
            *([" no-such-keyword"] if word == "bad" else []),
        ]
        return {"haproxy.cfg": "\n".join(lines) + "\n"}

    return App("haproxy", ["haproxy", "-W", "-f", f"{folder}/config/haproxy.cfg"], files, lambda: get(port))


def prometheus(folder: Path) -> App:
    """It answers a question about itself with the word, which is an external label."""
    port = free_port()

    def files(word: str) -> dict[str, str]:
        return {
            "prometheus.yml": f"global: {{external_labels: {{word: {word}}}}}\n" + ("scrape_config: 1\n" if word == "bad" else "")
        }

    def ask() -> str:
        found = re.search(r"word: (\w+)", get(port, "/api/v1/status/config"))
        return found[1] if found else ""

    return App(
        "prometheus",
        [
            *("prometheus", f"--config.file={folder}/config/prometheus.yml", f"--storage.tsdb.path={folder}/data"),
            *(f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn"),
        ],
        files,
        ask,
        [f"--confirm-http=http://127.0.0.1:{port}/metrics", "--confirm-match=(?m)^prometheus_config_last_reload_successful 1$"],
    )


def alertmanager(folder: Path) -> App:
    """It answers a question about itself with the word, which is its receiver."""
    port = free_port()

    def files(word: str) -> dict[str, str]:
        route = f"route: {{receiver: {'nobody' if word == 'bad' else word}}}\nreceivers: [{{name: {word}}}]\n"
        return {"alertmanager.yml": route}

    def ask() -> str:
        found = re.search(r"receiver: (\w+)", get(port, "/api/v2/status").replace("\\n", "\n"))
        return found[1] if found else ""

    return App(
        "alertmanager",
        [
            *("prometheus-alertmanager", f"--config.file={folder}/config/alertmanager.yml", f"--storage.path={folder}/data"),
            *(f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address=", "--log.level=warn"),
        ],
        files,
        ask,
        [f"--confirm-http=http://127.0.0.1:{port}/metrics", "--confirm-match=(?m)^alertmanager_config_last_reload_successful 1$"],
    )


def postgresql(folder: Path) -> App:
    """A database, asked for a setting by a new client each time."""
    data, nobody = folder / "data", ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
    environment = {"PGDATA": str(data), "PGHOST": str(folder), "PGDATABASE": "postgres", "PGUSER": "postgres"}
    for place in (folder, *folder.parents[:2]):
        place.chmod(0o777)
    if shutil.which("initdb"):
        subprocess.run([*nobody, "initdb", "-A", "trust", "-N", "-D", str(data)], check=True, stdout=subprocess.DEVNULL)

    def files(word: str) -> dict[str, str]:
        lines = ["listen_addresses = ''", f"unix_socket_directories = '{folder}'", f"cluster.word = '{word}'", "fsync = off"]
        return {"postgresql.conf": "\n".join([*lines, *(["work_mem = banana"] if word == "bad" else [])])}

    def ask() -> str:
        words = ["psql", "-XAtqc", "SHOW cluster.word"]
        done = subprocess.run(words, env={**environment, "PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=False)
        if done.returncode:
            raise ConnectionError(done.stderr)
        return done.stdout.strip()

    command = ["postgres", "-c", f"config_file={folder}/config/postgresql.conf"]
    return App("postgresql", command, files, ask, environment=environment, prefix=nobody)


def apache(folder: Path) -> App:
    """Debian calls it apache2."""
    port = free_port()

    def files(word: str) -> dict[str, str]:
        lines = [
            *("ServerName localhost", f"Listen 127.0.0.1:{port}", f"PidFile {folder}/pid", "ErrorLog /dev/stderr"),
            "DefaultRuntimeDir /tmp",
            *(
                f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so"
                for name in ("mpm_event", "authz_core", "alias")
            ),
            f'ErrorDocument 410 "{word}"',
            "Redirect gone /word",
            *(["NoSuchDirective on"] if word == "bad" else []),
        ]
        return {"httpd.conf": "\n".join(lines) + "\n"}

    def ask() -> str:
        try:
            return get(port, "/word")
        except ValueError as error:
            return str(error).removeprefix("410: ")

    command = ["apache2", "-DFOREGROUND", "-f", f"{folder}/config/httpd.conf"]
    return App("apache", command, files, ask, ["--validate=apache2 -t -f {}/httpd.conf"])


def caddy(folder: Path) -> App:
    """It answers with the word."""
    port, admin = free_port(), free_port()

    def files(word: str) -> dict[str, str]:
        respond = "respnod" if word == "bad" else "respond"
        return {
            "Caddyfile": f"{{\n admin localhost:{admin}\n auto_https off\n}}\nhttp://127.0.0.1:{port} {{\n {respond} {word}\n}}\n"
        }

    command = ["caddy", "run", "--config", f"{folder}/config/Caddyfile", "--adapter", "caddyfile"]
    reload = f"--reload-command=caddy reload --adapter caddyfile --config {folder}/config/Caddyfile --address localhost:{admin}"
    return App("caddy", command, files, lambda: get(port), [reload], {"HOME": str(folder)})


# What a plain reload of the app costs its users: nothing, for all but those named here, each with the reason.
COSTS: dict[str, str] = {}


@pytest.mark.parametrize(
    "make", [nginx, prometheus, postgresql, haproxy, alertmanager, apache, caddy], ids=lambda make: make.__name__
)
def test_a_good_change_is_served_a_bad_one_is_not_and_a_good_one_after_it_is(
    make: Callable[[Path], App], site: Make, visit: Visit, tmp_path: Path
) -> None:
    """Each within a second; the files are those of what is served, the log has the reason, and no visitor is turned away."""
    app = make(tmp_path)
    place = site(app)
    place.want(app.files("one"))
    running = place.run()
    applied(running, 1)
    visitor = visit(app.ask)
    visitor.wait_for("one", 10)

    began = time.monotonic()
    place.want(app.files("two"))
    assert visitor.wait_for("two", 10) - began < 1
    applied(running, 2)

    place.want(app.files("bad"))
    refused = running.wait_for_event("config.refused", deadline_s=20)
    assert (place.root / next(iter(app.files("two")))).read_text() == next(iter(app.files("two").values()))
    assert refused["message"].startswith("the configuration was refused: --validate: ")
    assert len(refused["message"].partition("exits 1: ")[2]) > 10, refused["message"]

    began = time.monotonic()
    place.want(app.files("three"))
    assert visitor.wait_for("three", 10) - began < 1
    applied(running, 3)
    visitor.stop()
    running.stop()

    assert {word for _, word in visitor.answers} == {"one", "two", "three"}
    assert visitor.failures == []
