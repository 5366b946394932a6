"""Builds every part, runs one TaskGroup, owns start and stop of a session of play."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import structlog
from rich.console import Console

from agent.concurrency.lane import Lane
from agent.concurrency.supervise import Supervisor
from agent.control.arbiter import Arbiter
from agent.control.cards.chooser import CardChooser
from agent.control.experience import ACTIONS
from agent.control.policy import ChoosesCards, Policy, capabilities_of
from agent.core.choices import Preferences
from agent.core.clock import TICK_S, Clock
from agent.core.errors import AgentError
from agent.core.latency import Latency
from agent.http.decoding import Decoder
from agent.http.events import EventLog
from agent.http.server import serve
from agent.http.workers import learner_routes
from agent.learner.client import Learning
from agent.learner.live import LiveLearning
from agent.learner.outcomes import OutcomeWeights
from agent.learning.configs import Budget, PolicyKind, PolicySpec
from agent.link.imaging import decode_frame
from agent.link.links import Address, link_to
from agent.link.research import ResearchAddress
from agent.link.wire import Limits
from agent.session.act import ActLoop, Seat, Watcher
from agent.session.console import show
from agent.session.episodes import EpisodeLog
from agent.session.guard import CollectionTimer, Watchdog, guard
from agent.session.report import session_report, write_report
from agent.session.sense import Feed
from agent.session.status import Status
from agent.session.step_runner import StepRunner
from agent.store.reload import Reloader
from agent.store.store import WeightsStore

SWITCH_INTERVAL_S = 0.0005
BUDGET_S = TICK_S
log = structlog.get_logger(__name__)


class SessionOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What one session of play is told; every field has passed the command line's checks."""

    endpoints: tuple[Address, ...]
    names: tuple[str, ...]
    seconds: float | None = None
    episodes: int | None = None
    seed: int = 0
    report: Path | None = None
    http_port: int | None = 8040
    http_token: str = ""
    limits: Limits = msgspec.field(default_factory=Limits)
    real_time: bool = True
    budget_s: float = BUDGET_S
    watchdog: bool = True
    game: str = ""
    rules: str = ""
    on_http: Callable[[int], None] | None = None
    weights_dir: Path | None = None
    keep_given_weights: bool = False
    learn: bool = False
    budget: Budget = Budget()
    wanted: Preferences | None = None
    shipped_outcomes: Path | None = None


class _Stop(Exception):
    """The session's work is done; ends the TaskGroup."""


