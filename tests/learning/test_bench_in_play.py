"""The campaign of learning in play runs the code that a session runs, and passes only as its page says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from safetensors.numpy import load, save

from agent.control.untrained import default_sizes, untrained_tensors
from agent.core.rollout import Rollout
from agent.core.types import NEUTRAL
from agent.learner.bodies import pack_rollout
from agent.learner.messages import Learn, Learned, Open
from agent.learner.process import LearnerProcess
from agent.learning.configs import OFF_POLICY, PILOT, Budget, OffPolicyConfig, PolicySpec
from agent.training.evaluate import observe
from tools.bench.learning import in_play


def test_what_it_learns_is_to_the_bit_what_the_learners_process_learns() -> None:
    torch.set_num_threads(1)
    config = OffPolicyConfig(updates_per_decision=0.02, min_explained=-1e9, min_decisions=0, seed=3)
    seen: list[Rollout] = []

    def keep(rollout: Rollout) -> Rollout:
        seen.append(rollout)
        return rollout

    tensors = untrained_tensors(3)
    play = in_play.InPlay(tensors, config, games=1, change=keep)
    play.advance()
    torch.manual_seed(3)
    process = LearnerProcess()
    budget = Budget(served=OFF_POLICY, use_active_inference=False, off_policy=config)
    spec = PolicySpec(name="pilot", kind=PILOT, sizes=default_sizes(), seed=3)
    process.handle(Open(policy_spec=spec, budget=budget), save(tensors))
    for rollout in seen:
        answer, payload = process.handle(Learn(policy="pilot"), pack_rollout(rollout))
    assert isinstance(answer, Learned) and not answer.parked and answer.losses["off_policy_actor_learns"] == 1.0
    learned = load(payload)
    assert all(np.array_equal(learned[name], t) for name, t in play.motor.tensors.items())
    assert any(not np.array_equal(tensors[name], t) for name, t in learned.items())


def rows(**after: list[float]) -> list[dict[str, Any]]:
    """One seed: every arm begins with 100 and 102 s."""

    def part(scores: list[float]) -> dict[str, Any]:
        return {"curve": [
            {"decisions": k, "scores_s": s, "figures": {}} for k, s in ((0, [100.0, 102.0] * 20), (9, scores * 20))
        ]}  # fmt: skip

    return [{"seed": 0, **{arm: part(after.get(arm.replace(", ", "_").replace(" ", "_"), [100.0, 102.0]))
                           for arm in in_play.ARMS}}]  # fmt: skip


def test_it_passes_only_with_twice_the_score_a_control_without_gain_and_tier_1_not_worse() -> None:
    good = {"untrained_lessons": [210.0, 200.0], "untrained_lessons_shuffled": [150.0, 160.0]}
    assert in_play.summarise(rows(**good), False)["passed"]
    for bad in (
        {"untrained_lessons": [190.0, 200.0]},
        good | {"untrained_shuffled": [110.0, 112.0]},
        good | {"untrained_lessons_shuffled": [210.0, 201.0]},
        good | {"pilot_tier_1": [90.0, 92.0]},
    ):
        assert not in_play.summarise(rows(**bad), False)["passed"], bad


def test_weights_that_were_played_are_not_played_again(monkeypatch: pytest.MonkeyPatch) -> None:
    played: list[tuple[int, ...]] = []

    def count(tensors: Any, seeds: Sequence[int], tier: int) -> list[float]:
        played.append(tuple(seeds))
        return [tier + tensors["w"][0] + seed for seed in seeds]

    monkeypatch.setattr(in_play, "greedy_scores", count)
    scores, first, second = in_play.Scores(2), {"w": np.array([10.0])}, {"w": np.array([20.0])}
    assert scores.of(first, range(2)) == [12.0, 13.0] and scores.of(second, range(2)) == [22.0, 23.0]
    assert scores.of(first, range(3)) == [12.0, 13.0, 14.0]
    assert played == [(0, 1), (0, 1), (2,)]


def test_minutes_add_up_to_the_score_and_potentials_cancel_but_for_the_discount() -> None:
    game = in_play.TierGame(2)
    game.reset(1, start="run")
    assert game.tier == 2
    reward, observed = in_play.SurvivalReward(1.0), []
    for tick in range(200):
        game.tick(NEUTRAL)
        observed.append(observe(game, 0, game.state(), None, tick))
    total = sum(reward.of(o) for o in observed)
    first, last = (in_play._potential(o.state) for o in (observed[0], observed[-1]))
    minutes = (observed[-1].state.game_time_s - observed[0].state.game_time_s) / 60.0
    assert abs(total - minutes - (last - first)) < 1e-6
    won = msgspec.structs.replace(observed[-1], is_won=True, is_last=True, is_terminal=True)
    reward.of(observed[-1])
    assert abs(reward.of(won) - (20.0 - observed[-1].state.game_time_s / 60.0) + last) < 1e-6
