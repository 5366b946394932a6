"""A small game of 16 x 16 pixels: lights that answer keys, an axis, and a click."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from agent.learning.inverse_dynamics.judging import calibrated
from agent.learning.inverse_dynamics.labels import Labeller
from agent.learning.inverse_dynamics.learner import IdmConfig, IdmLearner
from agent.learning.inverse_dynamics.targets import Targets
from agent.learning.pixels.episodes import Episode, Episodes
from agent.learning.pixels.layout import ActionLayout, Control
from agent.models.inverse_dynamics.sizes import IdmSizes

SIDE = 16
LAG = 2
UPDATES = 100
LAYOUT = ActionLayout(
    (
        Control("left", "key"), Control("right", "key"), Control("up", "axis"), Control("press", "key"),
        Control("x", "position", of="press"),
    )
)  # fmt: skip
SMALL = {"size_px": SIDE, "inputs": "pixels", "window": 7, "lags": 3, "filters": (8, 8, 16), "width": 32, "layers": 1}


def small_sizes(outputs: int, **changed: Any) -> IdmSizes:
    """Widths that learn the game in seconds."""
    return IdmSizes(outputs=outputs, **{**SMALL, **changed})


def episode(seed: int, rows: int = 160, lag: int = 0) -> Episode:
    """Random play, whose actions show `lag` steps later."""
    rng = np.random.default_rng(seed)
    actions = np.zeros((rows, 5), np.float32)
    way = rng.integers(-1, 2, rows)
    actions[:, 0], actions[:, 1] = way < 0, way > 0
    actions[:, 2] = rng.choice([-1.0, 0.0, 1.0], rows)
    actions[:, 3] = rng.random(rows) < 0.4
    actions[:, 4] = actions[:, 3] * rng.choice([0.2, 0.8], rows)
    done = np.concatenate([np.zeros((lag, 5), np.float32), actions])[:rows]
    frames = rng.integers(0, 40, (rows, SIDE, SIDE, 3), dtype=np.uint8)
    for t in range(1, rows):
        left, right, up, press, x = done[t - 1]
        frames[t, :, :5, 1] += np.uint8(200 * left)
        frames[t, :, 11:, 1] += np.uint8(200 * right)
        frames[t, :, :, 2] += np.uint8(100 + 100 * up)
        if press:
            at = int(x * SIDE)
            frames[t, :, max(0, at - 3) : at + 4, 0] = 255
    return Episode(name=f"run-{seed}", source=f"run-{seed}.npz", frames=frames, dt_s=0.1, actions=actions)


def episodes(count: int, first: int = 0, lag: int = 0) -> Episodes:
    """Episodes of random play."""
    items = tuple(episode(first + i, lag=lag) for i in range(count))
    return Episodes(items=items, layout=LAYOUT, size_px=SIDE)


def trained(*, updates: int = UPDATES, causal: bool = False) -> Labeller:
    """A model of some episodes, calibrated on others."""
    torch.set_num_threads(1)
    sizes = small_sizes(Targets(LAYOUT).outputs, causal=causal)
    learner = IdmLearner(episodes(8, lag=LAG), sizes, IdmConfig(batch=16, steps=updates, learning_rate=8e-3))
    for _ in range(updates):
        learner.update()
    return calibrated(learner.network, learner.targets, episodes(3, 50, lag=LAG))
