"""One arena scenario as a Gymnasium environment: the first minute of a run, played by walking alone.

Walk in one of eight directions or stand, five decisions a second; weapons fire by themselves, the first card is always
taken. What is seen is the player and the rings (the nearness of enemies and drops in sixteen directions); the reward is
the arena's shaped one. A run that lives for a minute is cut, not ended. Standing still earns little XP and is overrun;
gathering and giving way earns most.
"""

from __future__ import annotations

import math
from typing import Any, Final

import gymnasium
import numpy as np

from agent.control import encode
from agent.runtime.arena_batch import TICK_S, ArenaBatch

TICKS, SECONDS, DIRECTIONS = 12, 60.0, 8
FEATURES: Final = encode.SELF_FEATURES + encode.SECTORS * encode.RING_FEATURES
WAYS: Final = np.array(
    [[math.sin(k * math.tau / DIRECTIONS), math.cos(k * math.tau / DIRECTIONS)] for k in range(DIRECTIONS)] + [[0, 0]],
    np.float32,
)


class Gather(gymnasium.Env[Any, Any]):
    """Observation f32 [196]; nine actions, the last of them to stand. Run k after reset(seed=s) is of seed s + k."""

    observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (FEATURES,), np.float32)
    action_space = gymnasium.spaces.Discrete(DIRECTIONS + 1)

    def __init__(self) -> None:
        self._seed, self._run, self._time_s = 0, 0, 0.0
        self._batch: ArenaBatch | None = None

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin a run."""
        super().reset(seed=seed)
        if seed is not None:
            self._seed, self._run = seed, 0
        self._batch = ArenaBatch(1, self._seed + self._run, ticks=TICKS)
        self._run += 1
        self._time_s = 0.0
        return self._seen(self._batch), {}

    def step(self, action: int) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Walk for a fifth of a second, and take the first card of each menu that opens."""
        batch = self._batch
        assert batch is not None
        axes, none = np.zeros((1, 4), np.float32), np.zeros((1, 3), np.int32)
        axes[0, :2] = WAYS[action]
        outcome = batch.step(axes, none, none[:, 0])
        reward, over = float(outcome.reward[0]), bool(outcome.is_last[0])
        while not over and batch.in_menu[0]:
            outcome = batch.step(axes, none, none[:, 0])
            reward, over = reward + float(outcome.reward[0]), bool(outcome.is_last[0])
        self._time_s += TICKS * TICK_S
        return self._seen(batch), reward, over, not over and self._time_s >= SECONDS, {}

    def _seen(self, batch: ArenaBatch) -> Any:
        return np.concatenate([batch.observed.self_[0], batch.observed.rings[0]])