class Session:
    """One session: its parts, wired; `run` plays until told to stop."""

    def __init__(
        self,
        options: SessionOptions,
        policy: Policy,
        clock: Clock,
        *,
        console: Console | None = None,
        watchers: tuple[Watcher, ...] = (),
        latency: Latency | None = None,
    ) -> None:
        self.options = options
        self.latency = latency or Latency()
        self._clock = clock
        self._console = console
        self._policy = policy
        self._stop = asyncio.Event()
        count = len(options.endpoints)
        ready = asyncio.Event()
        feed_of = partial(
            Feed, clock=clock, latency=self.latency, ready=ready.set, real_time=options.real_time,
            looks=lambda: capabilities_of(policy).looks,
        )  # fmt: skip
        self.feeds = [feed_of(i, options.names[i]) for i in range(count)]
        self.links = [
            link_to(endpoint, feed, clock, limits=options.limits, seed=options.seed + i)
            for i, (endpoint, feed) in enumerate(zip(options.endpoints, self.feeds, strict=True))
        ]
        self.episodes = EpisodeLog(count, on_end=self._episode_ended)
        self.seats = [Seat(feed, link) for feed, link in zip(self.feeds, self.links, strict=True)]
        self._inference = Lane("inference")
        self.runner = StepRunner(self._inference, lambda: capabilities_of(policy).on_card)
        self.imaging = Lane("imaging")
        self.disk = Lane("disk")
        self.events = EventLog(clock)
        self.supervisor = Supervisor(clock, lambda part, reason: self._say("part_parked", reason, {"part": part}))
        self.reloader: Reloader | None = None
        can = capabilities_of(policy)
        if options.weights_dir is not None and can.reloadable is not None:
            self.reloader = Reloader(
                can.reloadable, WeightsStore(options.weights_dir), self.runner, self.disk, clock, say=self._say
            )
        self._decoder = Decoder()
        self.learning: Learning | None = None
        self.live: LiveLearning | None = None
        if options.learn and options.weights_dir is not None:
            self._learn(options.weights_dir)
        self.arbiter = Arbiter()
        self.outcomes: OutcomeWeights | None = None
        if options.wanted is not None and can.chooses_cards is not None:
            self.outcomes = self._choose_cards(options.wanted, can.chooses_cards)
        self.actor = ActLoop(
            self.seats,
            policy,
            self.runner,
            clock,
            self.latency,
            ready,
            budget_s=options.budget_s,
            watchers=(self.episodes, *watchers),
            judge=self.reloader,
            arbiter=self.arbiter,
        )
        self.status = self._status()
        self.http_port: int | None = None

    def stop(self) -> None:
        """End the session soon; safe to call twice."""
        self._stop.set()

    def _status(self) -> Status:
        """The snapshot of every part that there is."""
        status = Status(self._clock, self.links, self.feeds, self.actor, self.latency, self.episodes)
        status.add("parts", self.supervisor.status)
        if self.reloader is not None:
            status.add("weights", self.reloader.status)
        if self.learning is not None:
            status.add("learner", self.learning.status)
        serving = capabilities_of(self._policy).serving
        if serving is not None:
            status.add("served", serving.served)
        if self.live is not None:
            status.add("learning", self.live.status)
        status.add("choices", self.outcomes.status if self.outcomes is not None else self._cards_by_motor)
        return status

    def _cards_by_motor(self) -> dict[str, Any]:
        why = f"the policy {self._policy.name} takes no other's cards"
        if self.options.wanted is None:
            why = "active inference is off: METABONK_USE_ACTIVE_INFERENCE=0, or an evaluation of the policy alone"
        return {"chooser": "motor", "why": why}

    def _choose_cards(self, wanted: Preferences, policy: ChoosesCards) -> OutcomeWeights:
        """Let active inference choose the cards of a policy, as far as it has a model for that."""
        chooser, options = CardChooser(wanted), self.options
        policy.choose_by(chooser, self.arbiter)
        store = self.reloader.store if self.reloader is not None else None
        outcomes = OutcomeWeights(
            chooser, self.arbiter, self._policy.name, self.runner, self.disk, store=store,
            shipped=options.shipped_outcomes, say=self._say,
        )  # fmt: skip
        if self.learning is not None:
            self.learning.outcomes_in_play = outcomes.packed
        if self.live is not None:
            self.live.outcomes = outcomes
        return outcomes

    def _learn(self, folder: Path) -> None:
        """Serve learners over HTTP, and learn from play where the policy can."""
        options, clock = self.options, self._clock
        store = self.reloader.store if self.reloader is not None else WeightsStore(folder)
        self.learning = Learning(store, self.disk, clock, self.supervisor, options.budget, say=self._say)
        learnable = capabilities_of(self._policy).learnable
        if self.reloader is not None and learnable is not None:
            recorder = learnable.learn(options.names)
            policy_spec = PolicySpec(
                name=learnable.name, kind=msgspec.convert(learnable.kind, PolicyKind), features=recorder.features,
                continuous=ACTIONS.continuous, branches=ACTIONS.branches, seed=options.seed,
            )  # fmt: skip
            self.live = LiveLearning(recorder, self.learning, self.reloader, policy_spec, self.disk, clock)

    def _say(self, kind: str, message: str, payload: dict[str, Any]) -> None:
        self.events.add(kind, message, payload)

    def _episode_ended(self) -> None:
        wanted = self.options.episodes
        if wanted is not None and len(self.episodes.results) >= wanted:
            self.stop()

    async def run(self) -> dict[str, Any]:
        """Warm up, play until stopped, and return the report's values; raises what ended the session."""
        if self.reloader is not None:
            await self.reloader.begin(keep_given=self.options.keep_given_weights)
        if self.outcomes is not None:
            await self.outcomes.begin()
        await self.runner.run(self._policy.warm_up)
        gc.collect()
        gc.freeze()
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        watchdog = Watchdog(sys.stderr, self._clock) if self.options.watchdog else None
        with contextlib.ExitStack() as stack:
            stack.enter_context(_stopping_on_signals(self.stop))
            stack.enter_context(CollectionTimer(self._clock, self.latency))
            if watchdog is not None:
                stack.enter_context(watchdog)
            stack.callback(self._inference.close)
            stack.callback(self.imaging.close)
            stack.callback(self.disk.close)
            stack.callback(self._decoder.close)
            if self.learning is not None:
                stack.callback(self.learning.close)
            try:
                await self._play(watchdog.alive if watchdog is not None else lambda: None)
            finally:
                for feed in self.feeds:
                    feed.on_down("the session ended")
                if watchdog is not None:
                    watchdog.rest()
                if self.learning is not None:
                    await self.learning.finish()
                options = self.options
                report = session_report(
                    options.game, options.rules, options.seed, self.status, self.episodes, self.actor, self._clock
                )
                report["http_port"] = self.http_port
                if self.options.report is not None:
                    write_report(self.options.report, report)
        return report

    async def _play(self, alive: Callable[[], None]) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                for link, feed in zip(self.links, self.feeds, strict=True):
                    group.create_task(feed.sense(decode_frame, self.imaging), name=f"sense {feed.name}")
                    group.create_task(link.run(), name=f"link {feed.name}")
                group.create_task(self.actor.act(), name="act")
                if self.reloader is not None:
                    watch, mend = self.reloader.watch, self.reloader.mend
                    group.create_task(self.supervisor.run("weights watch", watch), name="weights watch")
                    group.create_task(mend(), name="weights mend")
                if self.live is not None:
                    self.live.begin()
                    group.create_task(self.supervisor.run("learning from play", self.live.run), name="learn")
                group.create_task(guard(self.seats, self._clock, self.latency, alive), name="guard")
                if self.options.http_port is not None:
                    group.create_task(self._serve(self.options.http_port), name="serve")
                if self._console is not None:
                    group.create_task(show(self.status, self._clock, self._console), name="console")
                group.create_task(self._until_stopped(), name="stop")
        except* _Stop:
            pass

    async def _serve(self, port: int) -> None:
        learning = self.learning
        await serve(
            self.status,
            port=port,
            token=self.options.http_token,
            clock=self._clock,
            extra_routes=learner_routes(learning, self._decoder, self.events),
            losses=learning.losses if learning is not None else dict,
            ready=self._on_http,
        )

    def _on_http(self, port: int) -> None:
        self.http_port = port
        log.info("page", url=f"http://127.0.0.1:{port}/")
        if self.options.on_http is not None:
            self.options.on_http(port)

    async def _until_stopped(self) -> None:
        seconds = self.options.seconds
        try:
            async with asyncio.timeout(seconds):
                await self._stop.wait()
        except TimeoutError:
            pass
        raise _Stop


@contextlib.contextmanager
def _stopping_on_signals(stop: Callable[[], None]) -> Iterator[None]:
    """Turn Ctrl-C and a polite kill into `stop`; where the loop takes no handlers, Ctrl-C cancels it as usual."""
    loop = asyncio.get_running_loop()
    taken = []
    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            loop.add_signal_handler(number, stop)
            taken.append(number)
        except (NotImplementedError, RuntimeError, ValueError):
            break
    try:
        yield
    finally:
        for number in taken:
            loop.remove_signal_handler(number)


def new_event_loop(endpoints: tuple[Address, ...]) -> asyncio.AbstractEventLoop:
    """The loop to run on: Proactor where a named pipe is opened, else uvloop or winloop.

    Raises AgentError where a pipe is asked for off Windows.
    """
    if any(not isinstance(e, ResearchAddress) and e.pipe is not None for e in endpoints):
        if sys.platform != "win32":
            raise AgentError("pipe:// games exist on Windows only; use bonklink://HOST:PORT")
        return asyncio.ProactorEventLoop()
    if sys.platform == "win32":
        import winloop

        loop: asyncio.AbstractEventLoop = winloop.new_event_loop()
        return loop
    import uvloop

    loop = uvloop.new_event_loop()
    return loop
