"""What the composition root is made of: one builder for each part of a session, or None where it is off."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from rich.console import Console

from agent.concurrency.child import Child
from agent.concurrency.lane import Lane
from agent.concurrency.supervise import Supervisor
from agent.control.arbiter import Arbiter
from agent.control.experience import RolloutRecorder
from agent.control.policy import Learnable, Policy, capabilities_of
from agent.control.reward import RewardTable
from agent.core.clock import Clock
from agent.core.latency import Latency
from agent.core.part import Part
from agent.games.options import is_gymnasium
from agent.http.building import Served
from agent.http.events import EventLog
from agent.http.steering.access import Access
from agent.journal.clip import CLIPS
from agent.journal.history import History
from agent.journal.journal import Journal
from agent.learner.client import Learning
from agent.learner.live import LiveLearning
from agent.learner.outcomes import OutcomeWeights
from agent.learner.pace import Pace
from agent.learner.part import CardsByOutcomes, Learners, LearnFromPlay
from agent.learner.remote.calls import LearnerCalls
from agent.learner.remote.worker import LearnElsewhere, RemoteLearning
from agent.learner.science.part import Science
from agent.learner.surprise.watch import Surprise, SurpriseWatch
from agent.learning.configs import MOTOR, PILOT, PolicySpec, is_off_policy, learns_from_play, spec_of
from agent.link.bonklink import PacketListener
from agent.link.links import Link, link_to
from agent.link.recorded import RecordedAddress
from agent.session.act import Stepper
from agent.session.clips.maker import ClipMaker
from agent.session.episodes import EpisodeLog
from agent.session.loop import Stopping
from agent.session.loops.watch import LoopWatch
from agent.session.options import SessionOptions
from agent.session.parts import CardsByMotor, ConsoleLine, ServedPolicy
from agent.session.planning.building import Planning, choose_cards
from agent.session.playback.link import PlaybackLink
from agent.session.playback.part import Playback
from agent.session.recording import RecordedFeed, RecordSession, header_of_session
from agent.session.sense import Feed
from agent.session.status import Status
from agent.session.step_runner import StepRunner
from agent.store.contest import Contest
from agent.store.part import ChampionAndChallenger, WeightsMend, WeightsWatch
from agent.store.reload import Reloader
from agent.store.store import WeightsStore


@dataclass(frozen=True, kw_only=True)
class Shared:
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


def build_feeds(shared: Shared, latency: Latency, ready: Callable[[], None]) -> list[Feed]:
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


def build_links(shared: Shared, listeners: Sequence[PacketListener]) -> list[Link]:
    """The connections to the games."""
    options, clock = shared.options, shared.clock
    return [
        PlaybackLink(address, listener, clock) if isinstance(address, RecordedAddress)
        else link_to(address, listener, clock, limits=options.limits, seed=options.seed + i)
        for i, (address, listener) in enumerate(zip(options.endpoints, listeners, strict=True))
    ]  # fmt: skip


def build_playback(links: Sequence[Link], stopping: Stopping) -> list[Part]:
    """What ends the session with its recording, where one is played."""
    played = [link for link in links if isinstance(link, PlaybackLink)]
    return [Playback(played, partial(stopping.stop, "recording"))] if played else []


def _say_takeover(shared: Shared, game: int, is_on: bool, by: str) -> None:
    """Tell of a takeover by a person, or of its end."""
    name = shared.options.names[game]
    what = f"a person plays {name}" if is_on else f"{shared.policy.name} plays {name} again"
    shared.say("takeover" if is_on else "takeover_over", what, {"game": game, "by": by})


# --- what may be off ---------------------------------------------------------------------------------------------


def build_episodes(options: SessionOptions, stopping: Stopping, contest: Contest | None) -> EpisodeLog:
    """The log of finished episodes; what it counts may end the session."""
    return EpisodeLog(
        len(options.names), enough=options.episodes, on_enough=partial(stopping.stop, "episodes"),
        weights=options.reward, ended=None if contest is None else contest.ended,
    )  # fmt: skip


def build_recorder(
    shared: Shared, feeds: Sequence[Feed], episodes: EpisodeLog, stepper: Stepper | None
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


def build_reloader(shared: Shared) -> Reloader | None:
    """What exchanges the weights, where they are kept and the policy has some."""
    store, reloadable = shared.store, capabilities_of(shared.policy).reloadable
    if store is None or reloadable is None:
        return None
    return Reloader(reloadable, store, shared.runner, shared.disk, shared.clock, say=shared.say)


def build_loops(shared: Shared, feeds: Sequence[Feed], lane: Lane, planning: Planning | None) -> LoopWatch | None:
    """What finds loops in games that play in real time; the planner hears of them."""
    if not shared.options.real_time:
        return None
    tell = planning.planner.loop if planning is not None else lambda game, text: None
    return LoopWatch(feeds, shared.clock, lane, shared.say, tell)


def build_outcomes(shared: Shared, planning: Planning | None, science: Science | None) -> OutcomeWeights | None:
    """What lets active inference choose the cards, where it is wanted and the policy takes another's cards."""
    options, menus = shared.options, science.explorer if science is not None else None
    chooser = choose_cards(shared.policy, shared.arbiter, options.wanted, planning, menus)
    if options.wanted is None or chooser is None:
        return None
    return OutcomeWeights(
        chooser, shared.arbiter, shared.policy.name, shared.runner, shared.disk, store=shared.store,
        shipped=options.shipped_outcomes, say=shared.say,
    )  # fmt: skip


