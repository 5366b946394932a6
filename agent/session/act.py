"""Answer the newest observations of all games with one batched step of the policy.

Owns no socket and no task. A step on the lane that is late makes each of its games repeat the action before, without
a claim to the observation. A step on the loop cannot be overtaken, so a late one is only counted. A late result is
still sent, and it claims the observation that it was computed from.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Protocol

import msgspec

from agent.concurrency.supervise import Failure, attempt, attempted
from agent.control.arbiter import NOBODY, Arbiter, Verdict
from agent.control.policy import Policy, Thought, capabilities_of
from agent.control.safety.rules import Safety
from agent.core.clock import Clock
from agent.core.goals.vocabulary import Subgoal
from agent.core.latency import Latency, Walk
from agent.core.types import NEUTRAL, Action, Frame, Observation
from agent.link.accounting import PacketOutcome
from agent.session.rehearsal import Rehearsals
from agent.session.sense import Feed
from agent.session.step_runner import StepRunner


class ActionSink(Protocol):
    """Where actions of one game go."""

    def send(self, action: Action) -> bool:
        """Hand over one action; False when it could not be."""
        ...

    def rehearse(self, action: Action) -> None:
        """Do what `send` and the arrival of a packet do, without an effect."""
        ...


class Watcher(Protocol):
    """Whoever wants to see each observation with the action that answered it."""

    def on_step(self, observation: Observation, action: Action, version: int) -> None:
        """Called on the loop after the action was sent, with the version of the weights; must not block."""
        ...


class Navigator(Protocol):
    """Whoever goes through a menu in place of the policy."""

    def propose(self, observation: Observation) -> tuple[Action, str] | None:
        """What to do and who says so, None where the policy is to act itself; called on the loop, must not block."""
        ...


class Recorder(Protocol):
    """Whoever writes down every decision."""

    def on_decision(self, decided: Decided) -> None:
        """Called on the loop after the step's actions were sent; must not block."""
        ...

    def on_restart(self) -> None:
        """A step failed, and the policy goes on without any memory."""
        ...


class Judge(Protocol):
    """Whoever decides from its steps whether a version of weights may stay."""

    def stepped(self, version: int, observation: Observation, verdict: Verdict, missed: bool) -> None:
        """Hear of an answered observation; `missed`: its deadline was missed, or it expired."""
        ...

    def failed(self, failure: Failure) -> bool:
        """A step raised: True where other weights are about to take over."""
        ...


class Stepper(Protocol):
    """Whoever chooses for each game which weights of the policy act in it; see `store.pair`."""

    def step(self, carry: Any, observations: Sequence[Observation | None]) -> tuple[Any, list[Action | None]]:
        """One step, as the policy's."""
        ...

    def version(self, game: int) -> int:
        """The version that acted in a game in the last step."""
        ...

    def acting(self, game: int) -> Any:
        """The policy that acted in a game in the last step."""
        ...


class Decided(msgspec.Struct, frozen=True):
    """One answer of a policy's step. action: what was sent, None where it came too late. card: −1 for none.

    instead_of: where another's action was sent, the policy's. subgoal: what the policy pursued.
    """

    step: int
    observation: Observation
    version: int
    at_s: float
    action: Action | None
    owner: str
    card: int
    instead_of: Verdict | None = None
    subgoal: Subgoal | None = None


class Seat:
    """One game's place at the table: its feed, its sink, what was sent last, and whose that was (`owner`).

    decided: the newest verdict, its observation and when it was sent. clicked: the newest click, and when.
    """

    def __init__(self, feed: Feed, sink: ActionSink) -> None:
        self.feed = feed
        self._sink = sink
        self._last = NEUTRAL
        self._acted_at_change: int | None = None
        self._seen: Frame | None = None
        self.owner = "nobody"
        self.decided: tuple[Observation, Verdict, float] | None = None
        self.clicked: tuple[tuple[int, int], float] | None = None

    @property
    def is_neutral(self) -> bool:
        """True until the first action of a connection, and after a neutral one that the policy did not ask for."""
        return self._acted_at_change != self.feed.link_changes

    def send(self, action: Action) -> bool:
        """Hand over the policy's action; False when it could not be."""
        self._last, self._acted_at_change = action, self.feed.link_changes
        return self._sink.send(action)

    def captured_s(self, observation: Observation) -> float | None:
        """When an observation's picture was captured, seconds; None where it has none, or one that was answered."""
        if observation.frame is None or observation.frame is self._seen:
            return None
        self._seen = observation.frame
        return self._seen.captured_at_s

    def rehearse(self, action: Action) -> None:
        """Do what sending does, without sending."""
        self._sink.rehearse(action)

    def repeat(self) -> None:
        """Hand over the last action once more, without its click and desktop input, and without a claim."""
        self._sink.send(msgspec.structs.replace(self._last, click=None, desk=(), answers=None))

    def send_neutral(self) -> bool:
        """Let go of everything; False when that could not be said."""
        self._last, self._acted_at_change = NEUTRAL, None
        return self._sink.send(NEUTRAL)


