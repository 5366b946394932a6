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

from agent.concurrency.lane import Lane
from agent.concurrency.supervise import Failure, Supervisor, attempted
from agent.control.arbiter import Arbiter
from agent.control.cards.chooser import CardChooser
from agent.control.experience import RolloutRecorder
from agent.control.policy import Policy, capabilities_of
from agent.control.reward import RewardTable
from agent.core.clock import Clock
from agent.core.errors import SettingsError
from agent.core.latency import Latency
from agent.core.part import Part
from agent.games.options import is_gymnasium
from agent.http.building import Served, build_apis, build_server
from agent.http.events import EventLog
from agent.http.part import BoundPort
from agent.http.steering.access import Access
from agent.journal.clip import CLIPS
from agent.journal.history import History
from agent.journal.journal import Journal
from agent.learner.client import Learning
from agent.learner.live import LiveLearning
from agent.learner.outcomes import OutcomeWeights
from agent.learner.pace import Pace
from agent.learner.part import CardsByOutcomes, Learners, LearnFromPlay
from agent.learning.configs import MOTOR, PILOT, is_off_policy, learns_from_play, spec_of
from agent.link.bonklink import PacketListener
from agent.link.imaging import decode_frame
from agent.link.links import Link, link_to
from agent.link.recorded import RecordedAddress
from agent.session.act import ActLoop, Seat, Stepper, Watcher
from agent.session.clips.maker import ClipMaker
from agent.session.episodes import EpisodeLog, SeesTheGame
from agent.session.guard import CollectionTimer, Watchdog, guard
from agent.session.loop import Stopping, stopping_on_signals
from agent.session.loops.watch import Loops, LoopWatch
from agent.session.options import SessionOptions
from agent.session.parts import CardsByMotor, ConsoleLine, ServedPolicy, Supervision
from agent.session.planning.building import Planning, build_planning, build_safety, let_plans_pick
from agent.session.planning.menus import build_menus, navigators
from agent.session.planning.owners import Owners
from agent.session.playback.link import PlaybackLink
from agent.session.playback.part import Playback
from agent.session.recording import RecordedFeed, RecordSession, header_of_session
from agent.session.report import session_report, write_report
from agent.session.seeing.view import View, WhoActed
from agent.session.sense import Feed
from agent.session.status import Status
from agent.session.step_runner import StepRunner
from agent.store.contest import Contest
from agent.store.in_play.building import build_skills, stepper_of
from agent.store.in_play.context import SkillContext
from agent.store.part import ChampionAndChallenger, WeightsMend, WeightsWatch
from agent.store.reload import Reloader
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


