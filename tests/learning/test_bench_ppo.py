"""The verdict of PPO against stable-baselines3, and its reduced case with its control."""

from __future__ import annotations

import pytest

from agent.training.gym import GymTraining
from agent.training.options import EnvironmentOptions
from tools.bench.learning import ppo_minatar


def test_the_verdict_needs_a_learner_above_chance_and_a_control_below() -> None:
    row = {"ours": {"score": 120.0}, "deathless": {"score": 25.0}, "random": {"score": 22.0}}
    assert ppo_minatar.summarise([row], True)["passed"]
    assert not ppo_minatar.summarise([{**row, "ours": {"score": 60.0}}], True)["passed"]
    assert not ppo_minatar.summarise([{**row, "deathless": {"score": 50.0}}], True)["passed"]


def test_a_task_on_which_theirs_learns_nothing_proves_nothing() -> None:
    def row(ours: float, theirs: float) -> dict[str, object]:
        scores = {"random": 0.5, "ours": ours, "sb3": theirs}
        return {
            arm: {"score": scores[arm.partition(" ")[0]], "steps_per_s": 1.0} for arm in ppo_minatar.ARMS
        }  # fmt: skip

    assert ppo_minatar.summarise([row(5.0, 5.0)] * 2, False)["passed"]
    assert not ppo_minatar.summarise([row(0.6, 0.6)] * 2, False)["passed"]
    assert not ppo_minatar.summarise([row(4.0, 5.0)] * 2, False)["passed"]


@pytest.mark.parametrize("game", ppo_minatar.GAMES)
def test_every_game_of_the_full_bench_can_be_played(game: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ppo_minatar, "COPIES", 1)
    found = ppo_minatar.ours(game, seed=0, steps=1)
    assert found["steps_per_s"] > 0


def test_the_control_sees_the_same_play_without_an_end() -> None:
    played = []
    for kind in (GymTraining, ppo_minatar.Deathless):
        training = kind(ppo_minatar.REDUCED_GAME, seed=0, total_steps=4096, options=EnvironmentOptions(copies=2))
        played.append(training._play()[0])
    honest, control = played
    assert honest.terminated.any() and not control.terminated.any()
    assert (control.truncated == honest.is_last).all() and (control.obs == honest.obs).all()


@pytest.mark.campaign
def test_cart_pole_is_learned_in_little_time_and_without_ends_it_is_not() -> None:
    row = {arm: ppo_minatar.one_arm(0, arm, True) for arm in ppo_minatar.REDUCED_ARMS}
    verdict = ppo_minatar.summarise([row], True)
    assert verdict["passed"], verdict
