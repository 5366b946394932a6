"""The arena as a Gymnasium environment: one world, its state as arrays, cards chosen by the action.

Owns the observation's layout and the reward; the rules are `world`'s. No picture: `render` is not offered.

Reward of a step: +0.02 a kill, +0.5 a whole level of XP, −1 for damage taken of the size of the largest health,
−5 for death, +10 for a win.
"""

from __future__ import annotations

from typing import Any, Final

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from agent.core.errors import GameError
from agent.games.arena import state as layout
from agent.games.arena.catalog import STATS
from agent.games.arena.stats import MAX_HP
from agent.games.arena.world import Worlds

MAX_FOES: Final = 64
MAX_DROPS: Final = 32
MAX_THINGS: Final = 16
TICKS_PER_STEP: Final = 4
OBSERVED_M: Final = 60.0
KILL, LEVEL, DAMAGE_SHARE, DEATH, WIN = 0.02, 0.5, -1.0, -5.0, 10.0
_PHASES: Final = 6
_CHOICES: Final = layout.BANISH + 3
_SELF: Final = (
    "hp", "shield", "vx", "vy", "vz", "yaw", "pitch", "grounded", "time_s", "stage_s", "swarm_s", "level", "level_xp",
    "next_xp", "gold", "refreshes", "skips", "banishes",
)  # fmt: skip

Observation = dict[str, Any]