@dataclass(frozen=True, kw_only=True)
class _Shared:
    """What the builders of parts have in common."""

    options: SessionOptions
    policy: Policy
    clock: Clock
    runner: StepRunner
    disk: Lane
    arbiter: Arbiter
    supervisor: Supervisor
    events: EventLog
    store: WeightsStore | None
    pace: Pace
    told: list[Callable[[str, str, dict[str, Any]], None]]

    def say(self, kind: str, message: str, payload: dict[str, Any]) -> None:
        """Add an event, and tell it to whoever else wants to know."""
        self.events.add(kind, message, payload)
        for tell in self.told:
            tell(kind, message, payload)


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
    shared = _Shared(
        options=options, policy=policy, clock=clock, runner=runner, disk=disk, arbiter=arbiter,
        supervisor=supervisor, events=events, store=WeightsStore(options.weights_dir) if options.weights_dir else None,
        pace=Pace(clock, len(options.names), real_time=options.real_time), told=[],
    )  # fmt: skip
    reloader, wanted = _reloader(shared), options.skills
    context = SkillContext(len(options.names), wanted.character, wanted.weapons)
    planning = build_planning(options, policy, clock, shared.say, context.pursue)
    safety, menus = build_safety(options), build_menus(options, clock, shared.say)
    outcomes = _outcomes(shared, planning)
    learning = _learning(shared, outcomes)
    rollouts = _rollouts(shared) if learning and reloader else None
    contest = _contest(shared, reloader, rollouts)
    planner = planning.planner if planning is not None else None
    skills = build_skills(shared, wanted.folder, contest, context, planner, learns=rollouts is not None)
    stepper = stepper_of(skills, contest)
    feeds, episodes = _feeds(shared, latency, ready.set), _episodes(options, stopping, contest)
    recorder = _recorder(shared, feeds, episodes, stepper)
    links, owners = _links(shared, feeds if recorder is None else recorder.feeds), Owners(options.names, shared.say)
    loops = _loops(shared, feeds, counting, planning)
    learners = _learners(shared, learning, rollouts, contest, outcomes)
    served = _served_of(shared, feeds, learning, planning, recorder, learners, reloader is not None, access)
    beside: list[Part] = [
        *_there(Supervision(supervisor), recorder),
        *(*_weights(shared, reloader, contest), *_there(skills)),
        *learners,
        *_serving(policy),
        *_playback(links, stopping),
        _cards(shared, outcomes),
        *_there(planning.part if planning else None, safety, menus, Loops(loops) if loops else None),
        WhoActed(owners, len(options.names), clock),
        *build_apis(served),
        *parts,
    ]
    actor = ActLoop(
        [Seat(feed, link) for feed, link in zip(feeds, links, strict=True)], policy, runner, clock, latency, ready,
        budget_s=options.budget_s, judge=contest, arbiter=arbiter, room=shared.pace.room, recorder=recorder,
        watchers=[w for w in (episodes, SeesTheGame(policy), planner, loops, *watchers) if w],
        navigator=navigators(planning, menus), safety=safety.rules if safety is not None else None,
        on_owner=owners.changed, stepper=stepper,
    )  # fmt: skip
    status, bound = Status(clock, links, feeds, actor, latency, episodes, beside), BoundPort(options.on_http)
    view = View(actor, latency, owners, clock)
    showing = [*build_server(served, status, view, bound, beside), *_console(status, clock, console)]
    return Session(
        options=options, policy=policy, clock=clock, latency=latency, links=links, feeds=feeds, actor=actor,
        episodes=episodes, lanes=(inference, *imaging, disk, counting), imaging=imaging, counting=counting,
        supervisor=supervisor, status=status, parts=[*beside, *showing], stopping=stopping, bound=bound,
    )  # fmt: skip


def _there(*parts: Part | None) -> list[Part]:
    """Those parts that are on."""
    return [part for part in parts if part is not None]


def _feeds(shared: _Shared, latency: Latency, ready: Callable[[], None]) -> list[Feed]:
    """What is known of each game; a person who takes one over, and the end of that, is an event."""
    options, policy = shared.options, shared.policy
    feed_of = partial(
        Feed, clock=shared.clock, latency=latency, ready=ready, real_time=options.real_time,
        looks=lambda: capabilities_of(policy).looks,
    )  # fmt: skip
    feeds = [feed_of(i, name) for i, name in enumerate(options.names)]
    for feed in feeds:
        feed.human.tell = partial(_say_takeover, shared, feed.game)
    return feeds


def _links(shared: _Shared, listeners: Sequence[PacketListener]) -> list[Link]:
    """The connections to the games."""
    options, clock = shared.options, shared.clock
    return [
        PlaybackLink(address, listener, clock) if isinstance(address, RecordedAddress)
        else link_to(address, listener, clock, limits=options.limits, seed=options.seed + i)
        for i, (address, listener) in enumerate(zip(options.endpoints, listeners, strict=True))
    ]  # fmt: skip


def _playback(links: Sequence[Link], stopping: Stopping) -> list[Part]:
    """What ends the session with its recording, where one is played."""
    played = [link for link in links if isinstance(link, PlaybackLink)]
    return [Playback(played, partial(stopping.stop, "recording"))] if played else []


