from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.conftest import Start, needs_root
from tests.running import eventually

pytestmark = needs_root

PASSWD = "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1001::/home/app:/bin/sh\n"
GROUP = "root:x:0:\napp:x:1001:\nlogs:x:4000:other,app\nnogroup:x:65534:\n"
CANNOT_KILL = ["setpriv", "--bounding-set=-kill", "--inh-caps=-kill"]
LOOK = ["sh", "-c", "id -u; id -g; id -G; echo $HOME; grep -E '^(Uid|Gid)' /proc/self/status"]


@pytest.fixture
def accounts(tmp_path: Path) -> list[str]:
    """What to put before a command, so that it sees these accounts in place of the machine's."""
    (tmp_path / "passwd").write_text(PASSWD)
    (tmp_path / "group").write_text(GROUP)
    mount = f'mount --bind {tmp_path}/passwd /etc/passwd && mount --bind {tmp_path}/group /etc/group && exec "$@"'
    return ["unshare", "--mount", "sh", "-c", mount, "sh"]


@pytest.mark.parametrize(
    ("user", "uid", "gid", "groups", "home"),
    [
        ("app", 1000, 1001, {1001, 4000}, "/home/app"),
        ("1000", 1000, 1001, {1001, 4000}, "/home/app"),
        ("1000:1000", 1000, 1000, {1000}, "/home/app"),
        ("app:nogroup", 1000, 65534, {65534}, "/home/app"),
        ("app:logs", 1000, 4000, {4000}, "/home/app"),
        ("54321", 54321, 0, {0}, "/"),
        ("54321:54322", 54321, 54322, {54322}, "/"),
    ],
)
def test_the_command_gets_ids_groups_and_home(
    start: Start, accounts: list[str], user: str, uid: int, gid: int, groups: set[int], home: str
) -> None:
    """By the rules of gosu: real, effective and saved ones; a number need not be known."""
    running = start(f"--user={user}", command=LOOK, prefix=accounts)

    assert running.wait() == 0
    *ids, shown_home, uids, gids = running.out.wait_for_end()
    assert [ids[0], ids[1], {int(group) for group in ids[2].split()}] == [str(uid), str(gid), groups]
    assert shown_home == home
    assert (set(uids.split()[1:]), set(gids.split()[1:])) == ({str(uid)}, {str(gid)})


def test_numbers_work_without_any_accounts(start: Start, tmp_path: Path) -> None:
    """As in an image from scratch."""
    (tmp_path / "empty").touch()
    mount = f'for f in passwd group; do mount --bind {tmp_path}/empty /etc/$f || exit; done; exec "$@"'
    running = start("--user=1000:1000", command=LOOK, prefix=["unshare", "--mount", "sh", "-c", mount, "sh"])

    assert running.wait() == 0
    assert running.out.wait_for_end()[:4] == ["1000", "1000", "1000", "/"]


def test_the_rest_of_the_environment_stays(start: Start) -> None:
    """HOME alone is another one, at its old place."""
    command = ["cat", "/proc/self/environ"]
    environment = {"HOME": "/root", "LAST": "one"}
    plain, other = (start("--subreaper", *more, command=command, environment=environment) for more in ([], ["--user=54321"]))

    assert (plain.wait(), other.wait()) == (0, 0)
    assert other.out.wait_for_end()[0] == plain.out.wait_for_end()[0].replace("\0HOME=/root\0", "\0HOME=/\0")


def test_we_stay_who_we_are_and_can_still_signal_it(start: Start) -> None:
    """Only the command is somebody else."""
    command = ["sh", "-c", "trap 'exit 7' TERM; echo ready; while :; do sleep 0.01; done"]
    running = start("--user=54321", command=command, as_pid1=True)
    running.out.wait_for("ready")

    assert os.stat(f"/proc/{running.pid}").st_uid == 0
    assert os.stat(f"/proc/{running.child_pids()[0]}").st_uid == 54321
    assert running.stop() == 7


@pytest.mark.parametrize(
    ("user", "words"),
    [("nobody-here", "there is no user 'nobody-here'"), ("root:nobody-here", "there is no group 'nobody-here'")],
)
def test_a_user_that_does_not_exist_is_a_usage_error(start: Start, user: str, words: str) -> None:
    """Nothing is started."""
    running = start(f"--user={user}", command=["echo", "started"])

    assert running.wait() == 2
    assert running.out.wait_for_end() == []
    assert words in running.err.wait_for_end()[0]


def test_a_user_that_we_cannot_become_is_a_usage_error(start: Start) -> None:
    """Tried before anything starts: being root is not enough without the capabilities, nor is an ID that is not mapped here."""
    drop = ["setpriv", "--bounding-set=-setuid", "--inh-caps=-setuid"]
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    for prefix, user in ((drop, "54321"), (nobody, "0"), (nobody, "65534:0")):
        running = start(f"--user={user}", command=["echo", "started"], prefix=prefix)

        assert running.wait() == 2
        assert running.out.wait_for_end() == []
        (line,) = running.err.wait_for_end()
        assert f"--user={user}: cannot become that user: Operation not permitted" in line


def test_whoever_we_are_already_needs_no_rights(start: Start) -> None:
    """An image that is made to drop root also runs where it never is root."""
    nobody = ["setpriv", "--reuid=54321", "--regid=54322", "--clear-groups"]
    running = start("--user=54321:54322", command=LOOK, prefix=nobody)

    assert running.wait() == 0
    assert running.out.wait_for_end()[:4] == ["54321", "54322", "54322", "/"]


def test_who_may_not_signal_the_command_says_so_once(start: Start) -> None:
    """Root without CAP_KILL; the command's own end is still seen."""
    running = start("--user=54321", "--log-level=debug", command=["sleep", "60"], prefix=CANNOT_KILL)
    running.wait_for_event("command.started")
    for times, number in enumerate((signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1), 1):
        running.send(number)
        running.wait_for_event("signal.forwarded", times)
    os.kill(running.child_pids()[0], signal.SIGKILL)

    assert running.wait() == 137
    assert len(running.events("signal.denied")) == 1


@pytest.mark.parametrize("as_pid1", [pytest.param(True, id="pid1"), pytest.param(False, id="child")])
def test_a_command_that_we_may_not_kill_is_waited_for_unless_our_end_ends_it(start: Start, as_pid1: bool) -> None:
    """That is PID 1's end, by which the kernel kills everybody. Else the command would go on without anybody."""
    options = ["--user=54321", "--kill-timeout=0.2", "--log-level=debug"]
    running = start(*options, command=["sleep", "60"], prefix=CANNOT_KILL, as_pid1=as_pid1)
    running.wait_for_event("command.started")
    (command,) = running.child_pids()
    running.send(signal.SIGTERM)
    said = running.wait_for_event("signal.denied", 2)
    if not as_pid1:
        os.kill(command, signal.SIGTERM)

    assert running.wait() == (137 if as_pid1 else 143)
    assert said["signal"] == signal.SIGKILL
    assert "--kill-timeout" in said["message"]
    assert not running.events("command.killed")
    eventually(lambda: not os.path.exists(f"/proc/{command}"), "the command is gone")


def test_it_works_where_sigchld_is_ignored(start: Start) -> None:
    """Whoever started us may have ignored it; then no process that we make leaves a code behind."""
    running = start("--user=54321", command=["sh", "-c", "exit 7"], prefix=["env", "--ignore-signal=CHLD"])

    assert running.wait() == 7
