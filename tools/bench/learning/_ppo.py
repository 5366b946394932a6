"""PPO on a Gymnasium environment of one discrete action or of axes, the last frames side by side, for comparison."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from agent.games.action_space import ActionSpace
from agent.learning.configs import PPOConfig
from agent.learning.ppo.learner import PPOLearner
from agent.models.heads import sample
from agent.models.policies import FlatPolicy
from agent.models.sizes import FlatSizes
from agent.training.collect import PolicyActor, collect, rollouts
from tools.bench.learning._play import games_of

COPIES, STRETCH = 4, 128
CONFIG = PPOConfig(lr=2.5e-3, epochs=4, minibatches=4, entropy_weight=0.01)


class ServedPPOPolicy:
    """What the trained policy does, by sampling; one frame is seen."""

    def __init__(self, policy: FlatPolicy) -> None:
        self.policy = policy

    def begin(self) -> None:
        """No memory."""

    @torch.no_grad()
    def act(self, seen: Any, first: bool) -> tuple[Any, tuple[int, ...]]:
        """Axes and picks for one observation."""
        still = torch.zeros(1, 1)
        obs = torch.from_numpy(np.asarray(seen, np.float32))[None, None]
        axes, picks = sample(self.policy(obs, self.policy.initial(1), still.bool(), still)[0])
        return axes[0, 0].numpy(), tuple(picks[0, 0].tolist())


def learn(
    make: Callable[[], Any], observe: Callable[[Any], Any], frames: int, steps: int, seed: int
) -> list[tuple[int, float]]:
    """(step, return) of each episode of `steps` steps of training, over all copies."""
    return train(make, observe, frames, steps, seed)[1]


def train(
    make: Callable[[], Any], observe: Callable[[Any], Any], frames: int, steps: int, seed: int
) -> tuple[FlatPolicy, list[tuple[int, float]]]:
    """The trained policy, and what `learn` gives."""
    torch.manual_seed(seed)
    envs = [make() for _ in range(COPIES)]
    games, features = games_of(envs, observe, [100 * seed + k for k in range(COPIES)], frames)
    spec = ActionSpace(envs[0].action_space).spec
    policy = FlatPolicy(FlatSizes(features, spec.continuous, spec.branches))
    learner, actor = PPOLearner(policy, CONFIG, seed=seed), PolicyActor(policy, COPIES)
    while games.steps < steps:
        play = collect(games, actor, STRETCH)
        learner.update_many(rollouts(play, [str(k) for k in range(COPIES)], "ppo", learner.version))
    return policy, [(at, value) for at, value in games.ended if at <= steps]
