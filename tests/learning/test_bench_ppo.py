"""The reduced case of PPO on MinAtar, with its control."""

from __future__ import annotations

import numpy as np
import pytest
from bench import ppo_minatar

from agent.runtime.train_gym import GymTraining


def test_the_verdict_needs_a_learner_above_chance_and_a_control_below() -> None:
    row = {"ours": {"score": 3.0}, "shuffled_rewards": {"score": 0.4}, "random": 0.5}
    assert ppo_minatar.summarise([row], True)["passed"]
    assert not ppo_minatar.summarise([{**row, "ours": {"score": 0.6}}], True)["passed"]
    assert not ppo_minatar.summarise([{**row, "shuffled_rewards": {"score": 2.0}}], True)["passed"]


def test_a_task_on_which_theirs_learns_nothing_proves_nothing() -> None:
    def row(ours: float, theirs: float) -> dict[str, object]:
        of = {"random": 0.5, "ours": {"score": ours, "steps_per_s": 1.0}, "sb3": {"score": theirs, "steps_per_s": 1.0}}
        return dict.fromkeys(ppo_minatar.GAMES, of)

    assert ppo_minatar.summarise([row(5.0, 5.0)] * 2, False)["passed"]
    assert not ppo_minatar.summarise([row(0.6, 0.6)] * 2, False)["passed"]
    assert not ppo_minatar.summarise([row(4.0, 5.0)] * 2, False)["passed"]


def test_the_control_learns_from_the_same_rewards_in_another_order() -> None:
    game = ppo_minatar.GAMES[0]
    honest, control = (kind(game, seed=0, total_steps=4096, copies=2) for kind in (GymTraining, ppo_minatar.Shuffled))
    rollouts = control._play()
    assert [r.rewards.sum() for r in rollouts] == [r.rewards.sum() for r in honest._play()]
    assert rollouts[0].obs.max() <= 255 and rollouts[0].obs.shape[1] == 300


@pytest.mark.slow
def test_breakout_is_learned_in_little_time_and_from_shuffled_rewards_it_is_not() -> None:
    rows = [ppo_minatar.one_seed(0, True)]
    verdict = ppo_minatar.summarise(rows, True)
    assert verdict["passed"], {k: np.round(v, 2) for k, v in verdict.items() if k == "random"} | {"rows": rows}
