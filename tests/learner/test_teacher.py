"""The teacher's process gives rollouts that a learner's process takes as lessons, where it can use them."""

from __future__ import annotations

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
    flat = PolicySpec(name="p", kind=FLAT, features=2, continuous=1, branches=(2,))
    process.handle(Open(policy_spec=flat, budget=Budget(use_world=False, use_dreams=False)))
    assert process.handle(TakeLesson(policy="p"), payload)[0] == LessonsHeld(decisions=0, takes=False)
