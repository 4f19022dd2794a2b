"""Build and wire the rooms: the order of starting, and the order of leaving."""

from __future__ import annotations

import os
import sys
import time
import traceback
from functools import cached_property, partial
from threading import Event, Thread
from typing import TYPE_CHECKING

from supervisor import __version__, pid1
from supervisor.backoff import backoff
from supervisor.errors import SourceError, StartError, UsageError
from supervisor.forwarding import Forwarding
from supervisor.inbox import Applied, Signal
from supervisor.logs import Log
from supervisor.processes import Processes
from supervisor.report import report
from supervisor.spawn import try_to_become
from supervisor.stopping import Stopping

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from supervisor.desired import Desired
    from supervisor.inbox import Inbox
    from supervisor.model import Outcome
    from supervisor.reload import Reloader
    from supervisor.settings import InitSettings, Settings, User
    from supervisor.source import Source


def run(inbox: Inbox, argv: list[str], environment: Mapping[str, str]) -> int:
    """Do what was asked for and return the exit code."""
    from supervisor import cli

    parent = os.getppid()
    try:
        settings = cli.read(argv, environment)
        _check_user(settings.init.user)
    except cli.Leave as leave:
        print(leave, flush=True)
        return 0
    except UsageError as error:
        print(*(f"config-supervisor: {problem}" for problem in error.problems), sep="\n", file=sys.stderr, flush=True)
        return 2
    log = Log(settings.logs.format, settings.logs.level)
    try:
        _ask_the_kernel(settings.init, parent)
        return Supervisor(settings, inbox, log, environment).run()
    except StartError as error:
        log.error("start.failed", str(error), exit_code=error.exit_code)
        return error.exit_code
    finally:
        log.close()


def _check_user(user: User | None) -> None:
    """Raises UsageError if the command cannot be run as that user: before anything is started."""
    error = try_to_become(user) if user else 0
    if user and error:
        raise UsageError([f"--user={user.text}: cannot become that user: {os.strerror(error)}; only root can"])


def _ask_the_kernel(init: InitSettings, parent: int) -> None:
    if init.subreaper:
        from supervisor.prctl import become_subreaper

        become_subreaper()
    if init.parent_death_signal:
        from supervisor.prctl import ask_for_signal_when_parent_dies

        ask_for_signal_when_parent_dies(init.parent_death_signal, parent)


