"""A1's game by PPO at the same number of steps: masked CartPole, the last four observations side by side.

It stands beside a1_cartpole and is no test of its own: `passed` says only that it learned more than a random policy.
Four copies, stretches of 128 steps each, four epochs, a rate of 2.5e-3 (the best of four settings tried on seed 9);
the wall time is that of everything.
"""

from __future__ import annotations

import time
from collections import deque
from typing import Any, Final

import gymnasium
import numpy as np
import torch

from agent.core.rollout import ActionSpec
from agent.learning.ppo import PPOConfig
from agent.learning.ppo_learner import PPOLearner
from agent.models.heads import sample
from agent.models.policies import FlatPolicy, FlatSizes
from bench._play import Recorder

DEFAULT_SEEDS: Final = 3
SPEC = ActionSpec(0, (2,))
COPIES, STRETCH, FRAMES = 4, 128, 4
CONFIG = PPOConfig(lr=2.5e-3, epochs=4, minibatches=4, entropy_weight=0.01)
STEPS: Final = (7000, 30000)


class Game:
    """One copy with its last frames."""

    def __init__(self, name: str, seed: int) -> None:
        self.env, self.recorder = gymnasium.make("CartPole-v1"), Recorder(name, SPEC)
        self.frames: deque[Any] = deque(maxlen=FRAMES)
        self.total, self.begin = 0.0, True
        self._see(self.env.reset(seed=seed)[0], first=True)

    def _see(self, raw: Any, *, first: bool) -> None:
        self.frames.extend([raw[[0, 2]]] * (FRAMES if first else 1))

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


def one_seed(seed: int, reduced: bool) -> dict[str, Any]:
    """The mean of the last ten episodes after each number of steps."""
    torch.manual_seed(seed)
    start = time.perf_counter()
    policy = FlatPolicy(FlatSizes(2 * FRAMES, 0, (2,)))
    learner = PPOLearner(policy, CONFIG, seed=seed)
    games = [Game(str(k), 100 * seed + k) for k in range(COPIES)]
    returns: list[float] = []
    figures: dict[str, float] = {}
    still, steps = torch.zeros(COPIES, 1), 0
    while steps < (STEPS[0] if reduced else STEPS[-1]):
        for _ in range(STRETCH):
            seen = torch.from_numpy(np.stack([game.seen() for game in games]))[:, None]
            with torch.no_grad():
                heads, _ = policy(seen, policy.initial(COPIES), still.bool(), still)
                _, picks = sample(heads)
            ended = [game.step(int(picks[k, 0, 0])) for k, game in enumerate(games)]
            returns += [r for r in ended if r is not None]
            steps += COPIES
            if steps in STEPS:
                figures[str(steps)] = float(np.mean(returns[-10:]))
        learner.update_many([game.recorder.take() for game in games])
    figures.setdefault(str(STEPS[0] if reduced else STEPS[-1]), float(np.mean(returns[-10:])))
    return {"seed": seed, "last_ten_mean": figures, "wall_s": round(time.perf_counter() - start, 1)}


def summarise(rows: list[dict[str, Any]], reduced: bool) -> dict[str, Any]:
    """Means over seeds at each number of steps."""
    means = {at: float(np.mean([r["last_ten_mean"][at] for r in rows])) for at in rows[0]["last_ten_mean"]}
    return {"mean": means, "rows": rows, "passed": means[str(STEPS[0])] > 30.0}
