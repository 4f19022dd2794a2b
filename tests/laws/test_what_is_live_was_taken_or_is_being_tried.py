from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any, Literal

from hypothesis import settings as how
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from supervisor.app import App
from supervisor.desired import Desired
from supervisor.logs import Log
from supervisor.model import Outcome, Verdict
from supervisor.processes import HookTimeout
from supervisor.reload.by_command import ByCommand
from supervisor.settings import FileSettings, ReloadSettings, SafetySettings, Settings
from supervisor.sync import Sync
from supervisor.tree import Tree
from tests.rooms.building import snapshot, wanted

# What a configuration does to those who look at it; `fine` is taken by all.
TRAITS = ["fine", "fine too", "check says no", "check hangs", "app says no", "app dies", "never confirmed", "dies unconfirmed"]
ACCEPTABLE = {"fine", "fine too"}
Moment = Literal["check", "tell", "confirm"]
moments = st.sampled_from(["check", "tell", "confirm"])
maybe_traits = st.none() | st.sampled_from(TRAITS)


class Gone(BaseException):
    """The program has ended here: nothing after this instant was done."""


class World:
    """The app, and whoever knows it, behind the hooks that the program runs: a stand-in of processes.Processes."""

    def __init__(self, root: Path, *, has_command: bool) -> None:
        self.root = root
        self.has_command = has_command
        self.is_away = False
        self.runs_with = ""
        """What the app has in its memory; empty if it does not run."""
        self.refused = ""
        """What was refused, as long as nothing else is wanted."""
        self.taken: set[str] = set()
        self.events: dict[Moment, Callable[[], None]] = {}
        """What happens once, at the next hook of a kind."""
        self.end: Callable[[int], object] = lambda _: None

    def live(self) -> str:
        """What a reader finds; empty if nothing."""
        path = self.root / "key"
        return path.read_text() if path.exists() else ""

    def run_hook(self, command: Sequence[str], timeout_s: float, environment: Mapping[str, str]) -> tuple[int, bytes]:
        """Be one of the three hooks."""
        moment, *folders = command
        self.events.pop(moment, lambda: None)()  # type: ignore[call-overload]
        return {"check": self._check, "tell": self._tell, "confirm": self._confirm}[moment](*folders), b"why"

    def _check(self, folder: str = "") -> int:
        text = (Path(folder or self.root) / "key").read_text()
        if text == "check hangs":
            raise HookTimeout(b"")
        return int(text == "check says no")

    def _tell(self) -> int:
        if self.is_away:
            raise OSError(2, "nobody there")
        text = self.live()
        assert text != self.refused, "what was refused is not tried again"
        if text == "app says no":
            return 1
        if text == "app dies":
            self.dies()
        self.runs_with = text
        return 0

    def _confirm(self) -> int:
        text = self.runs_with
        if text == "dies unconfirmed":
            self.dies()
        if text == "never confirmed":
            return 1
        if text == self.live():
            self.taken.add(text)
        return 0

    def dies(self) -> None:
        """The command ends, and the program with it, as the main thread does it; of a sidecar's app we only see the silence."""
        if not self.has_command:
            raise OSError(111, "connection refused")
        self.end(7)
        raise Gone


