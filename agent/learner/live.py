"""Learning from the games that are played: rollouts in, new weights into play.

The learner's process goes on from whatever weights act: after a roll-back, or a file that someone put in, it takes
those up first. What it was learning from other weights meanwhile is dropped. Where challengers are on, what it learns
does not act but is offered as the next challenger; the learner goes on by itself, and begins anew from the champion's
weights where its challenger was shown to be worse. Owns no process; ends by cancellation.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec
import numpy as np
import structlog
from safetensors.numpy import load as load_tensors

from agent.concurrency.lane import Lane
from agent.control.experience import RolloutRecorder
from agent.core.clock import Clock
from agent.core.errors import ChildGone, RequestError, WeightsError
from agent.core.rewards.tables import Weights
from agent.core.rollout import Rollout
from agent.learner.bodies import pack_rollout
from agent.learner.client import LEARNER, Known, Learning
from agent.learner.pace import Pace
from agent.learning.configs import MAX_VERSIONS_OLD, MotorInPlay, PolicySpec
from agent.models.sealed import Tensors
from agent.store.contest import Contest
from agent.store.reload import Reloader

RETRY_S: Final = 2.0
log = structlog.get_logger(__name__)


class LiveLearning:
    """Feeds one policy's rollouts to its learner, one after another; what comes faster than that is counted.

    after: awaited after each rollout that was learned from. lessons: decisions of the kiter that are taught first, paid
    by the table `paid_by`, as play is. motor: where a motor learns, whether it does, and whether what it learns acts;
    each of its versions is served to others too (`Learning.serve_motor`).
    """

    def __init__(
        self,
        pace: Pace,
        recorder: RolloutRecorder,
        learning: Learning,
        reloader: Reloader,
        contest: Contest,
        policy_spec: PolicySpec,
        disk: Lane,
        clock: Clock,
        *,
        paid_by: Weights,
        after: Callable[[Known], Awaitable[None]] | None = None,
        lessons: int = 0,
        motor: MotorInPlay | None = None,
    ) -> None:
        self.learned = self.stale = self.refused = self.only_counted = self.passed_over = 0
        self.is_paused = False
        self.refused_why = ""
        self._pace = pace
        self._recorder = recorder
        self._learning = learning
        self._reloader = reloader
        self._contest = contest
        self._policy_spec = policy_spec
        self._clock = clock
        self._disk = disk
        self._after, self._lessons, self._paid_by, self._motor = after, lessons, paid_by, motor
        self._mine = -1
        self._made: Tensors = {}

    def begin(self) -> None:
        """Make the policy that plays one of those that learn."""
        self._learning.adopt(self._policy_spec, self._reloader.policy.version)

    async def run(self) -> None:
        """Learn from one rollout after another; ends by cancellation, or raises what the learner's process raised."""
        policy = self._reloader.policy
        known = self._learning.policies[policy.name]
        self._mine = -1
        self._pace.learns = True
        try:
            if self._lessons and not self._learning.parked:
                held = await self._learning.teach(known, self._lessons, self._paid_by)
                log.info("lessons_taught", policy=policy.name, decisions=held)
            while True:
                rollout = await self._pace.rollouts.get()
                if self.is_paused or self._learning.parked:
                    self.passed_over += 1
                    continue
                if self._motor is not None and not self._motor.trains:
                    self.only_counted += 1
                    continue
                age = policy.version - rollout.policy_version
                if age > MAX_VERSIONS_OLD and not self._recorder.off_policy:
                    self.stale += 1
                    continue
                await self._learn(known, rollout)
        finally:
            self._pace.learns = False

    async def _learn(self, known: Known, rollout: Rollout) -> None:
        policy = self._reloader.policy
        base, tensors = policy.version, policy.tensors
        goes_on = self._mine in (-1, base) or base == self._contest.from_learner
        if self._contest.must_start_over() or not goes_on:
            await self._learning.take_back(known, tensors)
        self._mine = base
        payload = await self._disk.run(lambda: pack_rollout(rollout))
        try:
            answer, weights = await self._learning.learn(known, payload)
        except RequestError as error:
            if error.status == 400:
                self._refuse(str(error))
                return
            if error.status != 503:
                raise
            await self._clock.sleep_until(self._clock.now_s() + RETRY_S)
            return
        except ChildGone:
            self._mine = -1
            raise
        if answer.refused:
            self._refuse(answer.refused)
            return
        learned = await self._disk.run(lambda: load_tensors(weights))
        is_new = self._motor is None or await self._served_as_motor(known, learned)
        if is_new and (self._motor is None or self._motor.loads):
            await self._act(known, rollout, learned, base)
        known.version = policy.version
        self.learned += 1
        if self._after is not None:
            await self._after(known)

    async def _served_as_motor(self, known: Known, learned: Tensors) -> bool:
        """Serve what a motor's learner made, unless it is what it was: while student and critics rest."""
        policy, before = self._reloader.policy, self._made or self._reloader.policy.tensors
        same = await self._disk.run(lambda: all(np.array_equal(t, before[name]) for name, t in learned.items()))
        if not same:
            self._made = learned
            await self._learning.serve_motor(known, learned, policy.layout, msgspec.to_builtins(policy.sizes))
        return not same

    async def _act(self, known: Known, rollout: Rollout, learned: Tensors, base: int) -> None:
        """Let what was learned act, or challenge what does."""
        try:
            if self._contest.holds_back:
                await self._contest.offer(learned, LEARNER, decisions=len(rollout))
            else:
                self._mine = await self._reloader.offer(learned, LEARNER, {"rollouts": known.rollouts}, base=base)
        except WeightsError:
            self._mine = 0

    def pause(self, paused: bool) -> None:
        """Learn nothing from play until told otherwise; what is played meanwhile is counted and thrown away."""
        self.is_paused = paused

    def _refuse(self, why: str) -> None:
        """Count a rollout that gave no new weights; the reason is logged where it is another than before."""
        self.refused += 1
        if why != self.refused_why:
            self.refused_why = why
            log.warning("rollout_refused", policy=self._policy_spec.name, reason=why)

    def status(self) -> dict[str, Any]:
        """Rollouts learned from, refused, dropped for their age, and dropped because the learner was behind."""
        return {
            "rollouts": self.learned, "refused": self.refused, "refused_why": self.refused_why,
            "stale_dropped": self.stale, "overflowed": self._pace.rollouts.dropped,
            "paused": self.is_paused, "passed_over": self.passed_over,
            "waiting": len(self._pace.rollouts), **self._pace.status(), **self._recorder.status(),
            **({} if self._motor is None else {"only_counted": self.only_counted, "loads": self._motor.loads}),
        }  # fmt: skip