def _say_takeover(shared: _Shared, game: int, is_on: bool, by: str) -> None:
    """Tell of a takeover by a person, or of its end."""
    name = shared.options.names[game]
    what = f"a person plays {name}" if is_on else f"{shared.policy.name} plays {name} again"
    shared.say("takeover" if is_on else "takeover_over", what, {"game": game, "by": by})


# --- what may be off ---------------------------------------------------------------------------------------------


def _episodes(options: SessionOptions, stopping: Stopping, contest: Contest | None) -> EpisodeLog:
    return EpisodeLog(
        len(options.names), enough=options.episodes, on_enough=partial(stopping.stop, "episodes"),
        weights=options.reward, ended=None if contest is None else contest.ended,
    )  # fmt: skip


def _recorder(
    shared: _Shared, feeds: Sequence[Feed], episodes: EpisodeLog, stepper: Stepper | None
) -> RecordSession | None:
    """What writes the session down, where it is wanted; it hears of every event as well."""
    options, wanted = shared.options, shared.options.recording
    if wanted is None:
        return None
    journal = Journal(wanted.folder, header_of_session(options, shared.policy, shared.clock), shared.clock, wanted.keep)
    recorder = RecordSession(
        journal, stepper.acting if stepper is not None else lambda game: shared.policy, shared.disk, shared.clock,
        wanted.is_asked,
        [RecordedFeed(feed.game, feed, journal, shared.clock) for feed in feeds],
        lambda kind, message, payload: shared.say(kind, message, payload), episodes.mean_score,
        None if wanted.recordings is None else History(wanted.recordings),
        ClipMaker(journal, shared.policy, shared.clock, (wanted.recordings or wanted.folder.parent) / CLIPS),
    )  # fmt: skip
    shared.told.append(recorder.event)
    return recorder


def _reloader(shared: _Shared) -> Reloader | None:
    """What exchanges the weights, where they are kept and the policy has some."""
    store, reloadable = shared.store, capabilities_of(shared.policy).reloadable
    if store is None or reloadable is None:
        return None
    return Reloader(reloadable, store, shared.runner, shared.disk, shared.clock, say=shared.say)


def _loops(shared: _Shared, feeds: Sequence[Feed], lane: Lane, planning: Planning | None) -> LoopWatch | None:
    """What finds loops in games that play in real time; the planner hears of them."""
    if not shared.options.real_time:
        return None
    tell = planning.planner.loop if planning is not None else lambda game, text: None
    return LoopWatch(feeds, shared.clock, lane, shared.say, tell)


def _outcomes(shared: _Shared, planning: Planning | None) -> OutcomeWeights | None:
    """What lets active inference choose the cards, where it is wanted and the policy takes another's cards."""
    options, choosing = shared.options, capabilities_of(shared.policy).chooses_cards
    if options.wanted is None or choosing is None:
        if planning is not None:
            let_plans_pick(planning, shared.policy, shared.arbiter)
        return None
    chooser = CardChooser(options.wanted, wishes=planning.planner if planning is not None else None)
    choosing.choose_by(chooser, shared.arbiter)
    return OutcomeWeights(
        chooser, shared.arbiter, shared.policy.name, shared.runner, shared.disk, store=shared.store,
        shipped=options.shipped_outcomes, say=shared.say,
    )  # fmt: skip


def _learning(shared: _Shared, outcomes: OutcomeWeights | None) -> Learning | None:
    """The policies that learn, where something learns and weights are kept."""
    if not shared.options.learn or shared.store is None:
        return None
    return Learning(
        shared.store, shared.disk, shared.clock, shared.supervisor, shared.options.budget,
        outcomes_in_play=outcomes.packed if outcomes is not None else bytes, say=shared.say,
    )  # fmt: skip


def _weights(shared: _Shared, reloader: Reloader | None, contest: Contest | None) -> list[Part]:
    if reloader is None or contest is None:
        return []
    watch = WeightsWatch(reloader, shared.options.keep_given_weights, shared.options.learn)
    return [watch, WeightsMend(reloader), ChampionAndChallenger(contest)]


