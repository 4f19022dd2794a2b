from __future__ import annotations

import dataclasses
import os
import re
import signal
from pathlib import Path
from typing import Any

import pytest

from supervisor import __version__, cli, usage
from supervisor.errors import UsageError
from supervisor.settings import (
    Address,
    ClusterSettings,
    FileSettings,
    HttpSettings,
    Item,
    LogSettings,
    ObjectName,
    ReloadSettings,
    Selector,
    Settings,
    SourceSettings,
    User,
)

SIDECAR = ["--configmap=app", "--configroot=/config"]
URL = "http://localhost:9090/-/reload"


def read(*words: str, **environment: str) -> Settings:
    """The settings of a command line, and an environment."""
    return cli.read(list(words), environment)


def problems(*words: str, **environment: str) -> list[str]:
    """What is wrong with a command line, and an environment."""
    with pytest.raises(UsageError) as caught:
        cli.read(list(words), environment)
    return caught.value.problems


def at(settings: Settings, path: str) -> Any:
    """`reload.http.url` of the settings."""
    value: Any = settings
    for name in path.split("."):
        value = getattr(value, name)
    return value


# --- what is wanted


@pytest.mark.usefixtures("capfd")
def test_a_command_alone_is_a_plain_init() -> None:
    """Everything else has its default; the signal is there, but without a source nobody sends it."""
    assert read("--", "app", "-x") == Settings(command=["app", "-x"], reload=ReloadSettings(signal=signal.SIGHUP))


@pytest.mark.usefixtures("capfd")  # standard error is no terminal, wherever the tests run
def test_the_defaults_are_these() -> None:
    """A sidecar with one ConfigMap and no way to tell anybody."""
    assert read(*SIDECAR) == Settings(
        command=[],
        sources=SourceSettings((ObjectName("default", "app"),), cluster=ClusterSettings(None, None)),
        files=FileSettings("/config", mode=0o666, secret_mode=0o640, folder_mode=0o755),
        reload=ReloadSettings(None, None, 1.0, 5),
        logs=LogSettings("json", 20),
        startup_timeout_s=60.0,
    )


