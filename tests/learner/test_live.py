"""Learning from play: one rollout after another, in order; what is too old or too much is counted, not learned from."""

from __future__ import annotations

import asyncio
import threading
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save

from agent.concurrency.lane import Lane
from agent.core.clock import VirtualClock
from agent.core.errors import ChildGone, RequestError, WeightsError
from agent.core.mailbox import ThreadQueue
from agent.core.rewards.tables import COUNTERS, Weights
from agent.core.rollout import Rollout
from agent.learner.client import Known
from agent.learner.live import LiveLearning
from agent.learner.messages import Learned
from agent.learner.pace import Pace
from agent.learning.configs import MAX_VERSIONS_OLD, PolicySpec


def rollout(version: int, reward: float = 0.0) -> Rollout:
    return Rollout(
        instance="game", policy="p", policy_version=version, obs=np.zeros((1, 2), np.float32),
        actions_cont=np.zeros((1, 4), np.float32), actions_disc=np.zeros((1, 4), np.int64),
        rewards=np.full(1, reward, np.float32), terminated=np.zeros(1, np.bool_), truncated=np.zeros(1, np.bool_),
        is_first=np.ones(1, np.bool_), elapsed_s=np.zeros(1, np.float32), final_obs=np.zeros((1, 2), np.float32),
    )  # fmt: skip


class Side:
    """A learner, a reloader and a contest that note what they are told."""

    def __init__(self, max_waiting: int = 8, *, lessons: int = 0) -> None:
        self.policy, self.told = SimpleNamespace(name="p", version=20, tensors={}), list[str]()
        self.policies: dict[str, Known] = {}
        self.fails, self.refuses, self.parked = False, "", ""
        self.raises: RequestError | None = None
        self.meanwhile = 0
        self.holds_back, self.starts_over, self.from_learner = False, False, -1
        self.pace = Pace(VirtualClock(), 1, real_time=True)
        self.rollouts = self.pace.rollouts = ThreadQueue(max_waiting)
        recorder: Any = SimpleNamespace(off_policy=False, status=lambda: {"decisions": 9})
        me: Any = self
        self.disk = Lane("disk")
        self.live = LiveLearning(
            self.pace, recorder, me, me, me, PolicySpec(name="p", features=2, continuous=4, branches=(2,)), self.disk,
            VirtualClock(), after=self.after, lessons=lessons, paid_by=COUNTERS,
        )  # fmt: skip

    def adopt(self, policy_spec: PolicySpec, version: int) -> None:
        self.policies[policy_spec.name] = Known(policy_spec.name, version=version)

    async def teach(self, known: Known, decisions: int, paid_by: Weights) -> int:
        self.told.append(f"{decisions} lessons by {paid_by.name}")
        return decisions

    async def learn(self, known: Known, payload: bytes) -> tuple[Learned, bytes]:
        if self.fails:
            raise ChildGone("the learner ended")
        if self.raises is not None:
            raise self.raises
        self.told.append("learn")
        self.policy.version, self.meanwhile = self.meanwhile or self.policy.version, 0
        answer = Learned(losses={}, parked={}, seconds={}, steps=1, refused=self.refuses)
        return answer, b"" if self.refuses else save({"w": np.zeros(1, np.float32)})

    async def take_back(self, known: Known, tensors: Any) -> None:
        self.told.append("take back")

    def must_start_over(self) -> bool:
        must, self.starts_over = self.starts_over, False
        return must

    async def offer(
        self, tensors: Any, source: str, notes: Any = None, *, base: int | None = None, decisions: int = 0
    ) -> int:
        if decisions:
            self.told.append(f"challenge after {decisions}")
            return 0
        if base not in (None, self.policy.version):
            self.told.append("refuse")
            raise WeightsError(f"learned from version {base}")
        self.told.append("offer")
        self.policy.version += 1
        return int(self.policy.version)

    async def after(self, known: Known) -> None:
        self.told.append(f"after {known.version}")

    async def until_through(self, count: int) -> None:
        """Run until so many rollouts were learned from or dropped."""
        task = asyncio.ensure_future(self.live.run())
        while self.live.learned + self.live.stale + self.live.refused + self.rollouts.dropped < count:
            await asyncio.sleep(0.001)
            if task.done():
                task.result()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def played(side: Side, *rollouts: Rollout) -> None:
    """The policy's thread writes, then the loop learns."""

    async def main() -> None:
        side.live.begin()
        thread = threading.Thread(target=lambda: [side.rollouts.put(r) for r in rollouts])
        thread.start()
        thread.join()
        await side.until_through(len(rollouts))

    asyncio.run(main())
    side.disk.close()