def build_learning(shared: Shared, outcomes: OutcomeWeights | None) -> Learning | None:
    """The policies that learn, where something learns and weights are kept."""
    if not shared.options.learn or shared.store is None:
        return None
    return Learning(
        shared.store, shared.disk, shared.clock, shared.supervisor, shared.options.budget,
        outcomes_in_play=outcomes.packed if outcomes is not None else bytes, say=shared.say,
    )  # fmt: skip


def build_weights(shared: Shared, reloader: Reloader | None, contest: Contest | None) -> list[Part]:
    """What follows the store's versions, mends them, and tries new ones, where weights are kept."""
    if reloader is None or contest is None:
        return []
    watch = WeightsWatch(reloader, shared.options.keep_given_weights, shared.options.learn)
    return [watch, WeightsMend(reloader), ChampionAndChallenger(contest)]


def build_rollouts(shared: Shared) -> RolloutRecorder | None:
    """What writes down what is learned from; from here on the policy samples its actions."""
    options, learnable = shared.options, capabilities_of(shared.policy).learnable
    if learnable is None or not learns_from_play(learnable.kind, options.budget):
        return None
    off_policy = is_off_policy(learnable.kind, options.budget)
    recorder = learnable.learn(options.names, shared.pace.rollouts.put, off_policy=off_policy)
    recorder.pay_by(*(RewardTable(options.reward) for _ in options.names))
    return recorder


def build_contest(shared: Shared, reloader: Reloader | None, rollouts: RolloutRecorder | None) -> Contest | None:
    """Champion and challenger, where weights are kept."""
    if reloader is None:
        return None
    options = shared.options
    return Contest(
        reloader, shared.runner, shared.disk, shared.clock, share=options.challenger_share, games=len(options.names),
        seed=options.seed, part=None if rollouts is None else rollouts.part, say=shared.say,
    )  # fmt: skip


def build_learners(
    shared: Shared, learning: Learning | None, recorder: RolloutRecorder | None, contest: Contest | None,
    outcomes: OutcomeWeights | None,
) -> list[Part]:  # fmt: skip
    """The learners, and learning from play where the policy that plays can; or what learns on another machine."""
    learnable = capabilities_of(shared.policy).learnable
    if recorder is None or contest is None or learnable is None:
        return [] if learning is None else [Learners(learning)]
    if learning is None:
        return _elsewhere(shared, recorder, contest, learnable)
    options, budget = shared.options, shared.options.budget
    policy_spec = _spec(shared, learnable, recorder)
    after = partial(outcomes.learn_from, learning) if outcomes is not None else None
    live = LiveLearning(
        shared.pace, recorder, learning, contest.reloader, contest, policy_spec, shared.disk, shared.clock, after=after,
        paid_by=options.reward, lessons=budget.lessons if recorder.off_policy and learnable.kind == PILOT else 0,
        motor=budget.motor if learnable.kind == MOTOR else None,
    )  # fmt: skip
    return [Learners(learning), LearnFromPlay(live)]


def _spec(shared: Shared, learnable: Learnable, recorder: RolloutRecorder) -> PolicySpec:
    options = shared.options
    return spec_of(
        learnable.name, learnable.kind, recorder.features, learnable.spec, learnable.sizes, options.seed,
        paid_by="" if is_gymnasium(options.game) else options.reward.label,
    )  # fmt: skip


def _elsewhere(shared: Shared, recorder: RolloutRecorder, contest: Contest, learnable: Learnable) -> list[Part]:
    """What learns on another machine, where the session has a learner there."""
    learner = shared.options.learner
    if learner is None:
        return []
    remote = RemoteLearning(
        LearnerCalls(learner.address, learner.token), shared.pace, recorder, contest.reloader,
        _spec(shared, learnable, recorder), learnable.kind, shared.disk, shared.clock, say=shared.say,
    )  # fmt: skip
    return [LearnElsewhere(remote)]


def build_surprise(
    shared: Shared, feeds: Sequence[Feed], lane: Lane, learning: Learning | None
) -> Surprise | None:  # fmt: skip
    """How surprising the games are, where a world is named; in the learner's process, or one like it."""
    path = shared.options.world
    if path is None:
        return None
    own = None if learning is not None else Child("surprise", "agent.learner.process", supervisor=shared.supervisor)
    child = learning.child if learning is not None else own
    assert child is not None
    return Surprise(SurpriseWatch(path, feeds, child, shared.clock, lane, shared.say), own)


def build_serving(policy: Policy) -> list[Part]:
    """Who in the policy acts, where it says so."""
    serving = capabilities_of(policy).serving
    return [] if serving is None else [ServedPolicy(serving)]


def build_cards(shared: Shared, outcomes: OutcomeWeights | None, science: Science | None) -> list[Part]:
    """Who chooses the cards, and who learns what they do."""
    learns: list[Part] = [] if science is None else [science]
    if outcomes is not None:
        return [CardsByOutcomes(outcomes), *learns]
    why = f"the policy {shared.policy.name} takes no other's cards"
    if shared.options.wanted is None:
        why = "active inference is off: METABONK_USE_ACTIVE_INFERENCE=0, or an evaluation of the policy alone"
    return [CardsByMotor(why, "motor" if science is None or not science.explorer.explores else science.name), *learns]


def build_served_of(
    shared: Shared, feeds: Sequence[Feed], learning: Learning | None, planning: Planning | None,
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


def build_console(status: Status, clock: Clock, console: Console | None) -> list[Part]:
    """The line on a person's terminal, where there is one."""
    return [] if console is None else [ConsoleLine(status, clock, console)]