OPTIONS = [
    ("--configmap", "prod/app", "sources.configmaps", (ObjectName("prod", "app"),)),
    ("--configmap", "app.v1-2", "sources.configmaps", (ObjectName("default", "app.v1-2"),)),
    ("--secret", "prod/app", "sources.secrets", (ObjectName("prod", "app"),)),
    ("--configmap-selector", "app=web", "sources.configmap_selectors", (Selector("default", "app=web"),)),
    ("--secret-selector", "prod/app=web", "sources.secret_selectors", (Selector("prod", "app=web"),)),
    ("--namespace", "prod", "sources.namespace", "prod"),
    ("--manifest", "/a/b.yaml", "sources.manifests", ("/a/b.yaml",)),
    ("--watch-dir", "/a/b/", "sources.folders", ("/a/b",)),
    ("--item", "key=a/b.conf", "files.items", (Item(None, "key", "a/b.conf"),)),
    ("--item", "app:key=a", "files.items", (Item(ObjectName("default", "app"), "key", "a"),)),
    ("--item", "prod/app:key=a=b:c", "files.items", (Item(ObjectName("prod", "app"), "key", "a=b:c"),)),
    ("--path", "{namespace}/{name}-{key}.conf", "files.template", "{namespace}/{name}-{key}.conf"),
    ("--path", "fixed", "files.template", "fixed"),
    ("--key-separator", "__", "files.key_separator", "__"),
    ("--file-mode", "0644", "files.mode", 0o644),
    ("--file-mode", "600", "files.mode", 0o600),
    ("--secret-mode", "0o400", "files.secret_mode", 0o400),
    ("--dir-mode", "750", "files.folder_mode", 0o750),
    ("--layout", "files", "files.layout", "files"),
    ("--layout", "atomic", "files.layout", "atomic"),
    ("--configroot", "/etc/app", "files.root", "/etc/app"),
    ("--configroot", "/etc//app/../app/", "files.root", "/etc/app"),
    ("--reload-signal", "USR1", "reload.signal", signal.SIGUSR1),
    ("--reload-signal", "sigusr2", "reload.signal", signal.SIGUSR2),
    ("--reload-signal", "1", "reload.signal", signal.SIGHUP),
    ("--reload-signal", "RTMIN", "reload.signal", signal.SIGRTMIN),
    ("--reload-signal", "40", "reload.signal", 40),
    ("--reload-http", URL, "reload.http", HttpSettings(URL, "POST", 10.0)),
    ("--reload-http", "https://[::1]:8443?now=1", "reload.http.url", "https://[::1]:8443?now=1"),
    ("--reload-interval", "0", "reload.interval_s", 0.0),
    ("--reload-interval", "2.5", "reload.interval_s", 2.5),
    ("--reload-http", "http+unix://%2Frun%2Fapp.sock/reload", "reload.http.url", "http+unix://%2Frun%2Fapp.sock/reload"),
    ("--reload-http-header", "X-A=b=c", "reload.http.headers", (("X-A", "b=c"),)),
    ("--reload-http-header-file", "Authorization=/run/token", "reload.http.header_files", (("Authorization", "/run/token"),)),
    ("--reload-http-body", '{"a": 1}', "reload.http.body", '{"a": 1}'),
    ("--reload-http-ca", __file__, "reload.http.ca", __file__),
    ("--reload-http-timeout", "0.5", "reload.http.timeout_s", 0.5),
    ("--reload-http-status", "200,204", "reload.http.statuses", ((200, 200), (204, 204))),
    ("--reload-http-status", "2xx, 302-304", "reload.http.statuses", ((200, 299), (302, 304))),
    ("--reload-process", "nginx", "reload.process", "nginx"),
    ("--reload-process", "pid:/run/app.pid", "reload.process", "pid:/run/app.pid"),
    ("--reload-command", "app-ctl reload 'a b'", "reload.command", ("app-ctl", "reload", "a b")),
    ("--reload-retries", "0", "reload.retries", 0),
    ("--splay", "30", "reload.splay_s", 30.0),
    ("--validate", "nginx -t -c {}/nginx.conf", "safety.validate", ("nginx", "-t", "-c", "{}/nginx.conf")),
    ("--confirm-http", URL, "safety.confirm_http", HttpSettings(URL, "GET")),
    ("--confirm-match", "^ok$", "safety.confirm_match", "^ok$"),
    ("--confirm-command", "true", "safety.confirm_command", ("true",)),
    ("--confirm-within", "5", "safety.confirm_within_s", 5.0),
    ("--settle", "0", "safety.settle_s", 0.0),
    ("--hook-timeout", "9", "safety.hook_timeout_s", 9.0),
    ("--startup-timeout", "0", "startup_timeout_s", 0.0),
    ("--startup-timeout", "1e3", "startup_timeout_s", 1000.0),
    ("--kill-timeout", "10", "init.kill_timeout_s", 10.0),
    ("--stop-delay", "2.5", "init.stop_delay_s", 2.5),
    ("--stop-signal", "QUIT", "init.rewrites", ((15, 3),)),
    ("--stop-signal", "SIGRTMIN+3", "init.rewrites", ((15, 37),)),
    ("--stop-signal", "KILL", "init.rewrites", ((15, 9),)),
    ("--rewrite", "TERM:QUIT", "init.rewrites", ((15, 3),)),
    ("--rewrite", "sighup:SIGUSR1", "init.rewrites", ((1, 10),)),
    ("--rewrite", "2:0", "init.rewrites", ((2, 0),)),
    ("--rewrite", "RTMIN+1:rtmax-1", "init.rewrites", ((35, 63),)),
    ("--rewrite", "64:STOP", "init.rewrites", ((64, 19),)),
    ("--parent-death-signal", "KILL", "init.parent_death_signal", 9),
    ("--remap-exit", "143", "init.remap_exit", (143,)),
    ("--user", "0", "init.user", User("0", 0, 0, tuple(os.getgrouplist("root", 0)), "/root")),
    ("--user", "root:4711", "init.user", User("root:4711", 0, 4711, (), "/root")),
    ("--user", "54321", "init.user", User("54321", 54321, os.getgid(), (), "/")),
    ("--user", "54321:root", "init.user", User("54321:root", 54321, 0, (), "/")),
    ("--listen", "127.0.0.1:80", "report.listen", Address("127.0.0.1", 80)),
    ("--listen", ":0", "report.listen", Address("", 0)),
    ("--listen", "[::1]:8080", "report.listen", Address("::1", 8080)),
    ("--listen", "my-host.example:1", "report.listen", Address("my-host.example", 1)),
    ("--listen", "unix:/run/x.sock", "report.listen", Address(path="/run/x.sock")),
    ("--unhealthy-after", "0", "report.unhealthy_after_s", 0.0),
    ("--termination-log", "/tmp/why", "report.termination_log", "/tmp/why"),
    ("--child-logs", "json", "report.child_logs", "json"),
    ("--log-format", "text", "logs.format", "text"),
    ("--log-format", "json", "logs.format", "json"),
    ("--log-level", "debug", "logs.level", 10),
    ("--log-level", "INFO", "logs.level", 20),
    ("--log-level", "warning", "logs.level", 30),
    ("--log-level", "error", "logs.level", 40),
    ("--v", "0", "logs.level", 20),
    ("--v", "1", "logs.level", 20),
    ("--v", "2", "logs.level", 10),
    ("--v", "12", "logs.level", 10),
    ("--kubeconfig", __file__, "sources.cluster.kubeconfig", __file__),
    ("--context", "test cluster", "sources.cluster.context", "test cluster"),
]
FLAGS = [
    ("--optional", "sources.optional"),
    ("--optional", "files.items_optional"),
    ("--gunzip", "files.gunzip"),
    ("--fsync", "files.fsync"),
    ("--start-with-last", "start_with_last"),
    ("--once", "once"),
    ("--group-kill", "init.group_kill"),
    ("--subreaper", "init.subreaper"),
    ("--new-session", "init.new_session"),
]
every_option = pytest.mark.parametrize(("option", "text", "path", "value"), OPTIONS)


def missing(option: str, *given: str) -> list[str]:
    """What a run needs besides one option: a source, a folder and a command."""
    rest = {"--configroot": ["--configroot=/config"]}
    sources = {"--configmap", "--secret", "--configmap-selector", "--secret-selector", "--manifest", "--watch-dir"}
    if option.startswith("--reload-http-"):
        given = (f"--reload-http={URL}", *given)
    if option == "--confirm-match":
        given = (f"--confirm-http={URL}", *given)
    source = [] if option in sources else ["--configmap=app"]
    return [*source, *([] if option == "--configroot" else rest["--configroot"]), *given, "--", "app"]


def variable(option: str) -> str:
    """`--log-level` is CONFIG_SUPERVISOR_LOG_LEVEL."""
    return "CONFIG_SUPERVISOR_" + option[2:].upper().replace("-", "_")


@every_option
def test_every_option_can_be_given_with_an_equals_sign(option: str, text: str, path: str, value: object) -> None:
    """As in the table of --help."""
    assert at(read(*missing(option, f"{option}={text}")), path) == value


@every_option
def test_every_option_can_be_given_in_two_words(option: str, text: str, path: str, value: object) -> None:
    """As a shell's completion writes it."""
    assert at(read(*missing(option, option, text)), path) == value


@every_option
def test_every_option_can_be_given_by_environment(option: str, text: str, path: str, value: object) -> None:
    """In capitals, with the prefix."""
    assert at(read(*missing(option), **{variable(option): text}), path) == value


@every_option
def test_the_command_line_wins_over_the_environment(option: str, text: str, path: str, value: object) -> None:
    """Also if the environment is nonsense."""
    assert at(read(*missing(option, f"{option}={text}"), **{variable(option): "no/such/thing!"}), path) == value


@every_option
def test_an_empty_variable_is_not_given(option: str, text: str, path: str, value: object) -> None:
    """A pod's specification cannot take a variable of the image away, only empty it."""
    assert at(read(*missing(option, f"{option}={text}"), **{variable(option): ""}), path) == value
    assert read("--", "app", **{variable(option): ""}) == read("--", "app")


