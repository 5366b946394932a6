"""Answer the newest observations of all games with one batched step of the policy.

Owns no socket and no task. A step that is late makes each of its games repeat the action before, without a
claim to the observation; the late result is still sent, and it claims the observation that it was computed from.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Protocol

import msgspec

from agent.concurrency.lane import Lane
from agent.concurrency.supervise import Failure, attempted
from agent.control.arbiter import Arbiter, Verdict
from agent.control.policy import ChoosesCards, Policy, Reloadable
from agent.core.clock import Clock
from agent.core.latency import Latency, Walk
from agent.core.types import NEUTRAL, Action, Observation
from agent.session.sense import Feed


class ActionSink(Protocol):
    """Where actions of one game go."""

    def send(self, action: Action) -> bool:
        """Hand over one action; False when it could not be."""
        ...


class Watcher(Protocol):
    """Whoever wants to see each observation with the action that answered it."""

    def on_step(self, observation: Observation, action: Action, version: int) -> None:
        """Called on the loop after the action was sent, with the version of the weights; must not block."""
        ...


class Judge(Protocol):
    """Whoever decides from its steps whether a version of weights may stay."""

    def stepped(self, version: int, observation: Observation, verdict: Verdict, missed: bool) -> None:
        """Hear of an answered observation; `missed`: its deadline was missed, or it expired."""
        ...

    def failed(self, failure: Failure) -> bool:
        """A step raised: True where other weights are about to take over."""
        ...


class Seat:
    """One game's place at the table: its feed, its sink, and the action it did last."""

    def __init__(self, feed: Feed, sink: ActionSink) -> None:
        self.feed = feed
        self.sink = sink
        self.last_action = NEUTRAL


class _Step(msgspec.Struct):
    """A policy step's result with the instants of its beginning and end on the lane."""

    carry: Any
    actions: list[Action | None]
    started_s: float
    stepped_s: float
    version: int


class ActLoop:
    """Batches what is ready from all games into single policy steps on the inference lane."""

    def __init__(
        self,
        seats: Sequence[Seat],
        policy: Policy,
        lane: Lane,
        clock: Clock,
        latency: Latency,
        *,
        budget_s: float,
        watchers: Sequence[Watcher] = (),
        judge: Judge | None = None,
        arbiter: Arbiter | None = None,
    ) -> None:
        self.seats = list(seats)
        self.policy = policy
        self.first_action_s: float | None = None
        self.policy_faults = 0
        self._lane = lane
        self._clock = clock
        self._latency = latency
        self._budget_s = budget_s
        self._watchers = list(watchers)
        self._judge = judge
        self._reloadable = policy if isinstance(policy, Reloadable) else None
        self._arbiter = arbiter if arbiter is not None else Arbiter()
        self._choosing = policy if isinstance(policy, ChoosesCards) else None
        self._ready = asyncio.Event()
        self._carry = policy.initial(len(self.seats))
        for seat in self.seats:
            seat.feed.ready = self._ready.set

    @property
    def refused(self) -> dict[str, int]:
        """Counts of policy actions that the arbiter replaced by neutral ones, by reason."""
        return dict(self._arbiter.refused)

    async def act(self) -> None:
        """Answer observations until cancelled; raises what the policy raises, unless other weights take over."""
        while True:
            await self._ready.wait()
            self._ready.clear()
            taken = [seat.feed.take() for seat in self.seats]
            if any(t is not None for t in taken):
                await self._answer(taken)

    async def _answer(self, taken: list[tuple[Observation, float] | None]) -> None:
        observations = [t[0] if t is not None else None for t in taken]
        try:
            step = await attempted(self._in_time(observations))
        except BaseException:
            self._abandon(observations)
            raise
        if isinstance(step, Failure):
            self._abandon(observations)
            if self._judge is None or not self._judge.failed(step):
                raise step.error
            self._carry = self.policy.initial(len(self.seats))
            return
        returned_s = self._clock.now_s()
        self._carry = step.carry
        for seat, item, action in zip(self.seats, taken, step.actions, strict=True):
            if item is not None:
                self._send(seat, item[0], item[1], action, step, returned_s)

    async def _in_time(self, observations: Sequence[Observation | None]) -> _Step:
        """Run one step on the lane; past the budget, repeat the last actions once and go on waiting."""
        future = self._lane.start(lambda: self._step(observations))
        if self.seats[0].feed.real_time:
            oldest_s = min(o.received_at_s for o in observations if o is not None)
            timeout_s = max(0.0, oldest_s + self._budget_s - self._clock.now_s())
            done, _ = await asyncio.wait({future}, timeout=timeout_s)
            if not done:
                self._repeat(observations)
        return await future

    def _step(self, observations: Sequence[Observation | None]) -> _Step:
        started_s = self._clock.now_s()
        version = self._reloadable.version if self._reloadable is not None else 0
        carry, actions = self.policy.step(self._carry, observations)
        return _Step(carry, actions, started_s, self._clock.now_s(), version)

    def _abandon(self, observations: Sequence[Observation | None]) -> None:
        """The step failed or was cancelled: leave every game of the batch with a neutral action."""
        for seat, observation in zip(self.seats, observations, strict=True):
            if observation is not None:
                seat.feed.ledger.rejected += 1
                seat.sink.send(NEUTRAL)

    def _repeat(self, observations: Sequence[Observation | None]) -> None:
        self._latency.count("late_steps")
        for seat, observation in zip(self.seats, observations, strict=True):
            if observation is not None and not seat.feed.is_neutral:
                seat.sink.send(msgspec.structs.replace(seat.last_action, click=None, answers=None))
                self._latency.count("repeated_actions")

    def _send(
        self,
        seat: Seat,
        observation: Observation,
        published_s: float,
        proposed: Action | None,
        step: _Step,
        returned_s: float,
    ) -> None:
        feed, ledger = seat.feed, seat.feed.ledger
        age_s = returned_s - observation.received_at_s
        if feed.real_time and (age_s > feed.lifespan_s or not feed.is_armed):
            ledger.expired += 1
            if self._judge is not None:
                self._judge.stepped(step.version, observation, Verdict(NEUTRAL, "nobody"), True)
            return
        owner = self._choosing.owner(step.carry, observation.game) if self._choosing is not None else "motor"
        verdict = self._arbiter.choose(proposed, None, observation.state, motor_for=owner)
        if verdict.refused is not None:
            ledger.rejected += 1
            self.policy_faults += 1
        sent = seat.sink.send(verdict.action)
        now_s = self._clock.now_s()
        if verdict.refused is None:
            if sent:
                ledger.acted += 1
            else:
                ledger.expired += 1
        seat.last_action = verdict.action
        feed.is_neutral = False
        if self.first_action_s is None and sent:
            self.first_action_s = now_s
        walk = Walk(observation.received_at_s, published_s, step.started_s, step.stepped_s, returned_s, now_s)
        missed = self._latency.record_walk(walk, self._budget_s) is not None
        if self._judge is not None:
            self._judge.stepped(step.version, observation, verdict, missed)
        for watcher in self._watchers:
            watcher.on_step(observation, verdict.action, step.version)
