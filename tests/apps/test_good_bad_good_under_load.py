from __future__ import annotations

import re
import shlex
import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.apps.conftest import App, Site, Visitor, applied, ask_dns, free_port, get
from tests.checkout import README
from tests.conftest import needs_root
from tests.running import eventually

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
    sysctl = "net.ipv4.tcp_migrate_req=1"
    return App("caddy", command, files, lambda: get(port), [reload], {"HOME": str(folder)}, sysctl=sysctl)


def unbound(folder: Path) -> App:
    """It answers with the word, as a text record."""
    port = free_port()

    def files(word: str) -> dict[str, str]:
        lines = [
            *("server:", f" interface: 127.0.0.1@{port}", " do-daemonize: no", ' username: ""', ' chroot: ""', ' pidfile: ""'),
            *(
                " use-syslog: no",
                ' module-config: "iterator"',
                ' local-zone: "test." static',
                f" local-data: 'word.test. TXT {word}'",
            ),
            *(["nonsense: yes"] if word == "bad" else []),
        ]
        return {"unbound.conf": "\n".join(lines) + "\n"}

    command = ["unbound", "-d", "-c", f"{folder}/config/unbound.conf"]
    costs = "it answers nobody while it reads its files"
    return App("unbound", command, files, lambda: ask_dns(port, "word.test"), costs=costs)


def dnsmasq(folder: Path) -> App:
    """The same."""
    port = free_port()

    def files(word: str) -> dict[str, str]:
        lines = [f"port={port}", "listen-address=127.0.0.1", "bind-interfaces", "no-resolv", "no-hosts", "user=root", "pid-file="]
        return {
            "dnsmasq.conf": "\n".join([*lines, f"txt-record=word.test,{word}", *(["nonsense"] if word == "bad" else [])]) + "\n"
        }

    command = ["dnsmasq", "-k", "-C", f"{folder}/config/dnsmasq.conf"]
    return App("dnsmasq", command, files, lambda: ask_dns(port, "word.test"), costs="it is started again")


def squid(folder: Path) -> App:
    """It names itself in a page that says that it was asked for nothing."""
    port = free_port()

    def files(word: str) -> dict[str, str]:
        lines = [
            *(f"http_port 127.0.0.1:{port}", f"visible_hostname {word}.test", f"pid_filename {folder}/pid", "cache deny all"),
            *(f"cache_log {folder}/log", "access_log none", "cache_store_log none", "shutdown_lifetime 1 seconds"),
            *(["nonsense"] if word == "bad" else []),
        ]
        return {"squid.conf": "\n".join(lines) + "\n"}

    def ask() -> str:
        with pytest.raises(ValueError, match="squid") as caught:
            get(port, "/x", whole=True)
        found = re.search(r"by (\w+)\.test", str(caught.value))
        return found[1] if found else ""

    command = ["squid", "-N", "-f", f"{folder}/config/squid.conf"]
    return App("squid", command, files, ask, costs="it closes its ports for a moment")


def mosquitto(folder: Path) -> App:
    """It lets those in whose client ID begins with the word."""
    port = free_port()

    def files(word: str) -> dict[str, str]:
        lines = [f"listener {port} 127.0.0.1", "allow_anonymous true", f"clientid_prefixes {word}"]
        return {"mosquitto.conf": "\n".join([*lines, *(["nonsense 1"] if word == "bad" else [])]) + "\n"}

    def ask() -> str:
        return next((word for word in ("one", "two", "three") if _mqtt_lets_in(port, word)), "nobody")

    return App("mosquitto", ["mosquitto", "-c", f"{folder}/config/mosquitto.conf"], files, ask, has_check=False)


def _mqtt_lets_in(port: int, client: str) -> bool:
    """Whether CONNECT is answered by CONNACK with code 0 (MQTT 3.1.1, 3.1 and 3.2)."""
    rest = b"\0\4MQTT\4\2\0\x3c" + len(client).to_bytes(2, "big") + client.encode()
    with socket.create_connection(("127.0.0.1", port), 2) as connection:
        connection.sendall(b"\x10" + bytes([len(rest)]) + rest)
        return connection.recv(4) == b"\x20\2\0\0"