def test_variables_are_those_of_the_environment() -> None:
    """All of them, and only if they are asked for."""
    environment = {"A": "1", "B": "2"}

    assert read(*SIDECAR, **environment).files.expand is None
    assert read(*SIDECAR, "--expand", **environment).files.expand == environment
    assert "A" not in repr(read(*SIDECAR, "--expand", **environment).files)


@pytest.mark.parametrize(
    ("text", "namespace", "labels"),
    [
        ("app=web", "default", "app=web"),
        ("prod/app=web", "prod", "app=web"),
        ("app.kubernetes.io/name=x", "default", "app.kubernetes.io/name=x"),
        ("prod/app.kubernetes.io/name=x", "prod", "app.kubernetes.io/name=x"),
        ("team/app=web", "team", "app=web"),
        ("default/team/app=web", "default", "team/app=web"),
        ("a/b/c", "a", "b/c"),
        ("prod/!app", "prod", "!app"),
        ("!example.com/app", "default", "!example.com/app"),
        ("x,prod/y=1", "default", "x,prod/y=1"),
        (
            "app in (web, db),tier notin (a),!x,y,z!=1,w==2,empty=",
            "default",
            "app in (web, db),tier notin (a),!x,y,z!=1,w==2,empty=",
        ),
        ("size>3", "default", "size>3"),
    ],
)
def test_a_namespace_before_a_selector_is_told_from_the_prefix_of_a_label(text: str, namespace: str, labels: str) -> None:
    """What stands before the first slash is the namespace, if it can be one and a selector follows."""
    selectors = read(f"--configmap-selector={text}", "--configroot=/c").sources.configmap_selectors

    assert selectors == (Selector(namespace, labels),)


def test_the_namespace_is_that_of_all_that_are_named_without_one() -> None:
    """Wherever it stands on the command line."""
    words = [
        "--configmap=a",
        "--secret=prod/b",
        "--configmap-selector=x.io/y=1",
        "--item=a:k=p",
        "--configroot=/c",
        "--namespace=mine",
    ]
    settings = read(*words)

    assert settings.sources.configmaps == (ObjectName("mine", "a"),)
    assert settings.sources.secrets == (ObjectName("prod", "b"),)
    assert settings.sources.configmap_selectors == (Selector("mine", "x.io/y=1"),)
    assert settings.files.items == (Item(ObjectName("mine", "a"), "k", "p"),)


@pytest.mark.parametrize(("flag", "path"), FLAGS)
def test_a_flag_is_there_or_not(flag: str, path: str) -> None:
    """By environment it is true or false, in the usual words."""
    words = [*SIDECAR, "--", "app"]

    assert at(read(flag, *words), path) is True
    assert at(read(*words), path) is False
    assert at(read(*words, **{variable(flag): "true"}), path) is True
    assert at(read(*words, **{variable(flag): "false"}), path) is False
    assert problems(*words, **{variable(flag): "maybe"})[0] == f"{variable(flag)}=maybe: expected true or false"


def test_the_table_above_knows_every_option() -> None:
    """An option of the usage text without a line in the tests is a mistake."""
    flags = {
        "--profile",
        "--confirm-workers",
        "--reload-signal-force",
        "--reload-restart",
        "--reload-exit",
        "--reload-none",
        "--no-rollback",
        "--expand",
        "--events",
        "--man",
        "--completion",
    }
    known = {option for option, *_ in OPTIONS + FLAGS} | flags | {"--reload-http-method", "--help", "--version"}

    assert set(usage.options()) == known
    assert set(re.findall(r"^  (?:-h, )?(--[a-z-]+)", usage.HELP, re.MULTILINE)) == known


@pytest.mark.parametrize(
    ("option", "first", "second", "values"),
    [
        ("--configmap", "a", "prod/b", (ObjectName("default", "a"), ObjectName("prod", "b"))),
        ("--manifest", "/a.yaml", "/b c.yaml", ("/a.yaml", "/b c.yaml")),
        ("--rewrite", "TERM:QUIT", "HUP:0", ((15, 3), (1, 0))),
        ("--remap-exit", "143", "0", (143, 0)),
    ],
)
def test_repeatable_options_keep_their_order(option: str, first: str, second: str, values: tuple[object, ...]) -> None:
    """On the command line; by environment one a line, whatever the spaces around; one that is said twice counts once."""
    path = next(path for name, _, path, _ in OPTIONS if name == option)
    rest = ["--configroot=/c", *([] if path.startswith("sources") else ["--configmap=app"]), "--", "app"]

    assert at(read(f"{option}={first}", option, second, f"{option}={first}", *rest), path) == values
    lines = f"\n  {first} \n\n{second}\r\n{first}\n"
    assert at(read(*rest, **{variable(option): lines}), path) == values
    assert at(read(f"{option}={first}", *rest, **{variable(option): second}), path) == values[:1]


def test_both_kinds_of_sources_go_together() -> None:
    """Files of a cluster and local ones, in one folder."""
    settings = read("--manifest=/a.yaml", *SIDECAR)

    assert settings.sources.manifests == ("/a.yaml",)
    assert settings.sources.configmaps == (ObjectName("default", "app"),)
    assert settings.has_sources


def test_local_paths_are_absolute_from_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the working folder is later."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "kube").touch()
    settings = read("--manifest=a.yaml", "--configroot=config", "--kubeconfig=kube")

    assert settings.sources.manifests == (f"{tmp_path}/a.yaml",)
    assert settings.files.root == f"{tmp_path}/config"
    assert settings.sources.cluster.kubeconfig == f"{tmp_path}/kube"


# --- how the app is told


