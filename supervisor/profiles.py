"""The apps that we know, as data: a profile is a set of options, and any option that is given wins over it.

`{}` is the staged folder, `{root}` the configroot; each file name is the one that the app's documentation uses. What an app
cannot do is not in its options but in the hint, because its users have to know it before the first bad change.
"""

from __future__ import annotations

from typing import TypedDict


class Profile(TypedDict):
    """One app: what its users have to know; its options; those that a parent adds, and a sidecar; None: it cannot be one."""

    hint: str
    options: dict[str, str]
    parent: dict[str, str]
    sidecar: dict[str, str] | None


# PostgreSQL manual, 54.8 and 54.9: pg_file_settings says of each line of the files why it is not applied, the other likewise.
_POSTGRESQL_ERRORS = (
    "SELECT sourcefile, sourceline, name, error FROM pg_file_settings WHERE error IS NOT NULL"
    " UNION ALL SELECT current_setting($$hba_file$$), line_number, NULL, error FROM pg_hba_file_rules WHERE error IS NOT NULL"
)

PROFILES: dict[str, Profile] = {
    # nginx manual, "Controlling nginx": HUP starts new workers, or logs and goes on with the old ones; TERM is the fast stop.
    "nginx": {
        "hint": (
            "needs `daemon off;`, and relative names in `include`. The check does not see that an address is in use: "
            "the look for new workers does"
        ),
        "options": {"--validate": "nginx -t -q -c {}/nginx.conf", "--confirm-workers": "true", "--confirm-within": "10"},
        "parent": {"--reload-signal": "HUP", "--stop-signal": "QUIT"},
        "sidecar": {"--reload-signal": "HUP", "--reload-process": "nginx"},
    },
    # Prometheus manual, "Configuration": HUP, or /-/reload, which answers with the verdict; a metric tells of the last reload.
    "prometheus": {
        "hint": "names of rule files have to be relative. A sidecar uses `/-/reload`, which needs `--web.enable-lifecycle`",
        "options": {
            "--validate": "promtool check config {}/prometheus.yml",
            "--confirm-http": "http://localhost:9090/metrics",
            "--confirm-match": "(?m)^prometheus_config_last_reload_successful 1$",
        },
        "parent": {"--reload-signal": "HUP"},
        "sidecar": {"--reload-http": "http://localhost:9090/-/reload"},
    },
    # Alertmanager manual, "Management API": the same.
    "alertmanager": {
        "hint": "names of templates have to be relative",
        "options": {
            "--validate": "amtool check-config {}/alertmanager.yml",
            "--confirm-http": "http://localhost:9093/metrics",
            "--confirm-match": "(?m)^alertmanager_config_last_reload_successful 1$",
        },
        "parent": {"--reload-signal": "HUP"},
        "sidecar": {"--reload-http": "http://localhost:9093/-/reload"},
    },
    # PostgreSQL manual, 20.1 "Setting Parameters" and 19.5 "Shutting Down": TERM waits for all clients, INT does not.
    "postgresql": {
        "hint": (
            "started with `-c config_file=…/postgresql.conf`; `psql` must get in, as `PGUSER` (postgres). It takes HUP in "
            "silence, so it is asked for errors. A parameter that needs a restart is one"
        ),
        "options": {
            "--validate": "postgres -C config_file -D {} -c config_file={}/postgresql.conf",
            "--confirm-command": (
                'sh -c \'found=$(PGUSER=${PGUSER:-postgres} psql -XAtqc "$1") && test -z "$found" || { echo "$found"; exit 1; }\''
                f" sh '{_POSTGRESQL_ERRORS}'"
            ),
        },
        "parent": {"--reload-signal": "HUP", "--stop-signal": "INT"},
        "sidecar": {"--reload-signal": "HUP", "--reload-process": "postgres"},
    },
    # HAProxy management guide, "Master-worker mode": USR2 executes the master again, which goes on with the old workers if the
    # file is bad; "Stopping": USR1 is the soft stop.
    "haproxy": {
        "hint": (
            "needs master-worker mode: `haproxy -W -f …/haproxy.cfg`. It loses a soft stop that comes while it reloads: give "
            "`--kill-timeout`"
        ),
        "options": {"--validate": "haproxy -c -f {}/haproxy.cfg", "--confirm-workers": "true", "--confirm-within": "10"},
        "parent": {"--reload-signal": "USR2", "--stop-signal": "USR1"},
        "sidecar": {"--reload-signal": "USR2", "--reload-process": "haproxy"},
    },
    # httpd manual, "Stopping and Restarting": USR1 is the graceful restart, at which the parent leaves if the file is bad.
    "apache": {
        "hint": "`httpd -DFOREGROUND -f …/httpd.conf`. A bad file would end it: the check is not optional",
        "options": {"--validate": "httpd -t -f {}/httpd.conf", "--confirm-workers": "true", "--confirm-within": "10"},
        "parent": {"--reload-signal": "USR1", "--stop-signal": "WINCH"},
        "sidecar": {"--reload-signal": "USR1", "--reload-process": "httpd"},
    },
    # unbound(8): HUP reads the files again and empties the cache; it leaves if they cannot be parsed.
    "unbound": {
        "hint": "`unbound -d -c …/unbound.conf`. HUP empties its cache. A bad file would end it: the check is not optional",
        "options": {"--validate": "unbound-checkconf {}/unbound.conf"},
        "parent": {"--reload-signal": "HUP"},
        "sidecar": {"--reload-signal": "HUP", "--reload-process": "unbound"},
    },
    # dnsmasq(8), "NOTES": on HUP it reads hosts files again, but not the configuration file.
    "dnsmasq": {
        "hint": "`dnsmasq -k -C …/dnsmasq.conf`. It reads its configuration only at the start",
        "options": {"--validate": "dnsmasq --test -C {}/dnsmasq.conf"},
        "parent": {"--reload-restart": "true"},
        "sidecar": None,
    },
    # mosquitto(8), "SIGNALS"; --test-config came with 2.1.
    "mosquitto": {
        "hint": (
            "HUP does not reach all of its options, and it goes on with a bad file in silence. Before 2.1 it has no "
            "check; then `--validate='mosquitto --test-config -c {}/mosquitto.conf'`"
        ),
        "options": {},
        "parent": {"--reload-signal": "HUP"},
        "sidecar": {"--reload-signal": "HUP", "--reload-process": "mosquitto"},
    },
    # squid(8): -k parse, -N; HUP is -k reconfigure, at which it quits on an unknown directive.
    "squid": {
        "hint": (
            "`squid -N -f …/squid.conf`. A reload closes its ports for a moment. A bad file would end it: the check is "
            "not optional"
        ),
        "options": {"--validate": "squid -k parse -f {}/squid.conf"},
        "parent": {"--reload-signal": "HUP"},
        "sidecar": {"--reload-signal": "HUP", "--reload-process": "squid"},
    },
    # Fluent Bit manual, "Hot reload": the answer is 200 whatever became of the file.
    "fluent-bit": {
        "hint": "needs `hot_reload: on` and `http_server: on`. It says yes to a bad file too: only the check tells",
        "options": {
            "--validate": "fluent-bit --dry-run -c {}/fluent-bit.yaml",
            "--reload-http": "http://localhost:2020/api/v2/reload",
            "--reload-http-body": "{}",
        },
        "parent": {},
        "sidecar": {},
    },
    # Vector manual, "validate" (78 for a bad file; without the flag it asks the real sinks) and "Reloading".
    "vector": {
        "hint": "its global options need a restart",
        "options": {"--validate": "vector validate --no-environment {}/vector.yaml"},
        "parent": {"--reload-signal": "HUP"},
        "sidecar": {"--reload-signal": "HUP", "--reload-process": "vector"},
    },
    # PgBouncer manual, "Signals": INT waits for running queries; TERM, since 1.23, for all clients.
    "pgbouncer": {
        "hint": "has no check. A reload that fails leaves a mix of old values and defaults, and nothing tells of it",
        "options": {},
        "parent": {"--reload-signal": "HUP", "--stop-signal": "INT"},
        "sidecar": {"--reload-signal": "HUP", "--reload-process": "pgbouncer"},
    },
    # Envoy manual, "Command line options": --mode validate; HUP is only logged.
    "envoy": {
        "hint": "is started again. Files of dynamic resources it reads by itself: give `--reload-none`",
        "options": {"--validate": "envoy --mode validate -c {}/envoy.yaml"},
        "parent": {"--reload-restart": "true"},
        "sidecar": None,
    },
    # Caddy manual, "Command Line": caddy reload asks the admin API, and exits with 1 if it says no. Since 2.6 it opens its
    # ports anew with SO_REUSEPORT, and the kernel resets what waits at the old ones, unless it may move it (Linux, ip-sysctl).
    "caddy": {
        "hint": (
            "names of imported files have to be relative. Its admin API must be on. A reload resets connections that it has not "
            "accepted yet, unless the pod's network has `net.ipv4.tcp_migrate_req=1` (Linux 5.14)"
        ),
        "options": {
            "--validate": "caddy validate --adapter caddyfile --config {}/Caddyfile",
            "--reload-command": "caddy reload --adapter caddyfile --config {root}/Caddyfile",
        },
        "parent": {},
        "sidecar": {},
    },
    # Redis manual, "Configuration": files are read at the start alone; HUP is ignored.
    "redis": {
        "hint": "has no check, and is started again: what is only in memory is saved as its configuration says",
        "options": {},
        "parent": {"--reload-restart": "true"},
        "sidecar": None,
    },
}

# An option that is given takes the place of all in its group.
_GROUPS = (
    ("--reload-signal", "--reload-http", "--reload-command", "--reload-restart", "--reload-exit", "--reload-none"),
    ("--confirm-http", "--confirm-match", "--confirm-command", "--confirm-workers"),
    ("--stop-signal", "--rewrite"),
)


def options_of(profile: Profile, root: str, given: set[str], *, has_command: bool) -> dict[str, str]:
    """The options that a profile adds to those that are given."""
    options = profile["options"] | (profile["parent"] if has_command else profile["sidecar"] or {})
    for group in _GROUPS:
        if given & set(group):
            options = {name: text for name, text in options.items() if not name.startswith(group)}
    return {name: text.replace("{root}", root) for name, text in options.items() if name not in given}
