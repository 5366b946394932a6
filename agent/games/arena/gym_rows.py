"""What the arena's Gymnasium environments share: spaces, actions into controls, and what one world of many shows.

Numbers of an action are checked here, before compiled code reads them.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from agent.core.errors import GameError
from agent.core.rewards.tables import CAP_S, Weights
from agent.games.arena import state as layout
from agent.games.arena.catalog import STATS
from agent.games.arena.stats import MAX_HP
from agent.games.arena.world import Worlds

MAX_FOES: Final = 64
MAX_DROPS: Final = 32
MAX_THINGS: Final = 16
TICKS_PER_STEP: Final = 4
OBSERVED_M: Final = 60.0
CHOICES: Final = layout.BANISH + 3
_PHASES: Final = 6
_SELF: Final = (
    "hp", "shield", "vx", "vy", "vz", "yaw", "pitch", "grounded", "time_s", "stage_s", "swarm_s", "level", "level_xp",
    "next_xp", "gold", "refreshes", "skips", "banishes",
)  # fmt: skip
_AXES: Final = (("move", ("move_x", "move_y")), ("look", ("look_x", "look_y")))
_BUTTONS: Final = ("jump", "slide", "interact")

Observation = dict[str, Any]


def observation_space() -> spaces.Dict:
    """What one world shows; see `gym_env.ArenaEnv`."""

    def box(*shape: int) -> spaces.Box:
        return spaces.Box(-np.inf, np.inf, shape, np.float32)

    return spaces.Dict(
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


def action_space() -> spaces.Dict:
    """What one world takes; see `gym_env.ArenaEnv`."""
    return spaces.Dict(
        {
            "move": spaces.Box(-1.0, 1.0, (2,), np.float32),
            "look": spaces.Box(-1.0, 1.0, (2,), np.float32),
            "buttons": spaces.MultiBinary(3),
            "choice": spaces.Discrete(CHOICES + 1),
        }
    )


def _finite(action: Any, name: str, size: int) -> NDArray[np.float64]:
    """A part of an action as `size` finite numbers; raises GameError."""
    try:
        value = action[name]
    except (KeyError, IndexError, TypeError) as error:
        raise GameError(f"action {action!r:.200}: a dictionary of move, look, buttons and choice is needed") from error
    try:
        numbers = np.asarray(value, np.float64).reshape(-1)
    except (ValueError, TypeError, OverflowError) as error:
        raise GameError(f"action {name} = {value!r:.200}: numbers are needed") from error
    if len(numbers) != size or not np.isfinite(numbers).all():
        raise GameError(f"action {name} = {value!r:.200}: finite numbers are needed, {size} of them")
    return numbers


def write_control(control: Any, action: Any) -> None:
    """Write one action into a world's control; axes beyond −1 … 1 are clipped. Raises GameError, and writes nothing."""
    axes = [(columns, np.clip(_finite(action, name, 2), -1.0, 1.0)) for name, columns in _AXES]
    buttons, (choice,) = _finite(action, "buttons", 3) != 0, _finite(action, "choice", 1)
    if not (choice == int(choice) and 0 <= choice <= CHOICES):
        raise GameError(f"action choice = {choice:g}: a whole number from 0 to {CHOICES} is needed")
    for columns, pair in axes:
        control[columns[0]], control[columns[1]] = pair
    for column, pressed in zip(_BUTTONS, buttons, strict=True):
        control[column] = pressed
    control["choice"] = int(choice) - 1


def advance(worlds: Worlds) -> None:
    """One step of every world, `TICKS_PER_STEP` ticks; a choice counts in the first of them."""
    worlds.step()
    worlds.controls["choice"] = layout.NONE
    worlds.run(TICKS_PER_STEP - 1)


class WorldRow:
    """One world of `worlds`: what it shows and what it gave since the step before."""

    def __init__(self, worlds: Worlds, row: int, weights: Weights) -> None:
        self._worlds, self._row, self._weights = worlds, row, weights
        self._before: tuple[int, float, float, float] = (0, 1.0, 0.0, 0.0)
        self._over = False

    @property
    def _world(self) -> Any:
        return self._worlds.records[self._row]

    def begin(self, seed: int, *, character: Any, tier: Any) -> None:
        """Begin a run; raises GameError where there is no such character or tier."""
        numbers = []
        for name, value in (("character", character), ("tier", tier)):
            if isinstance(value, bool) or not isinstance(value, int | np.integer):
                raise GameError(f"option {name} = {value!r:.200}: a whole number is needed")
            numbers.append(int(value))
        self._worlds.reset(self._row, seed, character=numbers[0], tier=numbers[1])
        self._before, self._over = self._counters(), False

    @property
    def ended(self) -> bool:
        """True from death or win on."""
        return int(self._world["phase"]) in (layout.DEAD, layout.WON)

    def _counters(self) -> tuple[int, float, float, float]:
        """Kills, level with its fraction, damage taken, and the time up to the score's cap."""
        world = self._world
        levels = float(world["level"] + world["level_xp"] / world["next_xp"])
        return int(world["kills"]), levels, float(world["taken"]), min(float(world["time_s"]), CAP_S)

    def reward(self) -> float:
        """The reward since the question before; none after the end."""
        if self._over:
            return 0.0
        self._over = self.ended
        before, now = self._before, self._counters()
        self._before = now
        kills, levels, damage, passed_s = (after - first for first, after in zip(before, now, strict=True))
        maximum = float(self._world["stats"][MAX_HP])
        reward = self._weights.change(int(kills), levels, damage, maximum, passed_s)
        if self._over:
            reward += self._weights.end(int(self._world["phase"]) == layout.WON, now[3])
        return reward

    def info(self) -> dict[str, Any]:
        """Counters of the run, and the captions of what is offered."""
        world = self._world
        names = ("kills", "elites", "bosses", "level", "stage")
        info: dict[str, Any] = {name: int(world[name]) for name in names}
        info |= {name: float(world[name]) for name in ("time_s", "xp", "gold", "dealt", "taken")}
        return info | {"offers": self._worlds.offers(self._row), "seed": int(world["seed"])}

    def _near(self, prefix: str, count: int, maximum: int) -> NDArray[np.intp]:
        world = self._world
        d2 = (world[f"{prefix}_x"][:count] - world["x"]) ** 2 + (world[f"{prefix}_z"][:count] - world["z"]) ** 2
        if prefix == "thing":
            d2 = np.where(world["thing_used"][:count] == 0, d2, np.inf)
        order = np.argsort(d2, kind="stable")[:maximum]
        near: NDArray[np.intp] = order[d2[order] < OBSERVED_M**2]
        return near

    def observe(self) -> Observation:
        """What the world shows now."""
        world = self._world
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
        for card in range(len(self._worlds.offers(self._row))):
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