def _rollouts(shared: _Shared) -> RolloutRecorder | None:
    """What writes down what is learned from; from here on the policy samples its actions."""
    options, learnable = shared.options, capabilities_of(shared.policy).learnable
    if learnable is None or not learns_from_play(learnable.kind, options.budget):
        return None
    off_policy = is_off_policy(learnable.kind, options.budget)
    recorder = learnable.learn(options.names, shared.pace.rollouts.put, off_policy=off_policy)
    recorder.pay_by(*(RewardTable(options.reward) for _ in options.names))
    return recorder


def _contest(shared: _Shared, reloader: Reloader | None, rollouts: RolloutRecorder | None) -> Contest | None:
    """Champion and challenger, where weights are kept."""
    if reloader is None:
        return None
    options = shared.options
    return Contest(
        reloader, shared.runner, shared.disk, shared.clock, share=options.challenger_share, games=len(options.names),
        seed=options.seed, part=None if rollouts is None else rollouts.part, say=shared.say,
    )  # fmt: skip


def _learners(
    shared: _Shared, learning: Learning | None, recorder: RolloutRecorder | None, contest: Contest | None,
    outcomes: OutcomeWeights | None,
) -> list[Part]:  # fmt: skip
    """The learners, and learning from play where the policy that plays can."""
    learnable = capabilities_of(shared.policy).learnable
    if learning is None:
        return []
    if recorder is None or contest is None or learnable is None:
        return [Learners(learning)]
    options, budget = shared.options, shared.options.budget
    policy_spec = spec_of(
        learnable.name, learnable.kind, recorder.features, learnable.spec, learnable.sizes, options.seed,
        paid_by="" if is_gymnasium(options.game) else options.reward.label,
    )  # fmt: skip
    after = partial(outcomes.learn_from, learning) if outcomes is not None else None
    live = LiveLearning(
        shared.pace, recorder, learning, contest.reloader, contest, policy_spec, shared.disk, shared.clock, after=after,
        paid_by=options.reward, lessons=budget.lessons if recorder.off_policy and learnable.kind == PILOT else 0,
        motor=budget.motor if learnable.kind == MOTOR else None,
    )  # fmt: skip
    return [Learners(learning), LearnFromPlay(live)]


def _serving(policy: Policy) -> list[Part]:
    serving = capabilities_of(policy).serving
    return [] if serving is None else [ServedPolicy(serving)]


def _cards(shared: _Shared, outcomes: OutcomeWeights | None) -> Part:
    """Who chooses the cards."""
    if outcomes is not None:
        return CardsByOutcomes(outcomes)
    if shared.options.wanted is None:
        off = "active inference is off: METABONK_USE_ACTIVE_INFERENCE=0, or an evaluation of the policy alone"
        return CardsByMotor(off)
    return CardsByMotor(f"the policy {shared.policy.name} takes no other's cards")


def _served_of(
    shared: _Shared, feeds: Sequence[Feed], learning: Learning | None, planning: Planning | None,
    recorder: RecordSession | None, learners: Sequence[Part], keeps_weights: bool, access: Access | None,
) -> Served:  # fmt: skip
    """What of a session is served over HTTP."""
    return Served(
        options=shared.options, policy=shared.policy.name, clock=shared.clock, events=shared.events, say=shared.say,
        disk=shared.disk, feeds=feeds, learning=learning, system=planning.part if planning is not None else None,
        clips=recorder.clips if recorder is not None else None, store=shared.store, keeps_weights=keeps_weights,
        live=next((part.live for part in learners if isinstance(part, LearnFromPlay)), None),
        access=access if access is not None else Access(shared.clock),
    )  # fmt: skip


def _console(status: Status, clock: Clock, console: Console | None) -> list[Part]:
    return [] if console is None else [ConsoleLine(status, clock, console)]
