"""One arena scenario as a Gymnasium environment: gather what drops in the first twenty seconds of a run.

Walk in one of eight directions or stand, five decisions a second; weapons fire by themselves, the first card is always
taken. What is seen is the player's speed, health and room to walk, and where the two nearest enemies and the three
nearest things lie; the reward is the XP picked up. A run that lives on is cut, not ended. Over 20 runs, standing still
gathers 4, a random walk 12 to 14, and walking to the nearest drop 25.
"""

from __future__ import annotations

import math
from typing import Any, Final

import gymnasium
import numpy as np

from agent.control import encode
from agent.training.arena.batch import ArenaBatch

TICKS, STEPS, DIRECTIONS = 12, 100, 8
SELF: Final = (0, 1, 3, 11, 12, 13, 14)
PLACE: Final = (0, 1, 3, 4, 5)
ROWS: Final = (0, 1, encode.ENEMIES, encode.ENEMIES + 1, encode.ENEMIES + 2)
FEATURES: Final = len(SELF) + len(ROWS) * (len(PLACE) + 1)
WAYS: Final = np.array(
    [[math.sin(k * math.tau / DIRECTIONS), math.cos(k * math.tau / DIRECTIONS)] for k in range(DIRECTIONS)] + [[0, 0]],
    np.float32,
)


class Gather(gymnasium.Env[Any, Any]):
    """Observation f32 [37]; nine actions, the last of them to stand. Run k after reset(seed=s) is of seed s + k."""

    observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (FEATURES,), np.float32)
    action_space = gymnasium.spaces.Discrete(DIRECTIONS + 1)

    def __init__(self) -> None:
        self._seed = self._run = 0
        self._steps, self._xp = 0, 0.0
        self._batch: ArenaBatch | None = None

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin a run."""
        super().reset(seed=seed)
        if seed is not None:
            self._seed, self._run = seed, 0
        self._batch = ArenaBatch(1, self._seed + self._run, ticks=TICKS)
        self._run += 1
        self._steps, self._xp = 0, 0.0
        return self._seen(self._batch), {}

    def step(self, action: int) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Walk for a fifth of a second, and take the first card of each menu that opens."""
        batch = self._batch
        assert batch is not None
        axes, none = np.zeros((1, 4), np.float32), np.zeros((1, 3), np.int32)
        axes[0, :2] = WAYS[action]
        over = bool(batch.step(axes, none, none[:, 0]).is_last[0])
        while not over and batch.in_menu[0]:
            over = bool(batch.step(axes, none, none[:, 0]).is_last[0])
        before, self._xp = self._xp, self._xp if over else float(batch.records["xp"][0])
        self._steps += 1
        return self._seen(batch), self._xp - before, over, not over and self._steps >= STEPS, {}

    def _seen(self, batch: ArenaBatch) -> Any:
        o, rows = batch.observed, list(ROWS)
        places = o.tokens[0][rows][:, list(PLACE)]
        return np.concatenate([o.self_[0][list(SELF)], places.ravel(), o.mask[0][rows]])
