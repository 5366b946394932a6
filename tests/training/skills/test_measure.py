"""Measuring weights: runs are those of `evaluate`, the same for the same seed, and what a run gains is counted."""

from __future__ import annotations

from agent.control.untrained import untrained_tensors
from agent.training.arena.lockstep import LockstepPlayer
from agent.training.skills import measure as measuring
from agent.training.skills.measure import measure
from agent.training.skills.task import SkillTask, task_of


def test_runs_end_where_a_skill_is_measured_and_repeat_to_the_bit() -> None:
    pilot = untrained_tensors(0)
    one = measure(pilot, task_of(metric="kills"), [3, 4])
    assert one.tolist() == measure(pilot, task_of(metric="kills"), [3, 4]).tolist() and (one >= 0).all()
    player = LockstepPlayer(measuring.checked_reflex(pilot, "here"), until_s=5.0)
    player.begin(3)
    while player.advance():
        pass
    assert 5.0 <= player.world["time_s"] < 5.1


def test_the_score_is_of_whole_runs_and_growth_is_added_up_over_menus() -> None:
    pilot = untrained_tensors(0)
    score = measure(pilot, SkillTask("score"), [3])[0]
    player = LockstepPlayer(measuring.checked_reflex(pilot, "here"))
    assert abs(score - player.score_s(3)) < 0.01
    levels = measure(pilot, SkillTask("levels"), [3])[0]
    assert 0.0 <= levels < 30.0
