"""A motor in a game learns from what it plays, by the learner's own code; served and acting versions, and controls."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load

from agent.concurrency.lane import Lane
from agent.concurrency.supervise import Supervisor
from agent.control.chunks.policy import ChunkMotor
from agent.control.policies import build_policy
from agent.control.reward import SCORE, RewardTable
from agent.core.clock import VirtualClock
from agent.core.errors import RequestError
from agent.core.types import Observation
from agent.games.arena.game import ArenaGame
from agent.learner.client import Learning
from agent.learner.live import LiveLearning
from agent.learner.pace import Pace
from agent.learner.process import LearnerProcess
from agent.learning.configs import Budget, CpqeConfig, MotorInPlay, spec_of
from agent.session.step_runner import StepRunner
from agent.store.contest import Contest
from agent.store.reload import Reloader
from agent.store.store import WeightsStore

STEPS = 40
ROLLOUTS = 4


class InProcess:
    """The learner's process without a process of its own."""

    def __init__(self) -> None:
        self.starts, self.is_up, self.process = 1, True, LearnerProcess()

    async def call(self, message: Any, answer: Any, payload: bytes = b"", **_: Any) -> tuple[Any, bytes]:
        found, data = await asyncio.to_thread(self.process.handle, message, payload)
        assert isinstance(found, answer)
        return found, data


class Side:
    """A motor in an arena of its own, with everything between its rollouts and its weights."""

    def __init__(self, folder: Path, *, trains: bool = True, loads: bool = True) -> None:
        policy = build_policy("motor")
        assert isinstance(policy, ChunkMotor)
        config = CpqeConfig(batch=8, warm_up=1, euler=1, teacher_hidden=32)
        motor = MotorInPlay(
            pushes=True, trains=trains, loads=loads, cpqe=config, min_chunks=20, rest=1, updates_per_decision=0.1
        )
        self.motor, self.budget, self.clock = policy, Budget(motor=motor), VirtualClock()
        self.disk, self.inference = Lane("disk"), Lane("inference")
        self.reloader = Reloader(policy, WeightsStore(folder), StepRunner(self.inference), self.disk, self.clock)
        self.learning = Learning(self.reloader.store, self.disk, self.clock, Supervisor(self.clock), self.budget)
        self.learning.child.close()
        self.learning.child = InProcess()  # type: ignore[assignment]
        self.pace = Pace(self.clock, 1, real_time=True)
        contest = Contest(self.reloader, self.inference, self.disk, self.clock, share=0.0, games=1)
        recorder = policy.learn(("game",), self.pace.rollouts.put, steps=STEPS)
        recorder.pay_by(RewardTable())
        spec = spec_of(policy.name, policy.kind, recorder.features, policy.spec, policy.sizes, 0)
        self.live = LiveLearning(
            self.pace, recorder, self.learning, self.reloader, contest, spec, self.disk, self.clock, paid_by=SCORE,
            motor=self.budget.motor,
        )  # fmt: skip

    def play(self) -> None:
        """So many rollouts, and one decision more."""
        game, carry = ArenaGame(), self.motor.initial(1)
        game.reset(5, start="run")
        tick = 0
        while len(self.pace.rollouts) < ROLLOUTS:
            seen = Observation(
                0, game.state(), None, tick, game.tick_s if tick else 0.0, 0.0, 0.0, tick == 0, False, False
            )
            carry, (action,) = self.motor.step(carry, [seen])
            assert action is not None
            game.tick(action)
            tick += 1

    async def learn(self) -> None:
        """Learn from the rollouts that were played."""
        await self.reloader.begin(keep_given=False)
        self.live.begin()
        await asyncio.to_thread(self.play)
        task = asyncio.ensure_future(self.live.run())
        while self.live.learned + self.live.only_counted + self.live.refused + self.live.stale < ROLLOUTS:
            await asyncio.sleep(0.001)
            if task.done():
                task.result()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    def close(self) -> None:
        """End the threads."""
        self.reloader.close()
        self.disk.close()
        self.inference.close()

    async def served(self, since: int = -1) -> tuple[int, dict[str, Any]] | None:
        """Version and tensors of what others get."""
        found = await self.learning.motor_weights("motor", since)
        return None if found is None else (found[0], load(found[1]))


def _parts_that_differ(tensors: dict[str, Any], other: dict[str, Any]) -> set[str]:
    assert tensors.keys() == other.keys()
    return {name.split(".")[0] for name, t in tensors.items() if not np.array_equal(t, other[name])}


@pytest.mark.parametrize(("trains", "loads"), [(True, True), (True, False), (False, True)])
def test_what_a_motor_plays_makes_versions_that_are_served_and_act_as_the_settings_say(
    tmp_path: Path, trains: bool, loads: bool
) -> None:
    side = Side(tmp_path, trains=trains, loads=loads)

    async def main() -> None:
        shipped = dict(side.motor.tensors)
        await side.learn()
        begun, status = 1, side.live.status()
        assert (status["rollouts"], status["only_counted"]) == ((ROLLOUTS, 0) if trains else (0, ROLLOUTS))
        served = await side.served()
        assert served is not None
        version, tensors = served
        moved = {"student", "critics"} if trains else set()
        assert version == (ROLLOUTS if trains else 0) and _parts_that_differ(tensors, shipped) == moved
        assert await side.served(since=version) is None
        acts = side.motor
        assert acts.version == (begun + ROLLOUTS if trains and loads else begun)
        assert _parts_that_differ(acts.tensors, shipped) == (moved if loads else set())
        if trains and loads:
            assert _parts_that_differ(acts.tensors, tensors) == set()
            assert (
                acts.chunked.planner.student.out.tobytes() != ChunkMotor(shipped).chunked.planner.student.out.tobytes()
            )
        with pytest.raises(RequestError, match="there is no policy other"):
            await side.learning.motor_weights("other", -1)

    asyncio.run(main())
    side.close()