class ArenaEnv(gymnasium.Env[Observation, Observation]):
    """One run an episode; a step is four ticks of a sixtieth of a second.

    Observation (f32 unless said): player [18] in the order of `_SELF`, stats [27] in the order of `catalog.STATS`,
    foes [64, 5] = x, y, z from the player in metres, health, kind + 1 (+ 128 for an elite), nearest first;
    drops [32, 3] = x, z, kind; things [16, 3] = x, z, kind; offers [3, 4] = kind + 1, id, rarity, value; phase, an
    integer. Rows beyond what there is are 0. Action: move [2] in the camera's frame, look [2], buttons [3] = jump,
    slide, interact, and choice: 0 none, 1…3 a card, 4 reroll, 5 skip, 6…8 banish a card.
    """

    metadata = {"render_modes": []}

    def __init__(self, character: int = 0, tier: int = 0, render_mode: str | None = None) -> None:
        if render_mode is not None:
            raise GameError(f"render mode {render_mode}: this environment has none")
        self.render_mode = None
        self._worlds = Worlds(1)
        self._character, self._tier = character, tier
        self._before: tuple[int, float, float] = (0, 1.0, 0.0)

        def box(*shape: int) -> spaces.Box:
            return spaces.Box(-np.inf, np.inf, shape, np.float32)

        self.observation_space = spaces.Dict(
            {
                "player": box(len(_SELF)),
                "stats": box(len(STATS)),
                "foes": box(MAX_FOES, 5),
                "drops": box(MAX_DROPS, 3),
                "things": box(MAX_THINGS, 3),
                "offers": box(3, 4),
                "phase": spaces.Discrete(_PHASES),
            }
        )
        self.action_space = spaces.Dict(
            {
                "move": spaces.Box(-1.0, 1.0, (2,), np.float32),
                "look": spaces.Box(-1.0, 1.0, (2,), np.float32),
                "buttons": spaces.MultiBinary(3),
                "choice": spaces.Discrete(_CHOICES + 1),
            }
        )

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Begin a run; `options` may name another `character` or `tier`."""
        super().reset(seed=seed)
        chosen = options or {}
        self._worlds.reset(
            0,
            int(self.np_random.integers(0, 2**62)),
            character=int(chosen.get("character", self._character)),
            tier=int(chosen.get("tier", self._tier)),
        )
        self._before = self._counters()
        return self._observe(), self._info()

    def step(self, action: Observation) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Four ticks; a choice counts in the first of them."""
        control = self._worlds.controls[0]
        control["move_x"], control["move_y"] = action["move"]
        control["look_x"], control["look_y"] = action["look"]
        control["jump"], control["slide"], control["interact"] = action["buttons"]
        control["choice"] = int(action["choice"]) - 1
        self._worlds.step()
        control["choice"] = layout.NONE
        self._worlds.run(TICKS_PER_STEP - 1)
        phase = int(self._worlds.records[0]["phase"])
        ended = phase in (layout.DEAD, layout.WON)
        return self._observe(), self._reward(phase), ended, False, self._info()

    def _counters(self) -> tuple[int, float, float]:
        """Kills, level with its fraction, damage taken."""
        world = self._worlds.records[0]
        return int(world["kills"]), float(world["level"] + world["level_xp"] / world["next_xp"]), float(world["taken"])

    def _reward(self, phase: int) -> float:
        before, now = self._before, self._counters()
        self._before = now
        maximum = max(1.0, float(self._worlds.records[0]["stats"][MAX_HP]))
        reward = KILL * (now[0] - before[0]) + LEVEL * max(0.0, now[1] - before[1])
        reward += DAMAGE_SHARE * (now[2] - before[2]) / maximum
        return reward + {layout.DEAD: DEATH, layout.WON: WIN}.get(phase, 0.0)

    def _info(self) -> dict[str, Any]:
        """Counters of the run, and the captions of what is offered."""
        world = self._worlds.records[0]
        names = ("kills", "elites", "bosses", "level", "stage")
        info: dict[str, Any] = {name: int(world[name]) for name in names}
        info |= {name: float(world[name]) for name in ("time_s", "xp", "gold", "dealt", "taken")}
        return info | {"offers": self._worlds.offers(0), "seed": int(world["seed"])}

    def _near(self, prefix: str, count: int, maximum: int) -> NDArray[np.intp]:
        world = self._worlds.records[0]
        d2 = (world[f"{prefix}_x"][:count] - world["x"]) ** 2 + (world[f"{prefix}_z"][:count] - world["z"]) ** 2
        if prefix == "thing":
            d2 = np.where(world["thing_used"][:count] == 0, d2, np.inf)
        order = np.argsort(d2, kind="stable")[:maximum]
        near: NDArray[np.intp] = order[d2[order] < OBSERVED_M**2]
        return near

    def _observe(self) -> Observation:
        world = self._worlds.records[0]
        foes, drops = np.zeros((MAX_FOES, 5), np.float32), np.zeros((MAX_DROPS, 3), np.float32)
        things, offers = np.zeros((MAX_THINGS, 3), np.float32), np.zeros((3, 4), np.float32)
        rows = self._near("foe", int(world["foes"]), MAX_FOES)
        for column, axis in enumerate(("x", "y", "z")):
            foes[: len(rows), column] = world[f"foe_{axis}"][rows] - world[axis]
        foes[: len(rows), 3] = world["foe_hp"][rows]
        foes[: len(rows), 4] = world["foe_kind"][rows] + 1 + 128 * world["foe_elite"][rows]
        for table, prefix, count in ((drops, "drop", "drops"), (things, "thing", "things")):
            rows = self._near(prefix, int(world[count]), len(table))
            table[: len(rows), 0] = world[f"{prefix}_x"][rows] - world["x"]
            table[: len(rows), 1] = world[f"{prefix}_z"][rows] - world["z"]
            table[: len(rows), 2] = world[f"{prefix}_kind"][rows]
        for card in range(len(self._worlds.offers(0))):
            kind, what, rarity = (world[f"offer_{name}"][card] for name in ("kind", "id", "rarity"))
            offers[card] = kind + 1, what, rarity, world["offer_value"][card][0]
        return {
            "player": np.array([world[name] for name in _SELF], np.float32),
            "stats": world["stats"].copy(),
            "foes": foes,
            "drops": drops,
            "things": things,
            "offers": offers,
            "phase": np.int64(world["phase"]),
        }
