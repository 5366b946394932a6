"""The teacher's process gives rollouts that a learner's process takes as lessons, where it can use them."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from agent.core.rewards.tables import COUNTERS, SCORE
from agent.learner import client
from agent.learner.bodies import unpack_rollout
from agent.learner.messages import Lesson, LessonsHeld, NextLesson, Open, TakeLesson
from agent.learner.process import LearnerProcess
from agent.learner.teacher import TeacherProcess
from agent.learning.configs import FLAT, OFF_POLICY, PILOT, Budget, PolicySpec


def test_the_teachers_rollouts_are_taken_by_the_learner_for_play_and_by_no_other() -> None:
    teacher, process = TeacherProcess(), LearnerProcess()
    answer, payload = teacher.handle(NextLesson())
    assert isinstance(answer, Lesson) and answer.steps == len(unpack_rollout(payload)) == 256
    budget = Budget(served=OFF_POLICY, use_active_inference=False)
    process.handle(Open(policy_spec=PolicySpec(name="pilot", kind=PILOT), budget=budget))
    asked, _ = process.handle(TakeLesson(policy="pilot"))
    assert asked == LessonsHeld(decisions=0, takes=True)
    held, _ = process.handle(TakeLesson(policy="pilot"), payload)
    assert held == LessonsHeld(decisions=256, takes=True)
    learner = process._policy("pilot").off_policy
    assert learner is not None
    learner.load_kept(learner.kept(20 * learner.lessons.window_bytes))  # as a restart does; half is the lessons'
    assert process.handle(TakeLesson(policy="pilot"))[0] == LessonsHeld(decisions=80, takes=True)
    flat = PolicySpec(name="p", kind=FLAT, features=2, continuous=1, branches=(2,))
    process.handle(Open(policy_spec=flat, budget=Budget(use_world=False, use_dreams=False)))
    assert process.handle(TakeLesson(policy="p"), payload)[0] == LessonsHeld(decisions=0, takes=False)


def test_lessons_are_paid_by_the_table_that_is_asked_for() -> None:
    paid = [unpack_rollout(TeacherProcess().handle(NextLesson(reward=t))[1]).rewards for t in (SCORE, COUNTERS)]
    assert np.median(paid[0]) == pytest.approx(1 / 900, abs=1e-6)
    assert paid[1].max() >= COUNTERS.kill and not np.allclose(paid[0], paid[1])


def test_lessons_are_made_until_enough_are_held_or_there_is_no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    class End:
        """Both processes: a lesson is ten decisions, and 40 have room."""

        def __init__(self, *given: Any, **named: Any) -> None:
            self.held, self.closed = 10, False

        async def call(self, message: Any, answer: Any, payload: bytes = b"") -> tuple[Any, bytes]:
            await asyncio.sleep(0)
            if isinstance(message, NextLesson):
                assert message.reward == COUNTERS
                return Lesson(steps=10), b"lesson"
            self.held = min(40, self.held + 10 * bool(payload))
            return LessonsHeld(decisions=self.held, takes=True), b""

        def close(self) -> None:
            self.closed = True

    async def nothing(*given: Any) -> None:
        return None

    async def run(work: Any) -> Any:
        return work()

    monkeypatch.setattr(client, "Child", End)
    for wanted, held in ((25, 30), (10, 10), (99, 40)):
        me: Any = SimpleNamespace(open=nothing, child=End(), _disk=SimpleNamespace(run=run), _supervisor=None)
        teach = client.Learning.teach(me, client.Known("p"), wanted, COUNTERS)
        assert asyncio.run(asyncio.wait_for(teach, 60.0)) == held
