"""Build and wire the rooms: the order of starting, and the order of leaving."""

from __future__ import annotations

import os
import time
import traceback
from functools import cached_property, partial
from threading import Event, Thread
from typing import TYPE_CHECKING

from supervisor import __version__, pid1
from supervisor.backoff import backoff
from supervisor.errors import SourceError, StartError
from supervisor.forwarding import Forwarding
from supervisor.inbox import Applied, Signal
from supervisor.processes import Processes
from supervisor.status import Board, Contact, SourceState
from supervisor.stopping import Stopping
from supervisor.termination import last_words

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from supervisor.child_logs import ChildLogs
    from supervisor.desired import Desired
    from supervisor.inbox import Inbox
    from supervisor.logs import Log
    from supervisor.reload import Reloader
    from supervisor.report.events import Events
    from supervisor.settings import Address, InitSettings, ReportSettings, Settings
    from supervisor.source import Source
    from supervisor.sync import Sync

# To put what an earlier run left in order takes milliseconds.
_FALL_BACK_S = 5.0


def ask_the_kernel(init: InitSettings, parent: int) -> None:
    """Be the subreaper, or be told of our parent's end, if that was asked for. `parent` was our parent at the start."""
    if init.subreaper:
        from supervisor.prctl import become_subreaper

        become_subreaper()
    if init.parent_death_signal:
        from supervisor.prctl import ask_for_signal_when_parent_dies

        ask_for_signal_when_parent_dies(init.parent_death_signal, parent)


def _make_child_logs(report: ReportSettings, log: Log) -> ChildLogs | None:
    if report.child_logs == "raw":
        return None
    from supervisor.child_logs import ChildLogs

    return ChildLogs(log)