class Supervisor:
    """One run: the main thread forwards and reaps, a thread for each source watches, and the sync thread writes and tells."""

    def __init__(self, settings: Settings, inbox: Inbox, log: Log, environment: Mapping[str, str]) -> None:
        self._settings = settings
        self._inbox = inbox
        self._log = log
        self._environment = environment
        init = settings.init
        self._processes = Processes(inbox.given_mask, init.user, new_session=init.new_session)
        self._stop = Event()
        self._may_reload = Event()
        self._problems: dict[str, str] = {}

    def run(self) -> int:
        """Start: sources and sync, the first configuration, the command. Then forward and reap. Leave: with the code."""
        settings = self._settings
        note = self._log.info if settings.has_sources else self._log.debug  # a plain init is silent
        note("supervisor.started", f"config-supervisor {__version__}", version=__version__, command=settings.command)
        if settings.has_sources:
            self._start_threads()
            word = pid1.wait_for_first(self._inbox, self._processes, self._deadline())
            if isinstance(word, Signal):
                note("supervisor.stopped", f"stopped by signal {word} before the first configuration", signal=word)
                return 128 + word
            if word is None:
                raise StartError(self._why_no_configuration())
        if settings.command:
            pid = self._processes.start(settings.command)
            note("command.started", f"started {settings.command[0]}", pid=pid)
            pid1.tell_who_reaps(self._log, is_subreaper=settings.init.subreaper)
        self._may_reload.set()
        code = self._forward_and_reap()
        note("supervisor.ended", f"leaving with exit code {code}", exit_code=code)
        return code

    def _forward_and_reap(self) -> int:
        """The main thread's work, until the command ends or we are asked to stop; returns the exit code."""
        settings, inbox, processes, log = self._settings.init, self._inbox, self._processes, self._log
        if not self._settings.command:
            pid1.wait_for_stop(inbox, processes)
            self._on_stop()
            code = 0
        else:
            forwarding = Forwarding(
                processes, log, settings.rewrites, to_group=settings.group_kill, own_session=settings.new_session
            )
            stopping = Stopping(
                forwarding,
                processes,
                log,
                kill_timeout_s=settings.kill_timeout_s,
                delay_s=settings.stop_delay_s,
                on_stop=self._on_stop,
            )
            code = pid1.run(inbox, processes, forwarding, stopping)
        processes.kill_hooks()
        if settings.group_kill and (settings.subreaper or os.getpid() == 1):
            pid1.end_the_rest(inbox, processes)
        return 0 if code in settings.remap_exit else code

    def _on_stop(self) -> None:
        """A stop begins: no reload is sent from now on."""
        self._stop.set()

    def _deadline(self) -> float:
        timeout_s = self._settings.startup_timeout_s
        return time.monotonic() + timeout_s if timeout_s else float("inf")

    def _why_no_configuration(self) -> str:
        reasons = "; ".join(problem for problem in self._problems.values() if problem)
        return f"no configuration after {self._settings.startup_timeout_s:g} s (--startup-timeout): {reasons}"

    def _start_threads(self) -> None:
        """A thread for each source, and the sync thread. Raises StartError if the folder or the cluster cannot be had."""
        from supervisor.desired import Desired
        from supervisor.source import make_sources
        from supervisor.sync import Sync
        from supervisor.tree import Tree

        tree = Tree(self._settings.files.root)
        sources = make_sources(self._settings.sources, self._environment.get("KUBECONFIG"))
        desired = Desired(tuple(source.name for source in sources))
        sync = Sync(
            self._settings,
            desired,
            tree,
            stop=self._stop,
            first_is_live=lambda: self._inbox.post(Applied()),
            reloaders=lambda: self._reloaders,
            report=self._hear_outcome,
        )
        for source in sources:
            self._problems[source.name] = f"{source.name}: no answer yet"
            self._keep_running(source.name, partial(self._listen, source, desired))
        self._keep_running("sync", sync.run)

    def _keep_running(self, name: str, work: Callable[[], None]) -> None:
        """Run something in a thread of its own, which nobody waits for, and again if it fails. The command is not touched."""

        def run() -> None:
            for delay_s in backoff():
                try:
                    work()
                except SourceError as error:
                    self._hear_problem(name, str(error))
                except Exception as error:  # the one broad catch of the program: a bug must not end the app
                    place = traceback.extract_tb(error.__traceback__)[-1]  # not the message: it may hold contents
                    reason = f"{type(error).__name__} at {place.filename}:{place.lineno}"
                    self._log.error("thread.crashed", f"{name} crashed and is started again: {reason}", thread=name)
                else:
                    return
                self._stop.wait(delay_s)

        Thread(target=run, name=name, daemon=True).start()

    # --- called by the threads

    def _listen(self, source: Source, desired: Desired) -> None:
        """Pass on what a source wants, and tell what keeps it from knowing."""
        for heard in source.watch():
            if isinstance(heard, SourceError):
                self._hear_problem(source.name, str(heard))
            else:
                self._hear_problem(source.name, "")
                desired.put(source.name, heard)

    def _hear_problem(self, source: str, problem: str) -> None:
        """Say a problem once, and once that it is over."""
        if problem == self._problems.get(source):
            return
        self._problems[source] = problem
        if problem:
            self._log.warning("source.problem", problem, source=source)
        else:
            self._log.info("source.found", f"{source} is there", source=source)

    def _hear_outcome(self, outcome: Outcome) -> None:
        self._problems["configuration"] = outcome.reason
        report(outcome, self._log)

    @cached_property
    def _reloaders(self) -> tuple[Reloader, ...]:
        """Wait for the main thread to start the command, and make the ways to tell it of changes."""
        from supervisor.reload import make_reloaders

        self._may_reload.wait()
        return make_reloaders(self._settings.reload, self._processes)