@pytest.mark.parametrize(
    ("words", "number", "is_told_by_http"),
    [
        ([*SIDECAR, "--", "app"], signal.SIGHUP, False),
        ([*SIDECAR], None, False),
        ([*SIDECAR, f"--reload-http={URL}"], None, True),
        ([*SIDECAR, f"--reload-http={URL}", "--", "app"], None, True),
        ([*SIDECAR, f"--reload-http={URL}", "--reload-signal=USR1", "--", "app"], signal.SIGUSR1, True),
    ],
)
def test_a_command_is_told_by_sighup_unless_something_else_is_asked_for(
    words: list[str], number: int | None, is_told_by_http: bool
) -> None:
    """A request takes the place of the signal; both only if both are asked for."""
    reload = read(*words).reload

    assert reload.signal == number
    assert (reload.http is not None) == is_told_by_http


@pytest.mark.parametrize(("method", "sent"), [("put", "PUT"), ("GET", "GET"), ("Post", "POST")])
def test_the_method_is_written_in_capitals(method: str, sent: str) -> None:
    """As HTTP has it; on the command line and in the environment."""
    for settings in (
        read(*SIDECAR, f"--reload-http={URL}", f"--reload-http-method={method}"),
        read(*SIDECAR, f"--reload-http={URL}", CONFIG_SUPERVISOR_RELOAD_HTTP_METHOD=method),
    ):
        assert settings.reload.http == HttpSettings(URL, sent)


@pytest.mark.parametrize(
    ("words", "order"),
    [
        (["--reload-command=true", f"--reload-http={URL}", "--reload-signal=HUP"], ("command", "http", "signal")),
        (["--reload-signal", "HUP", f"--reload-http={URL}"], ("signal", "http")),
        ([f"--reload-http={URL}"], ("http",)),
    ],
)
def test_several_ways_keep_the_order_of_the_command_line(words: list[str], order: tuple[str, ...]) -> None:
    """The app is told in this order."""
    assert read(*SIDECAR, *words, "--", "app").reload.order == order


@pytest.mark.parametrize(
    ("words", "path", "value"),
    [
        (["--reload-signal-force"], "reload.signal_force", True),
        (["--reload-exit"], "reload.leave", True),
        (["--reload-restart"], "reload.restart", True),
        (["--reload-restart"], "reload.signal", None),
        (["--reload-exit"], "reload.signal", None),
        (["--reload-none"], "reload.signal", None),
        (["--reload-command=true"], "reload.signal", None),
        (["--reload-process=app"], "reload.signal", signal.SIGHUP),
        (["--no-rollback"], "safety.rollback", False),
    ],
)
def test_flags_and_what_follows_from_another_way(words: list[str], path: str, value: object) -> None:
    """HUP is for who gives no other way; processes that are named get it too."""
    assert at(read(*SIDECAR, *words, "--", "app"), path) == value


def test_headers_and_bodies_are_in_no_message() -> None:
    """They may be secret; also if they are wrong."""
    found = problems(
        *SIDECAR, f"--reload-http={URL}", "--reload-http-header=X-Token=canary\n", "--reload-http-header=canary2 x=y"
    )
    settings = read(*SIDECAR, f"--reload-http={URL}", "--reload-http-header=X-Token=canary", "--reload-http-body=canary")

    assert found == [
        "--reload-http-header=X-Token=…: expected NAME=VALUE in printable ASCII",
        "--reload-http-header=canary2 x=…: expected NAME=VALUE in printable ASCII",
    ]
    assert "canary" not in repr(settings)


# --- the command


@pytest.mark.parametrize(
    ("words", "command"),
    [
        (["--", "app"], ["app"]),
        (["--", "app", "--help", "-h", "--version"], ["app", "--help", "-h", "--version"]),
        (["--", "sh", "-c", "exec app -- x", "--"], ["sh", "-c", "exec app -- x", "--"]),
        (["--", "--configmap=x"], ["--configmap=x"]),
        (["--", "app", "--configroot", ""], ["app", "--configroot", ""]),
        ([*SIDECAR, "--", "app", "--", "--"], ["app", "--", "--"]),
        ([*SIDECAR, "--"], []),
        ([*SIDECAR], []),
    ],
)
def test_everything_after_the_first_two_dashes_is_the_command(words: list[str], command: list[str]) -> None:
    """Untouched, whatever it looks like."""
    assert read(*words).command == command


# --- the Go program of 2016


def test_the_variables_of_the_go_program_still_work() -> None:
    """All four of them."""
    settings = read(
        CONFIG_CONTROLLER_CONFIGROOT="/config",
        CONFIG_CONTROLLER_CONFIGMAP="prod/app",
        CONFIG_CONTROLLER_URL=URL,
        CONFIG_CONTROLLER_METHOD="put",
    )

    assert settings.files.root == "/config"
    assert settings.sources.configmaps == (ObjectName("prod", "app"),)
    assert settings.reload.http == HttpSettings(URL, "PUT")


@pytest.mark.parametrize(
    ("old", "option", "text", "path", "value"),
    [
        ("CONFIG_CONTROLLER_CONFIGROOT", "--configroot", "/new", "files.root", "/new"),
        ("CONFIG_CONTROLLER_CONFIGMAP", "--configmap", "new", "sources.configmaps", (ObjectName("default", "new"),)),
        ("CONFIG_CONTROLLER_URL", "--reload-http", "http://new/", "reload.http.url", "http://new/"),
        ("CONFIG_CONTROLLER_METHOD", "--reload-http-method", "GET", "reload.http.method", "GET"),
    ],
)
def test_new_names_win_over_those_of_the_go_program(old: str, option: str, text: str, path: str, value: object) -> None:
    """The new variable over the old one, and the command line over both; an empty new one leaves the old one."""
    rest = {"CONFIG_CONTROLLER_CONFIGROOT": "/old", "CONFIG_CONTROLLER_CONFIGMAP": "old", "CONFIG_CONTROLLER_URL": "http://old/"}

    assert at(read(**(rest | {old: "!", variable(option): text})), path) == value
    assert at(read(f"{option}={text}", **(rest | {old: "!", variable(option): "!"})), path) == value
    assert at(read(**(rest | {old: text, variable(option): ""})), path) == value


@pytest.mark.parametrize(
    "flag",
    [
        "--running-in-cluster",
        "--running-in-cluster=true",
        "--running-in-cluster=false",
        "--running-in-cluster=1",
        "--running-in-cluster=T",
    ],
)
def test_a_flag_of_the_go_program_is_taken_without_a_word(flag: str) -> None:
    """We find out by ourselves where we run."""
    assert read(flag, *SIDECAR) == read(*SIDECAR)


