"""PPO on a Gymnasium environment of one discrete action or of axes, the last frames side by side, for comparison."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from agent.learning.configs import PPOConfig
from agent.learning.ppo.learner import PPOLearner
from agent.models.heads import sample
from agent.models.policies import FlatPolicy
from agent.models.sizes import FlatSizes
from tools.bench.learning._play import StepRecorder, spec_of

COPIES, STRETCH = 4, 128
CONFIG = PPOConfig(lr=2.5e-3, epochs=4, minibatches=4, entropy_weight=0.01)


class Game:
    """One copy with its last frames."""

    def __init__(self, name: str, seed: int, env: Any, observe: Callable[[Any], Any], frames: int) -> None:
        self.env, self.observe = env, observe
        self.recorder = StepRecorder(name, spec_of(env))
        self.frames: deque[Any] = deque(maxlen=frames)
        self.total, self.begin = 0.0, True
        self._see(self.env.reset(seed=seed)[0], first=True)

    def _see(self, raw: Any, *, first: bool) -> None:
        self.frames.extend([self.observe(raw)] * ((self.frames.maxlen or 1) if first else 1))

    def seen(self) -> Any:
        """Features of the last frames."""
        return np.concatenate(self.frames).astype(np.float32)

    def step(self, axes: Any, picks: tuple[int, ...]) -> float | None:
        """One step; the return of an episode that ends."""
        before = self.seen()
        raw, reward, terminated, truncated, _ = self.env.step(picks[0] if picks else axes)
        self.total += float(reward)
        self._see(raw, first=False)
        self.recorder.add(before, axes, picks, float(reward), terminated, truncated, self.begin, self.seen())
        self.begin = terminated or truncated
        if not self.begin:
            return None
        ended, self.total = self.total, 0.0
        self._see(self.env.reset()[0], first=True)
        return ended


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
    games = [Game(str(k), 100 * seed + k, make(), observe, frames) for k in range(COPIES)]
    spec = games[0].recorder.spec
    policy = FlatPolicy(FlatSizes(len(games[0].seen()), spec.continuous, spec.branches))
    learner = PPOLearner(policy, CONFIG, seed=seed)
    returns: list[tuple[int, float]] = []
    still, done = torch.zeros(COPIES, 1), 0
    while done < steps:
        for _ in range(STRETCH):
            seen = torch.from_numpy(np.stack([game.seen() for game in games]))[:, None]
            with torch.no_grad():
                heads, _ = policy(seen, policy.initial(COPIES), still.bool(), still)
                axes, picks = (x[:, 0] for x in sample(heads))
            ended = [g.step(a.numpy(), tuple(p.tolist())) for g, a, p in zip(games, axes, picks, strict=True)]
            done += COPIES
            returns += [(done, r) for r in ended if r is not None]
        learner.update_many([game.recorder.take() for game in games])
    return policy, [(at, r) for at, r in returns if at <= steps]
