"""The composition root: builds the parts of a session, runs one TaskGroup, owns start and stop."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeVar

import structlog
from rich.console import Console

from agent.assembly import (
    Shared,
    build_cards,
    build_console,
    build_contest,
    build_episodes,
    build_feeds,
    build_learners,
    build_learning,
    build_links,
    build_loops,
    build_outcomes,
    build_playback,
    build_recorder,
    build_reloader,
    build_rollouts,
    build_served_of,
    build_serving,
    build_surprise,
    build_weights,
)
from agent.concurrency.lane import Lane
from agent.concurrency.supervise import Failure, Supervisor, attempted
from agent.control.arbiter import Arbiter
from agent.control.policy import Policy, capabilities_of
from agent.core.clock import Clock
from agent.core.errors import SettingsError
from agent.core.latency import Latency
from agent.core.part import Part
from agent.http.building import build_apis, build_server
from agent.http.events import EventLog
from agent.http.part import BoundPort
from agent.http.steering.access import Access
from agent.learner.pace import Pace
from agent.learner.science.part import build_science
from agent.link.imaging import decode_frame
from agent.link.links import Link
from agent.session.act import ActLoop, Seat, Watcher
from agent.session.episodes import EpisodeLog, SeesTheGame
from agent.session.guard import CollectionTimer, Watchdog, guard
from agent.session.loop import Stopping, stopping_on_signals
from agent.session.loops.watch import Loops
from agent.session.options import SessionOptions
from agent.session.parts import Supervision
from agent.session.planning.building import build_planning, build_safety
from agent.session.planning.menus import build_menus, navigators
from agent.session.planning.owners import Owners
from agent.session.report import session_report, write_report
from agent.session.seeing.view import View, WhoActed
from agent.session.sense import Feed
from agent.session.status import Status
from agent.session.step_runner import StepRunner
from agent.setup.plan import MemoryPlan
from agent.store.in_play.building import build_skills, stepper_of
from agent.store.in_play.context import SkillContext
from agent.store.store import WeightsStore

SWITCH_INTERVAL_S: Final = 0.0005
FIRST_ACTION_S: Final = 30.0
"""A session that ends with a number of episodes, and without a time, ends when nothing was played for this long."""
P = TypeVar("P", bound=Part)
log = structlog.get_logger(__name__)


class _Stop(Exception):
    """The session's work is done; ends the TaskGroup."""


