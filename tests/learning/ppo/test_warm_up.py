"""The learning rate that rises first: its schedule, and the hidden units that it keeps alive."""

from __future__ import annotations

from itertools import pairwise

import msgspec
import numpy as np
import pytest
import torch

from agent.learning.configs import PPOConfig
from agent.learning.ppo.update import learning_rate
from agent.models.policies import FramePolicy
from agent.training.gym import GymTraining
from tools.bench.learning import ppo_minatar

GAME = "gym:minatar.gym:MinAtar/Breakout-v1"
UPDATES = 10


def test_the_rate_rises_over_the_first_updates_and_falls_to_nothing() -> None:
    config = PPOConfig(lr=1.0, warm_updates=4, anneal_updates=100)
    rates = [learning_rate(config, updates) for updates in range(102)]
    assert rates[:5] == pytest.approx([0.25, 0.5 * 0.99, 0.75 * 0.98, 0.97, 0.96])
    assert all(a > b for a, b in pairwise(rates[3:101])) and rates[100:] == [0.0, 0.0]
    assert {learning_rate(PPOConfig(lr=0.5), updates) for updates in (0, 1, 1000)} == {0.5}


def dead_share(seed: int, warm_updates: int) -> float:
    """Share of the hidden units that are zero on every picture of a stretch, after the first updates."""
    config = msgspec.structs.replace(ppo_minatar.SAME.ppo, warm_updates=warm_updates)
    preset = msgspec.structs.replace(ppo_minatar.SAME, ppo=config)
    training = GymTraining(GAME, seed=seed, total_steps=1_000_000, preset=preset)
    for _ in range(UPDATES):
        training.advance()
    ppo = training.learner.ppo
    assert ppo.optimiser.lr == learning_rate(ppo.config, UPDATES - 1) < config.lr
    height, width, channels = training.view.shape
    rows = np.concatenate([rollout.obs for rollout in training._play()])
    pictures = torch.from_numpy(rows).reshape(-1, height, width, channels).permute(0, 3, 1, 2)
    assert isinstance(training.policy, FramePolicy)
    with torch.no_grad():
        return float((training.policy.body(pictures / 255.0).amax(0) <= 0).float().mean())


@pytest.mark.campaign
@pytest.mark.timeout(1800)
def test_hidden_units_live_where_the_rate_rises_first_and_die_where_it_does_not() -> None:
    seeds = (100, 101, 102)
    gentle = [dead_share(seed, ppo_minatar.SAME.ppo.warm_updates) for seed in seeds]
    sudden = [dead_share(seed, 0) for seed in seeds]
    assert np.mean(sudden) > 0.45 and np.mean(gentle) < 0.75 * np.mean(sudden), (gentle, sudden)