# --- texts


@pytest.mark.parametrize("words", [["--help"], ["-h"], ["--nonsense", "word", "-h"], [*SIDECAR, "--help", "--", "app"]])
def test_help_is_the_usage_text(words: list[str]) -> None:
    """Whatever else is wrong: somebody needs help. It fits on a screen."""
    with pytest.raises(cli.Leave) as caught:
        cli.read(words, {})
    text = str(caught.value)

    assert text == usage.HELP
    assert all(option in text for option in ("--configmap", "--configroot", "--reload-http-method", "--version", "Exit codes"))
    assert max(len(line) for line in text.splitlines()) <= 100


@pytest.mark.parametrize("words", [["--version"], ["--version", "--nonsense"], ["--help", "--version"]])
def test_version_is_name_and_number(words: list[str]) -> None:
    """On one line."""
    with pytest.raises(cli.Leave) as caught:
        cli.read(words, {})

    assert str(caught.value) == f"config-supervisor {__version__}"


# --- what is wrong


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run"], "unexpected word 'run': put -- before the command"),
        (["sleep", "60"], "unexpected word 'sleep': put -- before the command"),
        ([*SIDECAR, "app", "--port=80"], "unexpected word 'app': put -- before the command"),
        ([""], "unexpected word '': put -- before the command"),
        (["--config-map=app"], "unknown option --config-map: did you mean --configmap?"),
        (["--configma=app"], "unknown option --configma: did you mean --configmap?"),
        (["--configroo=x"], "unknown option --configroo: did you mean --configroot?"),
        (["-x"], "unknown option -x: see --help"),
        (["-"], "unknown option -: see --help"),
        (["--CONFIGMAP=app"], "unknown option --CONFIGMAP: see --help"),
        (["--listen=80"], "--listen=80: expected HOST:PORT, :PORT, [IPV6]:PORT or unix:PATH"),
        (["--listen=:65536"], "--listen=:65536: expected HOST:PORT"),
        (["--listen=::1:80"], "--listen=::1:80: expected HOST:PORT"),
        (["--listen=unix:"], "--listen=unix:: expected unix:PATH"),
        (["--listen=unix:/" + "x" * 107], "a path of at most 107 bytes"),
        (["--termination-log=/"], "--termination-log=/: is a folder"),
        (["--termination-log=/no/such/folder"], "its folder does not exist"),
        (["--child-logs=text", "--", "x"], "--child-logs=text: expected raw or json"),
        (["--events", "--", "x"], "--events without a source: nothing would be told"),
        (["--running-in-cluster=maybe"], "unknown option --running-in-cluster: see --help"),
        (["--help=me"], "--help=me: expected --help=wanted or --help=files or "),
        (["--completion=fish"], "--completion=fish: expected --completion=bash or --completion=zsh"),
        (["--version="], "--version takes no value"),
        (["--configmap"], "--configmap needs a value: --configmap=…"),
        (["--configroot=/a", "--log-level", "--", "app"], "--log-level needs a value: --log-level=…"),
        ([*SIDECAR, "--configroot=/b"], "--configroot is given more than once"),
        ([*SIDECAR, "--log-level=info", "--log-level", "info"], "--log-level is given more than once"),
        ([*SIDECAR, "--configmap=App"], "--configmap=App: 'App' is not the name of an object; expected [NAMESPACE/]NAME"),
        ([*SIDECAR, "--configmap="], "--configmap=: '' is not the name of an object; expected [NAMESPACE/]NAME"),
        ([*SIDECAR, "--configmap=a/"], "--configmap=a/: '' is not the name of an object; expected [NAMESPACE/]NAME"),
        ([*SIDECAR, "--configmap=a..b"], "'a..b' is not the name of an object; expected [NAMESPACE/]NAME"),
        ([*SIDECAR, "--configmap=-a"], "'-a' is not the name of an object; expected [NAMESPACE/]NAME"),
        ([*SIDECAR, "--configmap=a\n"], "is not the name of an object; expected [NAMESPACE/]NAME"),
        ([*SIDECAR, "--configmap=" + "a" * 254], "is not the name of an object; expected [NAMESPACE/]NAME"),
        ([*SIDECAR, "--configmap=/a"], "--configmap=/a: '' is not a namespace; expected [NAMESPACE/]NAME"),
        ([*SIDECAR, "--configmap=a/b/c"], "--configmap=a/b/c: 'a/b' is not a namespace; expected [NAMESPACE/]NAME"),
        ([*SIDECAR, "--configmap=a.b/c"], "'a.b' is not a namespace; expected [NAMESPACE/]NAME"),
        ([*SIDECAR, "--configmap=" + "a" * 64 + "/b"], "is not a namespace; expected [NAMESPACE/]NAME"),
        (["--configmap=a", f"--configroot={__file__}"], f"--configroot={__file__}: is not a folder"),
        ([*SIDECAR, "--namespace=a.b"], "--namespace=a.b: 'a.b' is not a namespace"),
        ([*SIDECAR, "--namespace="], "--namespace=: '' is not a namespace"),
        ([*SIDECAR, "--secret=App"], "--secret=App: 'App' is not the name of an object; expected [NAMESPACE/]NAME"),
        *(
            ([*SIDECAR, f"--secret-selector={text}"], f"--secret-selector={text}: expected [NAMESPACE/]SELECTOR")
            for text in ["", "=", "a=b/c", "a b", "a in b", "a=b,", "prod/", "a/b/c/d", "-a", "a=" + "x" * 64, "P/a=b", "a=b;c"]
        ),
        *(
            ([*SIDECAR, f"--item={text}"], f"--item={text}: expected KEY=PATH or [NAMESPACE/]NAME:KEY=PATH")
            for text in ["", "key", "=path", "app:=path", ":"]
        ),
        (
            [*SIDECAR, "--item=key=/etc/passwd"],
            "'/etc/passwd' cannot be a path below the configroot: a part of it is empty or a dot",
        ),
        ([*SIDECAR, "--item=key=../x"], "'../x' cannot be a path below the configroot: a part of it begins with two dots"),
        ([*SIDECAR, "--item=key="], "'' cannot be a path below the configroot: a part of it is empty or a dot"),
        ([*SIDECAR, "--item=A.b/app:key=x"], "--item=A.b/app:key=x: 'A.b' is not a namespace"),
        ([*SIDECAR, "--path={file}"], "--path={file}: expected a path with {namespace}, {name} and {key}, and no other braces"),
        ([*SIDECAR, "--path={key!r}"], "expected a path with {namespace}, {name} and {key}, and no other braces"),
        ([*SIDECAR, "--path=/{key}"], "--path=/{key}: it cannot be a path below the configroot: a part of it is empty or a dot"),
        ([*SIDECAR, "--path="], "--path=: it cannot be a path below the configroot: a part of it is empty or a dot"),
        ([*SIDECAR, "--key-separator="], "--key-separator=: expected what stands for / in keys, as __"),
        ([*SIDECAR, "--key-separator=/"], "--key-separator=/: expected what stands for / in keys, as __"),
        ([*SIDECAR, "--file-mode=888"], "--file-mode=888: expected permission bits in octal, as 0640"),
        ([*SIDECAR, "--file-mode=4755"], "--file-mode=4755: expected permission bits in octal, as 0640"),
        ([*SIDECAR, "--file-mode=rw"], "--file-mode=rw: expected permission bits in octal, as 0640"),
        ([*SIDECAR, "--secret-mode=0040"], "--secret-mode=0040: its owner must be able to read it: add 0400"),
        ([*SIDECAR, "--dir-mode=0644"], "--dir-mode=0644: its owner must be able to use it: add 0700"),
        ([*SIDECAR, "--layout=links"], "--layout=links: expected atomic or files"),
        (["--once", "--", "app"], "--once without a source: there is nothing to write"),
        (
            ["--watch-dir=/a", "--path={namespace}/{key}", "--configroot=/c"],
            "--path with {namespace}: the files of a --watch-dir have none",
        ),
        (["--watch-dir=/a", "--configroot=/a/b"], "--watch-dir=/a holds the configroot: what is written would be watched"),
        (["--watch-dir=/a", "--configroot=/a"], "--watch-dir=/a holds the configroot: what is written would be watched"),
        ([*SIDECAR, "--kubeconfig=/no/such"], "--kubeconfig=/no/such: there is no such file"),
        ([*SIDECAR, "--kubeconfig=/tmp"], "--kubeconfig=/tmp: there is no such file"),
        ([*SIDECAR, "--kubeconfig="], "--kubeconfig=: there is no such file"),
        ([*SIDECAR, "--reload-signal=NONE", "--", "app"], "--reload-signal=NONE: expected a signal, as HUP or 1"),
        ([*SIDECAR, "--reload-signal=", "--", "app"], "--reload-signal=: expected a signal, as HUP or 1"),
        ([*SIDECAR, "--reload-signal=0", "--", "app"], "--reload-signal=0: expected a signal, as HUP or 1"),
        ([*SIDECAR, "--reload-signal=65", "--", "app"], "--reload-signal=65: expected a signal, as HUP or 1"),
        ([*SIDECAR, "--reload-signal=-1", "--", "app"], "--reload-signal=-1: expected a signal, as HUP or 1"),
        ([*SIDECAR, "--reload-signal=_DFL", "--", "app"], "--reload-signal=_DFL: expected a signal, as HUP or 1"),
        ([*SIDECAR, "--reload-signal=KILL", "--", "app"], "--reload-signal=KILL: no process can reload on that signal"),
        ([*SIDECAR, "--reload-signal=19", "--", "app"], "--reload-signal=19: no process can reload on that signal"),
        ([*SIDECAR, "--reload-http=ftp://a/"], "--reload-http=ftp://a/: expected http://HOST[:PORT]/PATH or https://…"),
        ([*SIDECAR, "--reload-http=localhost:80"], "--reload-http=localhost:80: expected http://HOST[:PORT]/PATH or https://…"),
        ([*SIDECAR, "--reload-http=http://"], "--reload-http=http://: expected http://HOST[:PORT]/PATH or https://…"),
        ([*SIDECAR, "--reload-http=http://a/b c"], "expected http://HOST[:PORT]/PATH or https://…"),
        ([*SIDECAR, "--reload-http=http://a/b\nHost:x"], "expected http://HOST[:PORT]/PATH or https://…"),
        ([*SIDECAR, "--reload-http=http://grün/"], "expected http://HOST[:PORT]/PATH or https://…"),
        ([*SIDECAR, "--reload-http=http://a:0/"], "--reload-http=http://a:0/: port 0 cannot be reached"),
        ([*SIDECAR, "--reload-http=http://a:65536/"], "--reload-http=http://a:65536/: "),
        ([*SIDECAR, "--reload-http=http://a:x/"], "--reload-http=http://a:x/: "),
        ([*SIDECAR, "--reload-http=http://[a/"], "--reload-http=http://[a/: "),
        ([*SIDECAR, "--reload-http="], "--reload-http=: expected http://HOST[:PORT]/PATH or https://…"),
        ([*SIDECAR, f"--reload-http={URL}", "--reload-http-method=P T"], "expected an HTTP method, as POST"),
        ([*SIDECAR, f"--reload-http={URL}", "--reload-http-method="], "--reload-http-method=: expected an HTTP method, as POST"),
        ([*SIDECAR, f"--reload-http={URL}", "--reload-http-method=" + "A" * 21], "expected an HTTP method, as POST"),
        ([*SIDECAR, "--reload-interval=x"], "--reload-interval=x: expected seconds, as 30 or 0.5"),
        ([*SIDECAR, "--reload-interval=-1"], "--reload-interval=-1: expected seconds, as 30 or 0.5"),
        ([*SIDECAR, "--reload-interval=nan"], "--reload-interval=nan: expected seconds, as 30 or 0.5"),
        ([*SIDECAR, "--reload-interval=inf"], "--reload-interval=inf: expected seconds, as 30 or 0.5"),
        ([*SIDECAR, "--startup-timeout=1m"], "--startup-timeout=1m: expected seconds, as 30 or 0.5"),
        ([*SIDECAR, "--startup-timeout="], "--startup-timeout=: expected seconds, as 30 or 0.5"),
        (["--kill-timeout=soon", "--", "app"], "--kill-timeout=soon: expected seconds, as 30 or 0.5"),
        (["--stop-delay=-1", "--", "app"], "--stop-delay=-1: expected seconds, as 30 or 0.5"),
        (["--stop-signal=STOPPED", "--", "app"], "--stop-signal=STOPPED: expected a signal, as HUP or 1"),
        (["--stop-signal=HUP+1", "--", "app"], "--stop-signal=HUP+1: expected a signal, as HUP or 1"),
        (["--stop-signal=RTMIN+31", "--", "app"], "--stop-signal=RTMIN+31: expected a signal, as HUP or 1"),
        (["--stop-signal=32", "--", "app"], "--stop-signal=32: expected a signal, as HUP or 1"),
        (["--rewrite=TERM", "--", "app"], "--rewrite=TERM: expected A:B, as TERM:QUIT, or TERM:0 to drop it"),
        (["--rewrite=TERM:", "--", "app"], "--rewrite=TERM:: expected a signal, as HUP or 1"),
        (["--rewrite=:TERM", "--", "app"], "--rewrite=:TERM: expected a signal, as HUP or 1"),
        (["--rewrite=0:TERM", "--", "app"], "--rewrite=0:TERM: expected a signal, as HUP or 1"),
        (["--rewrite=KILL:TERM", "--", "app"], "--rewrite=KILL:TERM: KILL cannot be caught, so that it cannot be rewritten"),
        (["--rewrite=CHLD:0", "--", "app"], "--rewrite=CHLD:0: CHLD is never forwarded: it tells of our own children"),
        (
            ["--rewrite=TERM:QUIT", "--rewrite=15:INT", "--", "app"],
            "--rewrite, --stop-signal: signal 15 cannot become two different ones",
        ),
        (
            ["--rewrite=TERM:QUIT", "--stop-signal=INT", "--", "app"],
            "--rewrite, --stop-signal: signal 15 cannot become two different ones",
        ),
        (["--parent-death-signal=DEATH", "--", "app"], "--parent-death-signal=DEATH: expected a signal, as HUP or 1"),
        (["--remap-exit=256", "--", "app"], "--remap-exit=256: expected an exit code, from 0 to 255"),
        (["--remap-exit=TERM", "--", "app"], "--remap-exit=TERM: expected an exit code, from 0 to 255"),
        (["--user=nobody-here", "--", "app"], "--user=nobody-here: there is no user 'nobody-here' here"),
        (["--user=root:nobody-here", "--", "app"], "--user=root:nobody-here: there is no group 'nobody-here' here"),
        (["--user=", "--", "app"], "--user=: expected USER or USER:GROUP, as app, 1000 or 1000:1000"),
        (["--user=root:", "--", "app"], "--user=root:: expected USER or USER:GROUP, as app, 1000 or 1000:1000"),
        (["--user=:root", "--", "app"], "--user=:root: expected USER or USER:GROUP, as app, 1000 or 1000:1000"),
        (["--user=4294967295", "--", "app"], "--user=4294967295: 4294967295 is too large for a user's number"),
        *(
            ([*SIDECAR, f"{option}={text}"], f"{option} needs a command after --")
            for option, text in [("--kill-timeout", "1"), ("--stop-delay", "1"), ("--stop-signal", "QUIT"), ("--user", "0")]
        ),
        *(
            ([*SIDECAR, option], f"{option.partition('=')[0]} needs a command after --")
            for option in ["--rewrite=TERM:QUIT", "--remap-exit=143", "--group-kill", "--new-session"]
        ),
        ([*SIDECAR, "--log-format=xml"], "--log-format=xml: expected json, text or auto"),
        ([*SIDECAR, "--log-level=loud"], "--log-level=loud: expected debug, info, warning or error"),
        ([*SIDECAR, "--v=two"], "--v=two: expected a whole number"),
        ([*SIDECAR, "--v=-1"], "--v=-1: expected a whole number"),
        ([*SIDECAR, "--v=²"], "--v=²: expected a whole number"),
        (["--configmap=app"], "--configroot is missing: the folder where the files go"),
        (["--manifest=a.yaml", "--", "app"], "--configroot is missing: the folder where the files go"),
        (["--configmap=app", "--configroot="], "--configroot is missing: the folder where the files go"),
        (["--configroot=/a", "--", "app"], "--configroot without a source: add --configmap or --manifest"),
        ([], "nothing to do: give a source (--configmap, --manifest), a command after --, or both"),
        (["--"], "nothing to do: give a source (--configmap, --manifest), a command after --, or both"),
        (["--log-level=info"], "nothing to do: give a source (--configmap, --manifest), a command after --, or both"),
        ([*SIDECAR, "--reload-signal=HUP"], "--reload-signal needs a command after --; a sidecar tells the app by --reload-http"),
        ([*SIDECAR, "--reload-http=http+unix://run/app.sock"], "expected http+unix://%2Fpath%2Fto%2Fsocket/PATH"),
        ([*SIDECAR, "--reload-http-header=a"], "--reload-http-header=…: expected NAME=VALUE"),
        (
            [*SIDECAR, "--reload-http-header=Content-Length=1"],
            "--reload-http-header=Content-Length=…: Content-Length is set by us",
        ),
        ([*SIDECAR, "--reload-http-header-file=A="], "--reload-http-header-file=A=…: expected NAME=FILE"),
        ([*SIDECAR, "--reload-http-status=ok"], "--reload-http-status=ok: expected statuses, as 2xx or 200,204 or 200-299"),
        ([*SIDECAR, "--reload-http-status=299-200"], "expected statuses, as 2xx or 200,204 or 200-299"),
        ([*SIDECAR, "--reload-http-status=2xx-300"], "expected statuses, as 2xx or 200,204 or 200-299"),
        ([*SIDECAR, "--reload-http-timeout=0"], "--reload-http-timeout=0: expected seconds, more than 0"),
        ([*SIDECAR, "--reload-process=/usr/sbin/nginx"], "expected the name of a process, without a path, or pid:/path/to/file"),
        ([*SIDECAR, "--reload-process=pid:"], "--reload-process=pid:: expected pid:/path/to/file"),
        ([*SIDECAR, "--reload-command="], "--reload-command=: expected a command"),
        ([*SIDECAR, "--validate=sh -c 'x"], "--validate=sh -c 'x: cannot be split into words: No closing quotation"),
        ([*SIDECAR, "--reload-retries=-1"], "--reload-retries=-1: expected a whole number"),
        ([*SIDECAR, "--confirm-match=x"], "--confirm-match needs --confirm-http, whose answer it looks at"),
        ([*SIDECAR, f"--confirm-http={URL}", "--confirm-match=("], "--confirm-match=(: is not a regular expression"),
        ([*SIDECAR, "--reload-restart"], "--reload-restart needs a command after --"),
        ([*SIDECAR, "--reload-restart", "--reload-exit", "--", "app"], "--reload-restart and --reload-exit say opposite things"),
        ([*SIDECAR, "--reload-none", "--reload-exit"], "--reload-none and --reload-exit say opposite things: choose one"),
    ],
)
def test_what_is_wrong_gets_one_clear_message(words: list[str], message: str) -> None:
    """One mistake, one problem: nothing that only follows from it is told as well."""
    found = problems(*words)

    assert len(found) == 1, found
    assert message in found[0]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("CONFIG_SUPERVISOR_RELOAD_INTERVAL", "x", "CONFIG_SUPERVISOR_RELOAD_INTERVAL=x: expected seconds, as 30 or 0.5"),
        ("CONFIG_SUPERVISOR_LOG_LEVEL", "loud", "CONFIG_SUPERVISOR_LOG_LEVEL=loud: expected debug, info, warning or error"),
        ("CONFIG_SUPERVISOR_V", "-v", "CONFIG_SUPERVISOR_V=-v: expected a whole number"),
        ("CONFIG_CONTROLLER_URL", "app", "CONFIG_CONTROLLER_URL=app: expected http://HOST[:PORT]/PATH or https://…"),
        ("CONFIG_CONTROLLER_METHOD", "1", "CONFIG_CONTROLLER_METHOD=1: expected an HTTP method, as POST"),
    ],
)
def test_a_message_names_the_variable_that_is_wrong(name: str, text: str, message: str) -> None:
    """Not the option, which nobody has written."""
    assert problems(*SIDECAR, **{name: text}) == [message]


