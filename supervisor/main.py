"""Build and wire the rooms: the order of starting, and the order of leaving."""

from __future__ import annotations

import sys
import time
import traceback
from functools import cached_property, partial
from threading import Event, Thread
from typing import TYPE_CHECKING

from supervisor import __version__, pid1
from supervisor.backoff import backoff
from supervisor.errors import SourceError, StartError, UsageError
from supervisor.inbox import Applied, Signal
from supervisor.logs import Log
from supervisor.processes import Processes
from supervisor.status import Board, Contact, SourceState

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from supervisor.child_logs import ChildLogs
    from supervisor.desired import Desired
    from supervisor.inbox import Inbox
    from supervisor.reload import Reloader
    from supervisor.settings import Address, Settings
    from supervisor.source import Source


def run(inbox: Inbox, argv: list[str], environment: Mapping[str, str]) -> int:
    """Do what was asked for and return the exit code."""
    from supervisor import cli

    try:
        settings = cli.read(argv, environment)
    except cli.Leave as leave:
        print(leave, flush=True)
        return 0
    except UsageError as error:
        print(*(f"config-supervisor: {problem}" for problem in error.problems), sep="\n", file=sys.stderr, flush=True)
        return 2
    log = Log(settings.logs)
    try:
        return Supervisor(settings, inbox, log, environment).run()
    except StartError as error:
        log.error("start.failed", str(error), exit_code=error.exit_code)
        return error.exit_code
    finally:
        log.close()


class Supervisor:
    """One run: the main thread forwards and reaps, a thread for each source watches, and the sync thread writes and tells."""

    def __init__(self, settings: Settings, inbox: Inbox, log: Log, environment: Mapping[str, str]) -> None:
        self._settings = settings
        self._inbox = inbox
        self._log = log
        self._environment = environment
        self._processes = Processes(inbox.given_mask)
        self._stop = Event()
        self._may_reload = Event()
        self._board = Board()
        self._child_logs = self._make_child_logs()

    def run(self) -> int:
        """Start: sources and sync, the first configuration, the command. Then forward and reap. Leave: with the code."""
        settings = self._settings
        note = self._log.info if settings.has_sources else self._log.debug  # a plain init is silent
        note("supervisor.started", f"config-supervisor {__version__}", version=__version__, command=settings.command)
        held: list[Signal] = []
        if settings.report.listen:
            self._listen_at(settings.report.listen)
        if settings.has_sources:
            self._start_threads()
            word, held = pid1.wait_for_first(self._inbox, self._processes, self._deadline())
            if isinstance(word, Signal):
                note("supervisor.stopped", f"stopped by signal {word} before the first configuration", signal=word)
                return 128 + word
            if word is None:
                raise StartError(self._why_no_configuration())
        if settings.command:
            pid = self._start_command()
            self._board.command_started(pid)
            note("command.started", f"started {settings.command[0]}", pid=pid)
        self._may_reload.set()
        for number in held:
            pid1.forward(number, self._processes, self._log)
        code = pid1.run(self._inbox, self._processes, has_command=bool(settings.command), stop=self._stop, log=self._log)
        self._board.command_ended(code)
        if self._child_logs:
            self._child_logs.finish()
        note("supervisor.ended", f"leaving with exit code {code}", exit_code=code)
        return code

    def _make_child_logs(self) -> ChildLogs | None:
        if self._settings.report.child_logs == "raw":
            return None
        from supervisor.child_logs import ChildLogs

        return ChildLogs(self._log)

    def _start_command(self) -> int:
        """Start the command, which writes to us if its lines are to become JSON."""
        if not self._child_logs:
            return self._processes.start(self._settings.command)
        with self._child_logs.outputs() as outputs:
            return self._processes.start(self._settings.command, outputs)

    def _deadline(self) -> float:
        timeout_s = self._settings.startup_timeout_s
        return time.monotonic() + timeout_s if timeout_s else float("inf")

    def _why_no_configuration(self) -> str:
        problems = [source.problem for source in self._board.sources.values()]
        problems += [self._board.config.last.outcome.reason] if self._board.config else []
        reasons = "; ".join(problem for problem in problems if problem)
        return f"no configuration after {self._settings.startup_timeout_s:g} s (--startup-timeout): {reasons}"

    def _listen_at(self, address: Address) -> None:
        """Answer probes from now on. Raises StartError if the address cannot be had."""
        from supervisor.report.answers import Answers
        from supervisor.report.server import Server, bind

        listening, where = bind(address)
        answers = Answers(self._settings, self._board, self._inbox, self._processes, self._stop.is_set)
        self._log.info("listen.started", f"listening on {where}", address=str(where))
        self._keep_running("listen", Server(listening, answers.answer, answers.warm_up).run)

    def _start_threads(self) -> None:
        """A thread for each source, and the sync thread. Raises StartError if the folder or the cluster cannot be had."""
        from supervisor.desired import Desired
        from supervisor.report import Report
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
            first_is_live=self._hear_first,
            reloaders=lambda: self._reloaders,
            report=Report(self._log, self._board, tree).tell,
        )
        for source in sources:
            self._board.sources[source.name] = SourceState(source.name, source.contact, f"{source.name}: no answer yet")
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
                    self._board.crashed(name)
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
                source.contact.proven()
                self._board.works(source.name)
                self._hear_problem(source.name, "")
                desired.put(source.name, heard)

    def _hear_problem(self, source: str, problem: str) -> None:
        """Say a problem once, and once that it is over."""
        before = self._board.sources.get(source)
        if before and problem == before.problem:
            return
        self._board.sources[source] = SourceState(source, before.contact if before else Contact(), problem)
        if problem:
            self._log.warning("source.problem", problem, source=source)
        else:
            self._log.info("source.found", f"{source} is there", source=source)

    def _hear_first(self) -> None:
        self._board.begun = time.time()
        self._inbox.post(Applied())

    @cached_property
    def _reloaders(self) -> tuple[Reloader, ...]:
        """Wait for the main thread to start the command, and make the ways to tell it of changes."""
        from supervisor.reload import make_reloaders

        self._may_reload.wait()
        return make_reloaders(self._settings.reload, self._processes)