class OneProgram(RuleBasedStateMachine):
    """A folder, and one run of the program after another."""

    @initialize(has_command=st.booleans(), checks_staged=st.booleans(), trait=st.sampled_from(TRAITS))
    def begin(self, has_command: bool, checks_staged: bool, trait: str) -> None:
        """A first start."""
        self.folder = Path(tempfile.mkdtemp(prefix="law-"))
        self.root = self.folder / "config"
        self.world = World(self.root, has_command=has_command)
        self.has_command, self.checks_staged = has_command, checks_staged
        self.wanted = trait
        self.outcomes: list[Outcome] = []
        self.lags = False
        """A sidecar that ends while it tells its app of the way back does not know of that in its next run."""
        self.tree: Tree | None = None
        self._start()
        self._attempt()

    def _start(self) -> None:
        self.lags = not self.has_command
        if self.tree:
            os.close(self.tree._disk.fd)
        hooks = SafetySettings(
            validate=("check", "{}") if self.checks_staged else ("check",),
            confirm_command=("confirm",),
            confirm_within_s=0.0,
            settle_s=0.005,
            hook_timeout_s=9,
        )
        settings = Settings(
            command=["app"] if self.has_command else [],
            files=FileSettings(root=str(self.root)),
            reload=ReloadSettings(command=("tell",), retries=0, interval_s=0.0),
            safety=hooks,
        )
        world: Any = self.world
        world.events.clear()
        world.runs_with = "" if self.has_command else world.runs_with
        log = Log("json", 100)
        self.tree = Tree(str(self.root))
        self.desired = Desired(("a",))
        self.desired.put("a", (wanted({"key": self.wanted}),))
        self.stop = Event()
        tell = (ByCommand(("tell",), 9, world, log),)
        self.sync = Sync(
            settings,
            self.desired,
            self.tree,
            make_app=partial(App, settings, world, log, lambda: tell),
            stop=self.stop,
            first_is_live=self._start_command,
            report=self._hear,
            at_work=lambda _: None,
        )
        world.end = self.sync.command_ended

    def _hear(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)
        is_wanted = outcome.revision == snapshot({"key": self.wanted}).revision
        if outcome.verdict in {Verdict.REFUSED, Verdict.ROLLED_BACK} and self._good() and is_wanted:
            self.world.refused = self.wanted

    def _start_command(self) -> None:
        """The command reads what is live. A sidecar's app runs anyway."""
        if self.has_command:
            text = self.world.live()
            assert text, "it starts with something"
            assert text != self.world.refused, "it does not start with what was refused"
            good = self._good()
            assert not good or text in {good, self.attempted}, "with what is wanted or what was good"
            self.world.runs_with = text
            if text in {"app dies", "app says no"}:
                self.world.dies()

    def _good(self) -> str:
        path = self.root / "..good" / "key"
        return path.read_text() if path.exists() else ""

    # --- what happens

    @rule(trait=st.sampled_from(TRAITS))
    def change(self, trait: str) -> None:
        """Somebody changes the ConfigMap, perhaps to what it was, and that is taken up."""
        self._want(trait)
        self._attempt()

    @rule(trait=st.sampled_from(TRAITS), moment=moments, newer=st.sampled_from(TRAITS))
    def change_twice(self, trait: str, moment: Moment, newer: str) -> None:
        """The second comes in the middle of the first."""
        self.world.events[moment] = lambda: self._want(newer)
        self.change(trait)
        if self.desired.is_newer(self.sync._serial, 0):
            self._attempt()

    @rule(trait=st.sampled_from(TRAITS), moment=moments, end=st.sampled_from(["stop", "kill", "death"]), later=maybe_traits)
    def end_in_the_middle(self, trait: str, moment: Moment, end: str, later: str | None) -> None:
        """We are asked to stop, killed, or the command ends by itself in the middle; perhaps there is a change meanwhile."""
        self.world.events[moment] = partial(self._end, end)
        self.change(trait)
        self.restart(later)

    @rule(later=maybe_traits)
    def restart(self, later: str | None) -> None:
        """The container is started again."""
        if later:
            self._want(later)
        self._start()
        self._attempt()

    @rule(is_away=st.booleans())
    def go_away_or_come_back(self, is_away: bool) -> None:
        """The app cannot be reached for a while."""
        self.world.is_away = is_away

    def _want(self, trait: str) -> None:
        if trait != self.wanted:
            self.world.refused = ""
        self.wanted = trait
        self.desired.put("a", (wanted({"key": trait}),))

    def _end(self, how: str) -> None:
        if how == "stop":
            self.stop.set()
        elif how == "death" and self.has_command:
            self.world.dies()
        else:
            raise Gone

    def _attempt(self) -> None:
        """The sync thread takes up what is wanted. If the program ends of it, it is started again, as by the kubelet."""
        for _ in range(4):
            if not self.desired.is_newer(self.sync._serial, 0):
                return  # the same once more is nothing newer
            self.attempted = self.wanted
            self.sync._serial, objects = self.desired.wait(self.sync._serial)
            assert objects
            try:
                self.sync._attempt(objects)
            except Gone:
                self._start()
                continue
            if not self.stop.is_set():
                break
            self._start()
        else:
            assert not self._good(), "a crash loop has its end, if there is something to go back to"
            return
        if not self.desired.is_newer(self.sync._serial, 0) and self.sync._transaction._has_begun:
            self._check_reached()

    # --- what must hold

    def _check_reached(self) -> None:
        """Nothing newer is wanted, and the attempt has come to its end."""
        live, good, trial = self.world.live(), self._good(), self.sync._transaction._trial
        self.lags = self.lags and self.world.runs_with != live
        if self.wanted in ACCEPTABLE - {self.world.refused} and not self.world.is_away:
            assert live == good == self.wanted, "the newest acceptable state is reached"
            assert self.lags or self.world.runs_with == self.wanted, "and the app has it"
        if live != good and good:
            assert trial is not None, "what is live was taken, or is being tried"
        if trial is None and good and not self.lags:
            assert self.world.runs_with == good, "the app has what is live"
        assert self.outcomes[-1].is_good == bool(live and live == good and trial is None)

    @invariant()
    def what_is_good_was_taken(self) -> None:
        """Nothing becomes good that the app has not confirmed."""
        if hasattr(self, "world"):
            assert self._good() in self.world.taken | {""}

    @invariant()
    def what_the_check_refuses_is_never_live(self) -> None:
        """Nor what it could not look at; after the end of an attempt, if it looks at what is published."""
        if hasattr(self, "world"):
            assert self.world.live() not in {"check says no", "check hangs"}

    def teardown(self) -> None:
        """Leave nothing."""
        if hasattr(self, "tree") and self.tree:
            os.close(self.tree._disk.fd)
            shutil.rmtree(self.folder)


OneProgram.TestCase.settings = how(max_examples=50, stateful_step_count=15, deadline=None)
TestWhatIsLiveWasTakenOrIsBeingTried = OneProgram.TestCase