def test_each_line_of_a_variable_is_a_value_of_its_own() -> None:
    """The good ones are not named."""
    found = problems("--configroot=/a", CONFIG_SUPERVISOR_CONFIGMAP="fine\nA\nB")

    assert [problem.partition(":")[0] for problem in found] == ["CONFIG_SUPERVISOR_CONFIGMAP=A", "CONFIG_SUPERVISOR_CONFIGMAP=B"]


def test_all_wrong_values_are_told_at_once() -> None:
    """From the command line and the environment, and what is missing besides."""
    found = problems(
        *("--configmap=A", "--configmap=b", "--reload-interval=x", "--log-level=y", "--startup-timeout=z", "--kubeconfig=/no"),
        *("--reload-http=n", "--reload-http-method=1", "--log-format=m", "--reload-signal=o"),
        CONFIG_SUPERVISOR_V="w",
    )

    named = {problem.partition("=")[0].partition(" ")[0] for problem in found}
    assert named == {
        *("--configmap", "--reload-interval", "--log-level", "--startup-timeout", "--kubeconfig", "--reload-http"),
        *("--reload-http-method", "--log-format", "--reload-signal", "CONFIG_SUPERVISOR_V", "--configroot"),
    }
    assert len(found) == len(named)


def test_all_wrong_words_are_told_at_once() -> None:
    """Unknown options, missing values, too many; and a word of a command without dashes."""
    assert problems("--one", "--two=2", "--man=x", "--v=1", "--v=1", "--log-level") == [
        "unknown option --one: did you mean --once?",
        "unknown option --two: see --help",
        "--man takes no value",
        "--v is given more than once",
        "--log-level needs a value: --log-level=…",
    ]


