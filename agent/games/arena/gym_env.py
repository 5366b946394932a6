"""The arena as a Gymnasium environment: one world, its state as arrays, cards chosen by the action.

The layout of observations and actions is `gym_rows`'; the rules are `world`'s; pictures are `gym_picture`'s.

The reward of a step is that of a table of `core.rewards`, without potentials: `score`, the default, pays the score in
minutes, `counters` is the table of version 0.1.0, and a `.toml` file has weights of its own.
"""

from __future__ import annotations

from typing import Any

import gymnasium

from agent.core.errors import GameError
from agent.core.rewards.tables import SCORE, load_weights
from agent.core.types import ByteArray
from agent.games.arena import gym_rows
from agent.games.arena.gym_picture import METADATA, SIZE_PX, Pictures
from agent.games.arena.gym_rows import Observation, WorldRow, write_control
from agent.games.arena.world import Worlds


class ArenaEnv(gymnasium.Env[Observation, Observation]):
    """One run an episode; a step is four ticks of a sixtieth of a second.

    Observation (f32 unless said): player [18] in the order of `gym_rows`, stats [27] in the order of `catalog.STATS`,
    foes [64, 5] = x, y, z from the player in metres, health, kind + 1 (+ 128 for an elite), nearest first;
    drops [32, 3] = x, z, kind; things [16, 3] = x, z, kind; offers [3, 4] = kind + 1, id, rarity, value; phase, an
    integer. Rows beyond what there is are 0. Action: move [2] in the camera's frame, look [2], buttons [3] = jump,
    slide, interact, and choice: 0 none, 1…3 a card, 4 reroll, 5 skip, 6…8 banish a card. An action with a number that
    is not finite raises GameError. render_mode: `rgb_array` gives pictures u8 [h, w, 3], `human` shows them. reward:
    the table's name or file; SettingsError where there is none.
    """

    metadata = METADATA

    def __init__(
        self, character: int = 0, tier: int = 0, render_mode: str | None = None,
        size_px: tuple[int, int] = SIZE_PX, reward: str = SCORE.name,
    ) -> None:  # fmt: skip
        self.render_mode = render_mode
        self._pictures = Pictures(render_mode, size_px)
        self._worlds = Worlds(1)
        self._row = WorldRow(self._worlds, 0, load_weights(reward))
        self._begun = False
        self._character, self._tier = character, tier
        self.observation_space = gym_rows.observation_space()
        self.action_space = gym_rows.action_space()

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Begin a run; `options` may name another `character` or `tier`."""
        super().reset(seed=seed)
        chosen = options or {}
        self._row.begin(
            int(self.np_random.integers(0, 2**62)),
            character=chosen.get("character", self._character),
            tier=chosen.get("tier", self._tier),
        )
        self._begun = True
        self._pictures.show(self._worlds, 0)
        return self._row.observe(), self._row.info()

    def step(self, action: Observation) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Four ticks; a choice counts in the first of them. Raises GameError for an action that is none."""
        if not self._begun:
            raise GameError("metabonk/Arena-v0: call reset before the first step")
        write_control(self._worlds.controls[0], action)
        gym_rows.advance(self._worlds)
        self._pictures.show(self._worlds, 0)
        return self._row.observe(), self._row.reward(), self._row.ended, False, self._row.info()

    def render(self) -> ByteArray | None:
        """The picture of the run as it stands, u8 [h, w, 3], where the render mode is `rgb_array`."""
        return self._pictures.draw(self._worlds, 0) if self.render_mode == "rgb_array" else None

    def close(self) -> None:
        """Close the window, where there is one."""
        self._pictures.close()
