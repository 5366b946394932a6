"""A game that pays 100 a step: with scaled rewards values stay of the size of 1, and it is learned; without, not."""

from __future__ import annotations

from typing import Any

import gymnasium
import msgspec
import numpy as np
import pytest
import torch
from gymnasium import spaces

from agent.games.env_view import EnvView
from agent.learning.ppo.learner import ReturnScale
from agent.training.gym import GymTraining
from agent.training.options import EnvironmentOptions
from agent.training.presets import preset as presets

torch.set_num_threads(1)
STEPS = 6_144


class Pays(gymnasium.Env[Any, Any]):
    """Twenty steps; a line of light is left or right, and the action of its side pays 100."""

    observation_space = spaces.Box(0, 255, (10, 10, 3), np.uint8)
    action_space = spaces.Discrete(2)

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.t = 0
        return self.look(), {}

    def look(self) -> Any:
        self.right = int(self.np_random.integers(2))
        picture = np.zeros((10, 10, 3), np.uint8)
        picture[:, self.np_random.integers(5) + 5 * self.right] = 255
        return picture

    def step(self, action: Any) -> Any:
        paid, self.t = 100.0 * (action == self.right), self.t + 1
        return self.look(), paid, self.t >= 20, False, {}


def trained(monkeypatch: pytest.MonkeyPatch, *, scaled: bool) -> tuple[float, float]:
    """Mean return of the last 100 episodes, and the largest value loss of the later half."""
    monkeypatch.setattr("agent.training.gym.open_env", lambda game: Pays())
    _, preset = presets.chosen("gym:mine", EnvView(Pays.observation_space), EnvironmentOptions())
    preset = msgspec.structs.replace(preset, scale_rewards=scaled)
    training = GymTraining("gym:mine", seed=0, total_steps=STEPS, preset=preset)
    losses = []
    while training.steps < STEPS:
        losses.append(training.advance()["value_loss"])
    return float(np.mean(training.recent)), max(losses[len(losses) // 2 :])


def test_a_game_that_pays_100_a_step_is_learned_with_a_bounded_value_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    """A guess returns 1,000, all right 2,000."""
    learned, loss = trained(monkeypatch, scaled=True)
    plain, plain_loss = trained(monkeypatch, scaled=False)
    print(f"scaled {learned:.0f}, value loss {loss:.3g}; as paid {plain:.0f}, {plain_loss:.3g}")
    assert loss < 1.0 and learned > 1_300
    assert plain_loss > 1_000 and plain < learned - 200, "the control"


def test_the_scale_stays_where_every_step_pays_the_same() -> None:
    scale = ReturnScale(0.99)
    last = torch.zeros(1000, dtype=torch.bool)
    for _ in range(50):
        scale.update("endless", torch.full((1000,), 100.0), last)
    assert 9_000 < scale.size < 10_001