@dataclass(frozen=True, kw_only=True)
class Session:
    """One session: the path of a frame, and the parts beside it; `run` plays until told to stop."""

    options: SessionOptions
    policy: Policy
    clock: Clock
    latency: Latency
    links: Sequence[Link]
    feeds: Sequence[Feed]
    actor: ActLoop
    episodes: EpisodeLog
    lanes: Sequence[Lane]
    imaging: Sequence[Lane]
    counting: Lane
    supervisor: Supervisor
    status: Status
    parts: Sequence[Part]
    stopping: Stopping
    bound: BoundPort

    def stop(self) -> None:
        """End the session soon; safe to call twice."""
        self.stopping.stop("caller")

    def part(self, kind: type[P]) -> P:
        """The part of this class; raises LookupError where it is off."""
        for part in self.parts:
            if isinstance(part, kind):
                return part
        raise LookupError(f"the session has no {kind.__name__}")

    async def run(self) -> dict[str, Any]:
        """Begin every part, warm up, play until stopped, and return the report; raises what ended the session."""
        with contextlib.ExitStack() as closing:
            for close in (*(lane.close for lane in self.lanes), *(part.close for part in self.parts)):
                closing.callback(close)
            with stopping_on_signals(self.stopping.stop_by_signal):
                if not await self._begun():
                    return await self._report()
                watchdog = Watchdog(sys.stderr, self.clock) if self.options.watchdog else None
                with contextlib.ExitStack() as stack:
                    stack.enter_context(CollectionTimer(self.clock, self.latency))
                    if watchdog is not None:
                        stack.enter_context(watchdog)
                    stack.enter_context(closing.pop_all())
                    try:
                        await self._play(watchdog.alive if watchdog is not None else lambda: None)
                    finally:
                        report = await self._ended(watchdog)
        return report

    async def _begun(self) -> bool:
        """Begin every part and warm up; False where the session was stopped meanwhile."""

        async def begin() -> None:
            for part in self.parts:
                await part.begin()
            await self.actor.runner.run(self.policy.warm_up)

        beginning, stopped = asyncio.ensure_future(begin()), asyncio.ensure_future(self.stopping.within(None))
        try:
            await asyncio.wait({beginning, stopped}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopped.cancel()
            beginning.cancel()
            await asyncio.wait({beginning})
        if beginning.cancelled():
            return False
        beginning.result()
        if self.options.on_begun is not None:
            self.options.on_begun()
        gc.collect()
        gc.freeze()
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        return True

    async def _ended(self, watchdog: Watchdog | None) -> dict[str, Any]:
        """Finish every part; the report."""
        for feed in self.feeds:
            feed.on_down("the session ended")
        if watchdog is not None:
            watchdog.rest()
        for part in self.parts:
            finished = await attempted(part.finish())
            if isinstance(finished, Failure):
                self.supervisor.fault(part.name, finished)
        return await self._report()

    async def _play(self, alive: Callable[[], None]) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                for link, feed, imaging in zip(self.links, self.feeds, self.imaging, strict=True):
                    group.create_task(feed.sense(decode_frame, imaging), name=f"sense {feed.name}")
                    group.create_task(link.run(), name=f"link {feed.name}")
                group.create_task(self.actor.act(), name="act")
                count = partial(self.episodes.keep_statistics, self.counting, self.clock)
                group.create_task(self.supervisor.run("episode statistics", count), name="episode statistics")
                group.create_task(guard(self.actor.seats, self.clock, self.latency, alive), name="guard")
                for part in self.parts:
                    run = part.run() if part.is_essential else self.supervisor.run(part.name, part.run)
                    group.create_task(run, name=part.name)
                group.create_task(self._until_stopped(), name="stop")
        except* _Stop:
            pass

    async def _until_stopped(self) -> None:
        seconds = self.options.seconds
        if seconds is None and self.options.episodes is not None:
            stopped = await self.stopping.within(FIRST_ACTION_S)
            if not stopped and self.actor.first_action_s is None:
                self.stopping.stop("silence")
        await self.stopping.within(seconds)
        self.stopping.stop("time")
        raise _Stop

    async def _report(self) -> dict[str, Any]:
        """The report's values, written where a file was asked for."""
        o = self.options
        report = session_report(o.game, o.rules, o.seed, self.status, self.episodes, self.actor, self.clock)
        report["http_port"] = self.bound.number
        report["ended_by"] = self.stopping.by
        if o.report is not None:
            try:
                await asyncio.to_thread(write_report, o.report, report)
            except SettingsError as error:  # what ended the session, or came of it, is said first
                report["report_error"] = str(error)
        return report


def build_session(
    options: SessionOptions, policy: Policy, clock: Clock, *, console: Console | None = None,
    watchers: Sequence[Watcher] = (), latency: Latency | None = None, parts: Sequence[Part] = (),
    access: Access | None = None,
) -> Session:  # fmt: skip
    """A session of this policy, wired; `parts` are the caller's own; by `access` browsers get to steer."""
    latency, stopping, ready = latency or Latency(), Stopping(), asyncio.Event()
    events, arbiter, inference = EventLog(clock), Arbiter(), Lane("inference")
    imaging, disk, counting = [Lane("imaging") for _ in options.names], Lane("disk"), Lane("statistics")
    runner = StepRunner(inference, lambda: capabilities_of(policy).never_waits)
    supervisor = Supervisor(clock, lambda part, reason: shared.say("part_parked", reason, {"part": part}))
    shared = Shared(
        options=options, policy=policy, clock=clock, runner=runner, disk=disk, arbiter=arbiter,
        supervisor=supervisor, events=events, store=WeightsStore(options.weights_dir) if options.weights_dir else None,
        pace=Pace(clock, len(options.names), real_time=options.real_time), told=[],
    )  # fmt: skip
    reloader, wanted = build_reloader(shared), options.skills
    context = SkillContext(len(options.names), wanted.character, wanted.weapons)
    planning = build_planning(options, policy, clock, shared.say, context.pursue)
    safety, menus = build_safety(options), build_menus(options, clock, shared.say)
    science = build_science(options, policy, clock, runner, shared.say)
    outcomes = build_outcomes(shared, planning, science)
    learning = build_learning(shared, outcomes)
    rollouts = build_rollouts(shared) if (learning or options.learner) and reloader else None
    contest, planner = build_contest(shared, reloader, rollouts), planning.planner if planning else None
    skills = build_skills(shared, wanted.folder, contest, context, planner, learns=rollouts is not None)
    stepper = stepper_of(skills, contest)
    feeds, episodes = build_feeds(shared, latency, ready.set), build_episodes(options, stopping, contest)
    recorder = build_recorder(shared, feeds, episodes, stepper)
    owners, links = Owners(options.names, shared.say), build_links(shared, recorder.feeds if recorder else feeds)
    loops = build_loops(shared, feeds, counting, planning)
    learners = build_learners(shared, learning, rollouts, contest, outcomes)
    served = build_served_of(shared, feeds, learning, planning, recorder, learners, reloader is not None, access)
    surprise = build_surprise(shared, feeds, counting, learning)
    seeing = (episodes, SeesTheGame(policy), planner, loops, science and science.watch, surprise and surprise.watch)
    beside: list[Part] = [
        *_there(Supervision(supervisor), recorder),
        *(*build_weights(shared, reloader, contest), *_there(skills, *learners)),
        *(*build_serving(policy), *build_playback(links, stopping)),
        *build_cards(shared, outcomes, science),
        *_there(planning.part if planning else None, safety, menus, Loops(loops) if loops else None, surprise),
        WhoActed(owners, len(options.names), clock),
        *build_apis(served),
        *parts,
    ]
    beside.append(MemoryPlan(options.memory_mib, beside, clock, counting, shared.say))
    actor = ActLoop(
        [Seat(feed, link) for feed, link in zip(feeds, links, strict=True)], policy, runner, clock, latency, ready,
        budget_s=options.budget_s, judge=contest, arbiter=arbiter, room=shared.pace.room, recorder=recorder,
        watchers=[w for w in (*seeing, *watchers) if w], navigator=navigators(planning, menus),
        safety=safety.rules if safety is not None else None, on_owner=owners.changed, stepper=stepper,
    )  # fmt: skip
    status = Status(clock, links, feeds, actor, latency, episodes, beside)
    bound, view = BoundPort(options.on_http), View(actor, latency, owners, clock)
    showing = [*build_server(served, status, view, bound, beside), *build_console(status, clock, console)]
    return Session(
        options=options, policy=policy, clock=clock, latency=latency, links=links, feeds=feeds, actor=actor,
        episodes=episodes, lanes=(inference, *imaging, disk, counting), imaging=imaging, counting=counting,
        supervisor=supervisor, status=status, parts=[*beside, *showing], stopping=stopping, bound=bound,
    )  # fmt: skip


def _there(*parts: Part | None) -> list[Part]:
    """Those parts that are on."""
    return [part for part in parts if part is not None]