Taken = tuple[Observation, float] | None
"""A game's newest observation and the instant at which it was published, or None where there is no new one."""


class _Step(msgspec.Struct):
    """A policy step's result with the instants of its beginning and end where it ran; versions: of each game."""

    carry: Any
    actions: list[Action | None]
    started_s: float
    stepped_s: float
    versions: list[int]
    number: int


class _Sent(msgspec.Struct):
    """What was sent for one game and when; `taken`: the link took it."""

    verdict: Verdict
    at_s: float
    taken: bool


class ActLoop:
    """Batches what is ready from all games into single policy steps, on the loop or on a lane: `StepRunner` decides.

    `ready` is set by the feeds when an observation is published. room: awaited before each answer. stepper: steps the
    policy, where more than one set of its weights may act.
    """

    def __init__(
        self,
        seats: Sequence[Seat],
        policy: Policy,
        runner: StepRunner,
        clock: Clock,
        latency: Latency,
        ready: asyncio.Event,
        *,
        budget_s: float,
        watchers: Sequence[Watcher] = (),
        judge: Judge | None = None,
        arbiter: Arbiter | None = None,
        room: Callable[[], Awaitable[None]] | None = None,
        recorder: Recorder | None = None,
        navigator: Navigator | None = None,
        safety: Safety | None = None,
        on_owner: Callable[[Observation, str, Verdict], None] = lambda observation, before, verdict: None,
        stepper: Stepper | None = None,
    ) -> None:
        self.seats = list(seats)
        self.policy = policy
        self.first_action_s: float | None = None
        self.runner = runner
        self._clock = clock
        self._latency = latency
        self._budget_s = budget_s
        self._watchers = list(watchers)
        self._judge = judge
        self._room = room
        self._recorder = recorder
        self._navigator = navigator
        self._safety = safety
        self._on_owner = on_owner
        self._stepper = stepper
        self._steps = 0
        self._arbiter = arbiter if arbiter is not None else Arbiter()
        self._reloadable = capabilities_of(policy).reloadable
        self._choosing = capabilities_of(policy).chooses_cards
        self._rehearsing = capabilities_of(policy).rehearsing
        self._pursuing = capabilities_of(policy).subgoals
        self._ready = ready
        self._carry = policy.initial(len(self.seats))
        self.rehearsals = Rehearsals(clock, self._rehearse)

    @property
    def refused(self) -> dict[str, int]:
        """Counts of policy actions that the arbiter replaced by neutral ones, by reason."""
        return dict(self._arbiter.refused)

    def thought(self, game: int) -> Thought | None:
        """What the policy weighed for its newest decision in a game, None where it does not say; changes nothing."""
        acting = self.policy if self._stepper is None else self._stepper.acting(game)
        thinking = capabilities_of(acting).thinking
        return thinking.thought(self._carry, game) if thinking is not None else None

    async def act(self) -> None:
        """Answer observations until cancelled; raises what the policy raises, unless other weights take over."""
        while True:
            await self._ready.wait()
            self._ready.clear()
            if self._room is not None:
                await self._room()
            taken = [self._take(seat) for seat in self.seats]
            if all(t is None for t in taken):
                continue
            if self.runner.on_loop:
                self.answer(taken)
            else:
                await self._answer_on_lane(taken)

    def _take(self, seat: Seat) -> Taken:
        """A game's newest observation, which says where a person plays."""
        taken = seat.feed.take()
        if taken is not None and seat.feed.human.is_on(self._clock.now_s()):
            return msgspec.structs.replace(taken[0], by_human=True), taken[1]
        return taken

    def answer(self, taken: Sequence[Taken]) -> None:
        """Answer what was taken from the feeds, one entry a seat, by a step on this thread."""
        observations = [t[0] if t is not None else None for t in taken]
        try:
            step = attempt(lambda: self._step(observations))
        except BaseException:
            self._abandon(observations)
            raise
        returned_s = self._clock.now_s()
        if isinstance(step, Failure):
            self._fail(observations, step)
        else:
            sent = self._send_all(taken, step, returned_s)
            self._count_late(observations, returned_s)
            self.runner.stepped(step.stepped_s - step.started_s)
            if self._rehearsing is not None:
                self._plan_rehearsal(sent, observations)

    def _plan_rehearsal(self, sent: Sequence[_Sent | None], observations: Sequence[Observation | None]) -> None:
        """Let the last of the answers that were sent be rehearsed before the next packet of its game."""
        for observation, one in zip(observations, sent, strict=True):
            if observation is not None and one is not None:
                feed = self.seats[observation.game].feed
                if feed.real_time:
                    self.rehearsals.answered(observation, one.at_s, feed.period_s)

    def _rehearse(self, observation: Observation) -> None:
        """Compute an answer once more up to its bytes, and throw it away."""
        if self._rehearsing is not None and self.runner.on_loop and not self._ready.is_set():
            acting = self._rehearsing if self._stepper is None else self._stepper.acting(observation.game)
            action = acting.rehearse(self._carry, observation)
            if action is not None:
                self.seats[observation.game].rehearse(action)

    async def _answer_on_lane(self, taken: Sequence[Taken]) -> None:
        observations = [t[0] if t is not None else None for t in taken]
        began_s = self._clock.now_s()
        try:
            step = await attempted(self._in_time(observations))
        except BaseException:
            self._abandon(observations)
            raise
        returned_s = self._clock.now_s()
        if isinstance(step, Failure):
            self._fail(observations, step)
        else:
            self._send_all(taken, step, returned_s)
            step_s = step.stepped_s - step.started_s
            self.runner.stepped(step_s, returned_s - began_s - step_s)

    def _fail(self, observations: Sequence[Observation | None], failure: Failure) -> None:
        """A step raised: go neutral, and begin anew where other weights take over."""
        self._abandon(observations)
        if self._judge is None or not self._judge.failed(failure):
            raise failure.error
        if self._recorder is not None:
            self._recorder.on_restart()
        self._carry = self.policy.initial(len(self.seats))

    def _send_all(self, taken: Sequence[Taken], step: _Step, returned_s: float) -> list[_Sent | None]:
        """Send every action first, then write down what was sent; what was sent to each game."""
        self._carry = step.carry
        sent = [
            self._send(seat, item[0], action, step, returned_s) if item is not None else None
            for seat, item, action in zip(self.seats, taken, step.actions, strict=True)
        ]
        for seat, item, verdict in zip(self.seats, taken, sent, strict=True):
            if item is not None and verdict is not None:
                self._note(seat, item, verdict, step, returned_s)
        if self._recorder is not None:
            self._record(self._recorder, taken, sent, step, returned_s)
        return sent

    def _record(
        self, recorder: Recorder, taken: Sequence[Taken], sent: Sequence[_Sent | None], step: _Step, returned_s: float
    ) -> None:
        """Tell the recorder of every answer, also of those that came too late."""
        for item, one in zip(taken, sent, strict=True):
            if item is None:
                continue
            game = item[0].game
            card = self._choosing.card(step.carry, game) if self._choosing is not None else -1
            subgoal = self._pursuing.pursued(step.carry, game) if self._pursuing is not None else None
            at_s, action, owner, instead_of = returned_s, None, NOBODY, None
            if one is not None:
                v = one.verdict
                at_s, action, owner, instead_of = one.at_s, v.action, v.owner, v.instead_of
            version = step.versions[game]
            recorder.on_decision(
                Decided(step.number, item[0], version, at_s, action, owner, card, instead_of, subgoal)
            )  # fmt: skip

    async def _in_time(self, observations: Sequence[Observation | None]) -> _Step:
        """Run one step on the lane; past the budget, repeat the last actions once and go on waiting."""
        future = self.runner.start(lambda: self._step(observations))
        if self.seats[0].feed.real_time:
            oldest_s = min(o.received_at_s for o in observations if o is not None)
            timeout_s = max(0.0, oldest_s + self._budget_s - self._clock.now_s())
            done, _ = await asyncio.wait({future}, timeout=timeout_s)
            if not done:
                self._repeat(observations)
        return await future

    def _count_late(self, observations: Sequence[Observation | None], returned_s: float) -> None:
        """Count a step on the loop that ended after its budget."""
        late_s = returned_s - self._budget_s
        if self.seats[0].feed.real_time and any(o is not None and o.received_at_s < late_s for o in observations):
            self._latency.count("late_steps")

    def _step(self, observations: Sequence[Observation | None]) -> _Step:
        started_s = self._clock.now_s()
        stepper = self._stepper
        if stepper is None:
            versions = [self._reloadable.version if self._reloadable is not None else 0] * len(self.seats)
            carry, actions = self.policy.step(self._carry, observations)
        else:
            carry, actions = stepper.step(self._carry, observations)
            versions = [stepper.version(game) for game in range(len(self.seats))]
        self._steps += 1
        return _Step(carry, actions, started_s, self._clock.now_s(), versions, self._steps)

    def _abandon(self, observations: Sequence[Observation | None]) -> None:
        """The step failed or was cancelled: leave every game of the batch with a neutral action."""
        for seat, observation in zip(self.seats, observations, strict=True):
            if observation is not None:
                seat.feed.ledger.settle(PacketOutcome.REJECTED)
                seat.send_neutral()

    def _repeat(self, observations: Sequence[Observation | None]) -> None:
        self._latency.count("late_steps")
        for seat, observation in zip(self.seats, observations, strict=True):
            if observation is None:
                continue
            if seat.feed.human.is_on(self._clock.now_s()):
                seat.send(msgspec.structs.replace(self._by_hand(seat, None), answers=None))
            elif not seat.is_neutral:
                seat.repeat()
                self._latency.count("repeated_actions")

    def _by_hand(self, seat: Seat, sequence: int | None) -> Action:
        """What a person does in a game now."""
        seat.feed.human.hold(self._clock.now_s())
        return seat.feed.human.action(sequence)

    def _send(
        self, seat: Seat, observation: Observation, proposed: Action | None, step: _Step, returned_s: float
    ) -> _Sent | None:
        """Send what the arbiter makes of one game's action; None where it came too late to be sent."""
        feed = seat.feed
        age_s = returned_s - observation.received_at_s
        if feed.real_time and (age_s > feed.lifespan_s or not feed.is_armed):
            feed.ledger.settle(PacketOutcome.EXPIRED)
            if self._judge is not None:
                version = step.versions[observation.game]
                self._judge.stepped(version, observation, Verdict(NEUTRAL, "nobody"), True)
            return None
        owner = self._choosing.owner(step.carry, observation.game) if self._choosing is not None else "motor"
        human = self._by_hand(seat, observation.sequence) if feed.human.is_on(returned_s) else None
        navigated = self._navigator.propose(observation) if self._navigator is not None else None
        verdict = self._arbiter.choose(
            proposed, owner, human, navigated,
            partial(self._safety.guard, observation) if self._safety is not None else None,
        )  # fmt: skip
        sent = seat.send(verdict.action)
        if verdict.owner != seat.owner:
            self._on_owner(observation, seat.owner, verdict)
            seat.owner = verdict.owner
        at_s = self._clock.now_s()
        seat.decided = observation, verdict, at_s
        if verdict.action.click is not None:
            seat.clicked = verdict.action.click, at_s
        return _Sent(verdict, at_s, sent)

    def _note(self, seat: Seat, item: tuple[Observation, float], sent: _Sent, step: _Step, returned_s: float) -> None:
        """Settle one answered packet, record its walk, and tell whoever wants to know."""
        (observation, published_s), verdict, ledger = item, sent.verdict, seat.feed.ledger
        if verdict.refused is not None:
            ledger.settle(PacketOutcome.REJECTED)
        else:
            ledger.settle(PacketOutcome.ACTED if sent.taken else PacketOutcome.EXPIRED)
        if self.first_action_s is None and sent.taken:
            self.first_action_s = sent.at_s
        walk = Walk(observation.received_at_s, published_s, step.started_s, step.stepped_s, returned_s, sent.at_s)
        budget_s = self._budget_s if seat.feed.real_time else math.inf  # in lock-step nothing is late
        looks = seat.feed.looks and observation.frame is not None
        missed = self._latency.record_walk(walk, budget_s, seat.captured_s(observation), looks) is not None
        version = step.versions[observation.game]
        if self._judge is not None:
            self._judge.stepped(version, observation, verdict, missed)
        for watcher in self._watchers:
            watcher.on_step(observation, verdict.action, version)