def test_each_rollout_is_learned_from_and_the_new_weights_act_before_the_next() -> None:
    side = Side()
    played(side, rollout(20), rollout(20))
    assert side.told == ["learn", "offer", "after 21", "learn", "offer", "after 22"]
    assert side.live.status() == {
        "rollouts": 2, "refused": 0, "paused": False, "passed_over": 0, "refused_why": "",
        "stale_dropped": 0, "overflowed": 0, "waiting": 0,
        "decisions": 9,
    }  # fmt: skip


def test_lessons_come_first_and_are_paid_as_play_is() -> None:
    side = Side(lessons=500)
    played(side, rollout(20))
    assert side.told == ["500 lessons by counters", "learn", "offer", "after 21"]


def test_rollouts_of_old_weights_and_those_that_come_too_fast_are_counted() -> None:
    side = Side(max_waiting=3)
    played(side, rollout(20), rollout(20 - MAX_VERSIONS_OLD - 1), rollout(20 - MAX_VERSIONS_OLD - 1), rollout(20))
    status = side.live.status()
    assert (status["rollouts"], status["stale_dropped"], status["overflowed"]) == (1, 2, 1)


def test_weights_that_another_put_into_play_are_taken_up_first() -> None:
    side = Side()

    async def main() -> None:
        side.live.begin()
        side.rollouts.put(rollout(20))
        task = asyncio.ensure_future(side.live.run())
        while "after 21" not in side.told:
            await asyncio.sleep(0.001)
        side.policy.version = 30
        side.rollouts.put(rollout(30))
        while "after 31" not in side.told:
            await asyncio.sleep(0.001)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(main())
    side.disk.close()
    assert side.told == ["learn", "offer", "after 21", "take back", "learn", "offer", "after 31"]


def test_a_learner_that_ended_is_for_the_supervisor() -> None:
    side = Side()
    side.fails = True

    async def main() -> None:
        side.live.begin()
        side.rollouts.put(rollout(20))
        await side.live.run()

    with pytest.raises(ChildGone):
        asyncio.run(main())
    side.disk.close()
    assert side.told == []


def test_a_rollout_that_is_refused_is_counted_said_and_fails_no_part() -> None:
    for refuses, raises in (("ppo is parked: NaN", None), ("", RequestError(400, "obs holds 3.4e+38"))):
        side = Side()
        side.refuses, side.raises = refuses, raises
        played(side, rollout(20), rollout(20))
        status = side.live.status()
        assert status["refused"] == 2 and status["refused_why"] and status["rollouts"] == 0
        assert "offer" not in side.told


@pytest.mark.parametrize("refuses", ["", "ppo is parked: NaN"])
def test_what_is_learned_while_other_weights_are_put_into_play_is_dropped_and_those_are_taken_up(refuses: str) -> None:
    side = Side()

    async def main() -> None:
        side.live.begin()
        side.meanwhile, side.refuses = 30, refuses
        side.rollouts.put(rollout(20))
        task = asyncio.ensure_future(side.live.run())
        while side.live.learned + side.live.refused < 1:
            await asyncio.sleep(0.001)
        side.refuses = ""
        side.rollouts.put(rollout(30))
        while "after 31" not in side.told:
            await asyncio.sleep(0.001)
            if task.done():
                task.result()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(asyncio.wait_for(main(), 60))
    side.disk.close()
    first = ["learn"] if refuses else ["learn", "refuse", "after 30"]
    assert side.told == [*first, "take back", "learn", "offer", "after 31"]


def test_where_challengers_are_on_what_is_learned_is_offered_and_the_learner_goes_on_by_itself() -> None:
    side = Side()
    side.holds_back = True

    async def main() -> None:
        side.live.begin()
        task = asyncio.ensure_future(side.live.run())

        async def learn(count: int) -> None:
            side.rollouts.put(rollout(side.policy.version))
            while side.live.learned < count:
                await asyncio.sleep(0.001)
                if task.done():
                    task.result()

        await learn(1)
        await learn(2)
        side.starts_over = True  # its challenger was worse
        await learn(3)
        side.policy.version, side.from_learner = 31, 31  # its challenger was promoted
        await learn(4)
        side.policy.version = 40  # a person's file acts
        await learn(5)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(asyncio.wait_for(main(), 60))
    side.disk.close()
    said = [text for text in side.told if not text.startswith("after")]
    once = ["learn", "challenge after 1"]
    assert said == [*once, *once, "take back", *once, *once, "take back", *once]


def test_once_learning_was_given_up_rollouts_are_passed_over() -> None:
    side = Side(lessons=500)
    side.parked = "METABONK_MEMORY_MIB=300: 472 MiB are in use"

    async def main() -> None:
        side.live.begin()
        for _ in range(2):
            side.rollouts.put(rollout(20))
        task = asyncio.ensure_future(side.live.run())
        while side.live.passed_over < 2:
            await asyncio.sleep(0.001)
            assert not task.done()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(main())
    side.disk.close()
    assert side.told == [] and side.live.status()["passed_over"] == 2
