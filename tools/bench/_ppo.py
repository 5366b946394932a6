"""PPO on a Gymnasium environment of one discrete action, the last observations side by side, for comparison."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from agent.core.rollout import ActionSpec
from agent.learning.ppo import PPOConfig
from agent.learning.ppo_learner import PPOLearner
from agent.models.heads import sample
from agent.models.policies import FlatPolicy, FlatSizes
from bench._play import Recorder

COPIES, STRETCH = 4, 128
CONFIG = PPOConfig(lr=2.5e-3, epochs=4, minibatches=4, entropy_weight=0.01)


class Game:
    """One copy with its last frames."""

    def __init__(self, name: str, seed: int, env: Any, observe: Callable[[Any], Any], frames: int) -> None:
        self.env, self.observe = env, observe
        self.recorder = Recorder(name, ActionSpec(0, (int(env.action_space.n),)))
        self.frames: deque[Any] = deque(maxlen=frames)
        self.total, self.begin = 0.0, True
        self._see(self.env.reset(seed=seed)[0], first=True)

    def _see(self, raw: Any, *, first: bool) -> None:
        self.frames.extend([self.observe(raw)] * ((self.frames.maxlen or 1) if first else 1))

    def seen(self) -> Any:
        """Features of the last frames."""
        return np.concatenate(self.frames).astype(np.float32)

    def step(self, pick: int) -> float | None:
        """One step; the return of an episode that ends."""
        before = self.seen()
        raw, reward, terminated, truncated, _ = self.env.step(pick)
        self.total += float(reward)
        self._see(raw, first=False)
        self.recorder.add(before, (), (pick,), float(reward), terminated, truncated, self.begin, self.seen())
        self.begin = terminated or truncated
        if not self.begin:
            return None
        ended, self.total = self.total, 0.0
        self._see(self.env.reset()[0], first=True)
        return ended


def learn(
    make: Callable[[], Any], observe: Callable[[Any], Any], frames: int, steps: int, seed: int
) -> list[tuple[int, float]]:
    """(step, return) of each episode of `steps` steps of training, over all copies."""
    torch.manual_seed(seed)
    games = [Game(str(k), 100 * seed + k, make(), observe, frames) for k in range(COPIES)]
    policy = FlatPolicy(FlatSizes(len(games[0].seen()), 0, games[0].recorder.spec.branches))
    learner = PPOLearner(policy, CONFIG, seed=seed)
    returns: list[tuple[int, float]] = []
    still, done = torch.zeros(COPIES, 1), 0
    while done < steps:
        for _ in range(STRETCH):
            seen = torch.from_numpy(np.stack([game.seen() for game in games]))[:, None]
            with torch.no_grad():
                heads, _ = policy(seen, policy.initial(COPIES), still.bool(), still)
                _, picks = sample(heads)
            ended = [game.step(int(picks[k, 0, 0])) for k, game in enumerate(games)]
            done += COPIES
            returns += [(done, r) for r in ended if r is not None]
        learner.update_many([game.recorder.take() for game in games])
    return [(at, r) for at, r in returns if at <= steps]