def test_a_usage_error_says_all_in_one_text_too() -> None:
    """For whoever prints the exception."""
    with pytest.raises(UsageError, match=r"unknown option --one: did you mean --once\?; unknown option --two: see --help"):
        cli.read(["--one", "--two"], {})


def test_variables_of_others_are_nobodys_business() -> None:
    """Kubernetes makes variables for each Service, also for one that is called like us."""
    noise = {"CONFIG_SUPERVISOR_SERVICE_HOST": "10.0.0.1", "CONFIG_SUPERVISOR_NONSENSE": "x", "LOG_LEVEL": "loud"}

    assert read(*SIDECAR, **noise) == read(*SIDECAR)


def test_the_log_is_text_for_people_and_json_for_machines(capfd: pytest.CaptureFixture[str]) -> None:
    """Auto looks whether standard error is a terminal."""
    saved = os.dup(2)
    controller, terminal = os.openpty()
    try:
        os.dup2(terminal, 2)
        on_terminal = read(*SIDECAR).logs.format, read(*SIDECAR, "--log-format=auto").logs.format
    finally:
        os.dup2(saved, 2)
        for descriptor in (saved, controller, terminal):
            os.close(descriptor)

    assert on_terminal == ("text", "text")
    assert read(*SIDECAR, "--log-format=auto").logs.format == "json"
    assert capfd.readouterr().err == ""


def test_a_level_that_is_given_wins_over_the_number_of_the_go_program() -> None:
    """`--v` is for old manifests; whoever writes --log-level means it."""
    assert read(*SIDECAR, "--v=9", "--log-level=error").logs.level == 40


def test_settings_are_never_changed() -> None:
    """Rooms share them."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        read(*SIDECAR).startup_timeout_s = 1  # type: ignore[misc]
