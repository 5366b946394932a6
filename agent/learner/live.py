"""Learning from the games that are played: rollouts in, new weights into play.

The learner's process goes on from whatever weights act: after a roll-back, or a file that someone put in, it takes
those up first. Owns no process; ends by cancellation.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, Final

from safetensors.numpy import load as load_tensors

from agent.concurrency.lane import Lane
from agent.control.experience import RolloutRecorder
from agent.core.clock import Clock
from agent.core.errors import ChildGone, RequestError, WeightsError
from agent.core.rollout import Rollout
from agent.learner.bodies import pack_rollout
from agent.learner.client import LEARNER, Known, Learning
from agent.learner.outcomes import OutcomeWeights
from agent.learning.configs import MAX_VERSIONS_OLD, PolicySpec
from agent.store.reload import Reloader

MAX_WAITING: Final = 8
RETRY_S: Final = 2.0


class LiveLearning:
    """Feeds one policy's rollouts to its learner, one after another; what comes faster than that is counted."""

    def __init__(
        self,
        recorder: RolloutRecorder,
        learning: Learning,
        reloader: Reloader,
        policy_spec: PolicySpec,
        disk: Lane,
        clock: Clock,
    ) -> None:
        self.learned = self.stale = self.overflowed = 0
        self.outcomes: OutcomeWeights | None = None
        self._recorder = recorder
        self._learning = learning
        self._reloader = reloader
        self._policy_spec = policy_spec
        self._clock = clock
        self._disk = disk
        self._waiting: deque[Rollout] = deque()
        self._arrived = asyncio.Event()
        self._mine = -1

    def begin(self) -> None:
        """Take the recorder's rollouts from now on; call on the loop."""
        loop = asyncio.get_running_loop()
        self._recorder.emit = lambda rollout: _on(loop, self._take, rollout)
        policy = self._reloader.policy
        self._learning.adopt(self._policy_spec, policy.version)

    def _take(self, rollout: Rollout) -> None:
        if len(self._waiting) >= MAX_WAITING:
            self._waiting.popleft()
            self.overflowed += 1
        self._waiting.append(rollout)
        self._arrived.set()

    async def run(self) -> None:
        """Learn from one rollout after another; ends by cancellation, or raises what the learner's process raised."""
        policy = self._reloader.policy
        known = self._learning.policies[policy.name]
        self._mine = -1
        while True:
            while not self._waiting:
                self._arrived.clear()
                await self._arrived.wait()
            rollout = self._waiting.popleft()
            age = policy.version - rollout.policy_version
            if age > MAX_VERSIONS_OLD and not self._recorder.off_policy:
                self.stale += 1
                continue
            await self._learn(known, rollout)

    async def _learn(self, known: Known, rollout: Rollout) -> None:
        policy = self._reloader.policy
        if self._mine not in (-1, policy.version):
            await self._learning.take_back(known, policy.tensors)
        payload = await self._disk.run(lambda: pack_rollout(rollout))
        try:
            _, weights = await self._learning.learn(known, payload)
        except RequestError as error:
            if error.status != 503:
                raise
            await self._clock.sleep_until(self._clock.now_s() + RETRY_S)
            return
        except ChildGone:
            self._mine = -1
            raise
        tensors = await self._disk.run(lambda: load_tensors(weights))
        try:
            self._mine = await self._reloader.offer(tensors, LEARNER, {"rollouts": known.rollouts})
        except WeightsError:
            self._mine = 0
        known.version = policy.version
        self.learned += 1
        if self.outcomes is not None:
            await self._learn_outcomes(known, self.outcomes)

    async def _learn_outcomes(self, known: Known, outcomes: OutcomeWeights) -> None:
        trial, payload = await self._learning.better_outcomes(known)
        if payload:
            await outcomes.offer(await self._disk.run(lambda: load_tensors(payload)), dict(trial))

    def status(self) -> dict[str, Any]:
        """Rollouts learned from, dropped for their age, and dropped because the learner was behind."""
        return {
            "rollouts": self.learned, "stale_dropped": self.stale, "overflowed": self.overflowed,
            "waiting": len(self._waiting), **self._recorder.status(),
        }  # fmt: skip


def _on(loop: asyncio.AbstractEventLoop, fn: Any, value: Any) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(fn, value)
