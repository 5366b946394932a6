"""Many arenas as one Gymnasium vector environment: all worlds are stepped in one compiled call.

The same seeds give the same runs as single environments, to the bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium.utils.seeding import np_random
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space, concatenate, create_empty_array, iterate
from numpy.typing import NDArray

from agent.core.errors import GameError
from agent.core.rewards.tables import SCORE, load_weights
from agent.core.types import ByteArray
from agent.games.arena import gym_rows
from agent.games.arena.gym_picture import METADATA, SIZE_PX, Pictures
from agent.games.arena.gym_rows import Observation, WorldRow, write_control
from agent.games.arena.world import Worlds

Flags = NDArray[np.bool_]


class ArenaVectorEnv(VectorEnv[Any, Any, Any]):
    """`num_envs` runs side by side; observations and actions are those of `ArenaEnv`, batched.

    A run that ended begins anew in the next step, which ignores its action (`AutoresetMode.NEXT_STEP`).
    """

    metadata = METADATA | {"autoreset_mode": AutoresetMode.NEXT_STEP}

    def __init__(
        self, num_envs: int = 1, character: int = 0, tier: int = 0, render_mode: str | None = None,
        size_px: tuple[int, int] = SIZE_PX, reward: str = SCORE.name,
    ) -> None:  # fmt: skip
        if render_mode == "human":
            raise GameError("render_mode human: shows one run; use gymnasium.make, or render_mode rgb_array")
        self.num_envs, self.render_mode = num_envs, render_mode
        self._worlds = Worlds(num_envs)
        weights = load_weights(reward)
        self._rows = [WorldRow(self._worlds, row, weights) for row in range(num_envs)]
        self._pictures = Pictures(render_mode, size_px)
        self._character, self._tier = character, tier
        self._random = [np_random()[0] for _ in range(num_envs)]
        self._over: Flags | None = None
        self.single_observation_space = gym_rows.observation_space()
        self.single_action_space = gym_rows.action_space()
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Begin every run; run i has seed + i, or the i-th of a list. `options` as in `ArenaEnv`."""
        seeds = [seed + i for i in range(self.num_envs)] if isinstance(seed, int) else seed
        if seeds is not None and len(seeds) != self.num_envs:
            raise GameError(f"{len(seeds)} seeds for {self.num_envs} environments")
        chosen = options or {}
        for row, own in enumerate(seeds or ()):
            if own is not None:
                self._random[row] = np_random(own)[0]
        infos: dict[str, Any] = {}
        for row in range(self.num_envs):
            self._begin(row, chosen.get("character", self._character), chosen.get("tier", self._tier))
            infos = self._add_info(infos, self._rows[row].info(), row)
        self._over = np.zeros(self.num_envs, np.bool_)
        return self._observed(), infos

    def step(self, actions: Any) -> tuple[Observation, NDArray[np.float64], Flags, Flags, dict[str, Any]]:
        """One step of every run; raises GameError for an action that is none, and then steps none of them."""
        if self._over is None:
            raise GameError("metabonk/Arena-v0: call reset before the first step")
        begins = self._over
        for row, action in enumerate(iterate(self.action_space, actions)):
            if not begins[row]:
                write_control(self._worlds.controls[row], action)
        gym_rows.advance(self._worlds)
        rewards, infos = np.zeros(self.num_envs), {}  # type: tuple[NDArray[np.float64], dict[str, Any]]
        for row, shown in enumerate(self._rows):
            if begins[row]:
                self._begin(row, self._character, self._tier)
            else:
                rewards[row] = shown.reward()
            infos = self._add_info(infos, shown.info(), row)
        self._over = np.array([row.ended for row in self._rows])
        return self._observed(), rewards, self._over.copy(), np.zeros(self.num_envs, np.bool_), infos

    def _begin(self, row: int, character: Any, tier: Any) -> None:
        self._rows[row].begin(int(self._random[row].integers(0, 2**62)), character=character, tier=tier)

    def _observed(self) -> Observation:
        seen = [row.observe() for row in self._rows]
        empty: Any = create_empty_array(self.single_observation_space, self.num_envs)
        joined: Any = concatenate(self.single_observation_space, seen, empty)
        found: Observation = joined
        return found

    def render(self) -> tuple[ByteArray, ...] | None:
        """The picture of every run, u8 [h, w, 3], where the render mode is `rgb_array`."""
        if self.render_mode != "rgb_array":
            return None
        return tuple(self._pictures.draw(self._worlds, row) for row in range(self.num_envs))

    def close_extras(self, **kwargs: Any) -> None:
        """Nothing is held but memory."""
        self._pictures.close()