def pgbouncer(folder: Path) -> App:
    """Its console shows the word, which is a setting."""
    port = free_port()

    def files(word: str) -> dict[str, str]:
        lines = [
            *("[databases]", "x = host=127.0.0.1", "[pgbouncer]", "listen_addr = 127.0.0.1", f"listen_port = {port}"),
            *("unix_socket_dir =", "auth_type = any", "admin_users = admin", *(["nonsense = 1"] if word == "bad" else [])),
            f"server_check_query = select '{word}'",
        ]
        return {"pgbouncer.ini": "\n".join(lines) + "\n"}

    def ask() -> str:
        words = ["psql", "-h", "127.0.0.1", "-p", str(port), "-U", "admin", "-XAtc", "SHOW CONFIG", "pgbouncer"]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if done.returncode:
            raise ConnectionError(done.stderr)
        found = re.search(r"server_check_query\|select '(\w+)'", done.stdout)
        return found[1] if found else ""

    nobody = ["setpriv", "--reuid=65534", "--clear-groups"]
    return App("pgbouncer", ["pgbouncer", f"{folder}/config/pgbouncer.ini"], files, ask, prefix=nobody, has_check=False)


def redis(folder: Path) -> App:
    """It tells a setting, which is the word."""
    port = free_port()

    def files(word: str) -> dict[str, str]:
        lines = ["bind 127.0.0.1", f"port {port}", 'save ""', f"dir {folder}", f"masterauth {word}"]
        return {"redis.conf": "\n".join([*lines, *(["nonsense 1"] if word == "bad" else [])]) + "\n"}

    def ask() -> str:
        with socket.create_connection(("127.0.0.1", port), 2) as connection:
            connection.sendall(b"CONFIG GET masterauth\r\n")
            answer = connection.recv(4096).decode().split("\r\n")
        return answer[4] if len(answer) > 4 else ""

    command = ["redis-server", f"{folder}/config/redis.conf"]
    return App("redis", command, files, ask, has_check=False, costs="it is started again")


APPS = [nginx, prometheus, postgresql, haproxy, alertmanager, apache, caddy, unbound, dnsmasq, squid, mosquitto, pgbouncer, redis]


# The recipes of the README, by profile: their options. A recipe's own command and ConfigMap have no ports of a test.
RECIPES = {
    words[1].rpartition("/")[2]: [word for word in words[3 : words.index("--")] if word]
    for block in re.findall(r"^```bash\n(config-supervisor .*?)^```", README, re.MULTILINE | re.DOTALL)
    for words in [shlex.split(block.replace("\\\n", " "))]
}


def test_six_apps_have_a_recipe() -> None:
    """Each names what the profile of that name stands for."""
    assert sorted(RECIPES) == ["apache", "caddy", "haproxy", "nginx", "postgresql", "prometheus"]


BY_RECIPE = [make for make in APPS if make.__name__ in RECIPES]
WAYS = [*((make, "profile") for make in APPS), *((make, "recipe") for make in BY_RECIPE)]


@pytest.mark.parametrize(("make", "way"), WAYS, ids=[f"{make.__name__} by {way}" for make, way in WAYS])
def test_a_good_change_is_served_a_bad_one_is_not_and_a_good_one_after_it_is(
    make: Callable[[Path], App], way: str, site: Make, visit: Visit, folder: Path
) -> None:
    """The files are those of what is served, the log has the reason, and nobody is turned away but by the app's own reload.

    Good ones are served within a second, or two if the app has to be started again.
    """
    app = make(folder)
    place = site(app)
    place.want(app.files("one"))
    running = place.run(recipe=RECIPES[app.profile] if way == "recipe" else ())
    applied(running, 1)
    visitor = visit(app.ask)
    visitor.wait_for("one", 10)
    limit_s = 4 if app.costs else 1

    began = time.monotonic()
    place.want(app.files("two"))
    assert visitor.wait_for("two", 10) - began < limit_s
    applied(running, 2)

    place.want(app.files("bad"))
    if app.has_check:
        refused = running.wait_for_event("config.refused", deadline_s=20)
        assert refused["message"].startswith("the configuration was refused: --validate: ")
        assert len(refused["message"].partition("exits 1: ")[2]) > 10, refused["message"]
    elif app.costs:
        running.wait_for_event("config.rolled_back", deadline_s=20)
    else:
        applied(running, 3)  # it says nothing: that is what its profile's hint warns of
        place.want(app.files("two"))
        applied(running, 4)
    assert (place.root / next(iter(app.files("two")))).read_text() == next(iter(app.files("two").values()))

    began = time.monotonic()
    place.want(app.files("three"))
    assert visitor.wait_for("three", 10) - began < limit_s
    eventually(place.is_confirmed, "the last one is confirmed")  # a soft stop of HAProxy during its reload is lost
    visitor.stop()
    running.stop()

    assert {word for _, word in visitor.answers} - {"nobody", "bad", ""} == {"one", "two", "three"}
    assert not app.has_check or "bad" not in {word for _, word in visitor.answers}
    assert app.costs or visitor.failures == []