class Supervisor:
    """One run: the main thread forwards and reaps, a thread for each source watches, and the sync thread writes and tells."""

    def __init__(self, settings: Settings, inbox: Inbox, log: Log, environment: Mapping[str, str]) -> None:
        self._settings = settings
        self._inbox = inbox
        self._log = log
        self._environment = environment
        init = settings.init
        self._child_logs = _make_child_logs(settings.report, log)
        outputs = self._child_logs.outputs if self._child_logs else None
        self._processes = Processes(
            inbox.given_mask, init.user, new_session=init.new_session, outputs=outputs, importing=log.importing
        )
        self._forwarding = Forwarding(self._processes, log, init.rewrites, to_group=init.group_kill, own_session=init.new_session)
        self._stop = Event()
        self._may_reload = Event()
        self._board = Board()
        self._silent: set[str] = set()  # sources that have not said yet what they want
        self._fall_back: Callable[[], None] | None = None
        self._sync: Sync | None = None
        self._events: Events | None = None
        self.why_stopped = ""
        """Why we leave, if somebody asked us to; empty: the command has ended by itself."""

    def run(self) -> int:
        """Run to the end. No hook survives us."""
        try:
            return self._run()
        finally:
            self._close()

    def _run(self) -> int:
        """Start: sources and sync, the first configuration, the command. Then forward and reap. Leave: with the code."""
        settings = self._settings
        note = self._log.info if settings.has_sources else self._log.debug  # a plain init is silent
        note("supervisor.started", f"config-supervisor {__version__}", version=__version__, command=settings.command)
        if settings.report.listen:
            self._keep_running("listen", self._listen_at(settings.report.listen))
        if settings.has_sources:
            self._start_threads()
            word = self._wait_for_first()
            if isinstance(word, Signal):
                self.why_stopped = f"stopped by signal {word} before the first configuration"
                note("supervisor.stopped", self.why_stopped, signal=word)
                return 128 + word
            if word is None:
                raise StartError(self._why_no_configuration())
            if self._silent:
                self._log.warning("start.with_last", f"starting with what an earlier run left: {self._why()}")
            if settings.once:
                return self._end_with_first()
        if settings.command:
            pid = self._processes.start(settings.command)
            note("command.started", f"started {settings.command[0]}", pid=pid)
            pid1.tell_who_reaps(self._log, is_subreaper=settings.init.subreaper)
        self._may_reload.set()
        try:
            code = self._forward_and_reap()
        finally:  # also if the command cannot be started again
            if self._child_logs:
                self._child_logs.finish()
        if self._events:
            self._events.flush()
        note("supervisor.ended", f"leaving with exit code {code}", exit_code=code)
        return code

    def _wait_for_first(self) -> Applied | Signal | None:
        stops = self._forwarding.stops
        word = pid1.wait_for_first(self._inbox, self._processes, stops, self._deadline())
        if word is None and self._fall_back:  # a source has not even said why it cannot tell
            self._fall_back()
            word = pid1.wait_for_first(self._inbox, self._processes, stops, time.monotonic() + _FALL_BACK_S)
        return word

    def _end_with_first(self) -> int:
        """The files are there, and that was all: leave, or become the command."""
        self._close()
        self._log.info("once.done", f"the configuration is in {self._settings.files.root}", command=self._settings.command)
        if self._settings.command:
            self._log.close()
            held = [word for word in self._inbox.pending() if isinstance(word, Signal)]
            self._processes.become(self._settings.command, held)
        return 0

    def _forward_and_reap(self) -> int:
        """The main thread's work, until the command ends or we are asked to stop; returns the exit code."""
        init = self._settings.init
        if self._settings.command:
            processes, forwarding = self._processes, self._forwarding
            stopping = Stopping(forwarding, processes, self._log, init.kill_timeout_s, init.stop_delay_s, self._hear_stop)
            on_end = self._sync.command_ended if self._sync else lambda _: False
            code = pid1.run(self._inbox, processes, forwarding, stopping, on_end=on_end)
        else:
            pid1.wait_for_stop(self._inbox, self._processes)
            self._hear_stop()
            code = 0
        self._close()
        if init.group_kill and (init.subreaper or os.getpid() == 1):
            pid1.end_the_rest(self._inbox, self._processes)
        return 0 if code in init.remap_exit else code

    def _close(self) -> None:
        """From here on the folder stays as it is, whole, and no hook runs. Called by every way out, perhaps twice."""
        self._stop.set()
        self._processes.kill_hooks()
        if self._sync:
            self._sync.close()

    def _hear_stop(self) -> None:
        self.why_stopped = "asked to stop"
        self._stop.set()

    def last_words(self, cause: str, code: int) -> dict[str, object]:
        """What the termination log says."""
        return last_words(cause, code, self._processes.state, self._board.config)

    def _deadline(self) -> float:
        timeout_s = self._settings.startup_timeout_s
        return time.monotonic() + timeout_s if timeout_s else float("inf")

    def _why_no_configuration(self) -> str:
        return f"no configuration after {self._settings.startup_timeout_s:g} s (--startup-timeout): {self._why()}"

    def _why(self) -> str:
        problems = [source.problem for source in list(self._board.sources.values())]
        problems += [self._board.config.last.outcome.reason] if self._board.config else []
        return "; ".join(problem for problem in problems if problem)

    def _start_threads(self) -> None:
        """A thread for each source, and the sync thread. Raises StartError if the folder or the cluster cannot be had."""
        from supervisor.app import App
        from supervisor.desired import Desired
        from supervisor.report import Report, make_events
        from supervisor.source import make_sources
        from supervisor.sync import Sync
        from supervisor.tree import Tree

        files = self._settings.files
        tree = Tree(files.root, layout=files.layout, folder_mode=files.folder_mode, fsync=files.fsync)
        sources = make_sources(self._settings.sources, self._environment.get("KUBECONFIG"))
        self._events = make_events(self._settings, self._environment, self._log)
        desired = Desired(tuple(source.name for source in sources))
        self._sync = Sync(
            self._settings,
            desired,
            tree,
            make_app=partial(App, self._settings, self._processes, self._log, lambda: self._reloaders),
            stop=self._stop,
            first_is_live=self._hear_first,
            report=Report(self._log, self._board, tree, self._events).tell,
            at_work=self._board.at_work,
        )
        if self._settings.start_with_last and (tree.good or tree.live):
            self._fall_back = desired.fall_back
        for source in sources:
            self._board.sources[source.name] = SourceState(source.name, source.contact, f"{source.name}: no answer yet")
            self._silent.add(source.name)
            self._keep_running(source.name, partial(self._listen, source, desired))
        self._keep_running("sync", self._sync.run)
        if self._events:
            self._keep_running("events", self._events.run)

    def _listen_at(self, address: Address) -> Callable[[], None]:
        from supervisor.report import listen

        return listen(address, self._settings, self._board, self._inbox, self._processes, self._stop.is_set, self._log)

    def _keep_running(self, name: str, work: Callable[[], None]) -> None:
        """Run something in a thread of its own, which nobody waits for, and again if it fails. The command is not touched."""

        def run() -> None:
            for delay_s in backoff():
                try:
                    work()
                except SourceError as error:
                    self._hear_problem(name, str(error))
                except Exception as error:  # a broad catch: a bug must not end the app
                    place = traceback.extract_tb(error.__traceback__)[-1]  # not the message: it may hold contents
                    reason = f"{type(error).__name__} at {place.filename}:{place.lineno}"
                    self._board.crashed(name)
                    self._log.error("thread.crashed", f"{name} crashed and is started again: {reason}", thread=name)
                else:
                    return
                # The beginning of a stop ends the wait: probes and Events have work to do then. From there on it would end each.
                (Event() if self._stop.is_set() else self._stop).wait(delay_s)

        try:
            Thread(target=run, name=name, daemon=True).start()
        except RuntimeError as error:
            raise StartError(f"cannot start the thread {name!r}: {error}; is there a limit of processes or memory?") from error

    # --- called by the threads

    def _listen(self, source: Source, desired: Desired) -> None:
        """Pass on what a source wants, and tell what keeps it from knowing."""
        for heard in source.watch():
            if isinstance(heard, SourceError):
                self._hear_problem(source.name, str(heard))
                if self._fall_back:
                    self._fall_back()
            else:
                source.contact.proven()
                self._board.works(source.name)
                self._hear_problem(source.name, "")
                self._silent.discard(source.name)
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
        if self._settings.once:
            self._stop.set()  # nothing newer is begun
        self._inbox.post(Applied())

    @cached_property
    def _reloaders(self) -> tuple[Reloader, ...]:
        """Wait for the main thread to start the command, and make the ways to tell it of changes."""
        from supervisor.reload import make_reloaders

        if self._settings.once:
            return ()
        self._may_reload.wait()
        return make_reloaders(self._settings, self._processes, self._inbox, self._log)