# --- what a check does not see


@pytest.mark.parametrize("make", [nginx, haproxy, apache], ids=lambda make: make.__name__)
def test_new_workers_are_missed_when_an_address_is_in_use(
    make: Callable[[Path], App], site: Make, visit: Visit, folder: Path
) -> None:
    """Every check says yes to it. The app goes on with its old workers, or dies of it; either way the old files are back."""
    app = make(folder)
    place = site(app)
    place.want(app.files("one"))
    running = place.run()
    applied(running, 1)
    visitor = visit(app.ask)
    visitor.wait_for("one", 10)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        extra = {
            "nginx": ("site.conf", f" server {{ listen {address}; }}"),
            "haproxy": ("haproxy.cfg", f"frontend g\n bind {address}\n"),
            "apache": ("httpd.conf", f"Listen {address}\n"),
        }
        name, text = extra[app.profile]
        files = app.files("two")
        place.want({**files, name: files[name] + text})
        refused = running.wait_for_event("config.rolled_back", deadline_s=40)

    assert (place.root / name).read_text() == app.files("one")[name]
    if app.profile == "apache":
        assert "the command ended with exit code" in refused["message"]
        assert running.wait() != 0
        return
    assert "the app has started no new workers: its own log says why" in refused["message"]
    assert visitor.answers[-1][1] == "one"
    place.want(app.files("three"))
    visitor.wait_for("three", 10)
    visitor.stop()
    # HAProxy's new process bids the old one to let go of its addresses for two seconds, in case that helps.
    assert app.profile == "haproxy" or visitor.failures == []


def test_prometheus_is_asked_whether_it_took_it(site: Make, visit: Visit, folder: Path) -> None:
    """Here with a check that sees nothing: it reloads, fails, and says so by a metric."""
    app = prometheus(folder)
    place = site(app)
    place.want(app.files("one"))
    running = place.run("--validate=true", "--confirm-within=3")
    applied(running, 1)
    visitor = visit(app.ask)
    place.want(app.files("bad"))
    refused = running.wait_for_event("config.rolled_back", deadline_s=40)
    place.want(app.files("three"))
    visitor.wait_for("three", 10)
    applied(running, 2)

    assert "does not match --confirm-match" in refused["message"]
    assert {word for _, word in visitor.answers} == {"one", "three"}


@pytest.mark.parametrize("way", ["profile", "recipe"])
def test_postgresql_is_asked_which_settings_it_could_not_apply(site: Make, visit: Visit, folder: Path, way: str) -> None:
    """One that needs a restart is no error to a check; it takes HUP in silence, and would be live only after the next start."""
    app = postgresql(folder)
    place = site(app)
    place.want(app.files("one"))
    running = place.run("--confirm-within=3", recipe=RECIPES["postgresql"] if way == "recipe" else ())
    applied(running, 1)
    visitor = visit(app.ask)
    visitor.wait_for("one", 10)
    files = app.files("two")
    place.want({"postgresql.conf": files["postgresql.conf"] + "\nmax_connections = 77\n"})
    refused = running.wait_for_event("config.rolled_back", deadline_s=40)
    assert visitor.answers[-1][1] == "one"
    place.want(app.files("three"))
    visitor.wait_for("three", 10)
    visitor.stop()

    assert "max_connections" in refused["message"]
    assert visitor.failures == []
