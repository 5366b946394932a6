"""Subgoals in a batch of runs: their vectors as a motor reads them, and what each run gained towards them.

Vectors are those of `core.goals.vector.features` for a subgoal that has just begun. Owns no runs.
"""

from __future__ import annotations

import math
from typing import Any, Final, Protocol

import numpy as np
from numba import njit
from numpy.typing import NDArray

from agent.control.chunks.policy import TRAINED
from agent.core.goals.vector import GOAL_FEATURES, GoalColumn, placed
from agent.core.goals.vocabulary import KINDS, OBJECTS, Subgoal
from agent.core.types import FloatArray, ObjectKind
from agent.games.arena import state as layout
from agent.games.arena import view
from agent.training.arena.batch import ArenaBatch

NONE: Final = -1
CHEST, SHRINE, BOSS, XP = range(len(TRAINED))
_ELITE: Final = 128
_PORTAL: Final = int(ObjectKind.PORTAL)
_OBJECT: Final = np.array([ObjectKind.CHEST, ObjectKind.SHRINE, 0, ObjectKind.XP], np.int32)


def _constant(subgoal: Subgoal) -> FloatArray:
    """The columns that do not depend on the state."""
    out = np.zeros(GOAL_FEATURES, np.float32)
    out[GoalColumn.KIND + KINDS.index(subgoal.kind)] = 1.0
    if subgoal.what in OBJECTS:
        out[GoalColumn.OBJECT + OBJECTS[subgoal.what] - 1] = 1.0
    out[GoalColumn.LEFT], out[GoalColumn.THERE] = 1.0, 1.0
    out[GoalColumn.AMOUNT] = math.log1p(subgoal.amount) * 0.1
    return out


_CONSTANTS: Final = np.stack([_constant(subgoal) for subgoal in TRAINED])
_SEEN, _RIGHT, _AHEAD = int(GoalColumn.SEEN), int(GoalColumn.RIGHT), int(GoalColumn.AHEAD)
_RIGHT_SHARE, _AHEAD_SHARE = int(GoalColumn.RIGHT_SHARE), int(GoalColumn.AHEAD_SHARE)
_NEARNESS: Final = int(GoalColumn.NEARNESS)


def goal_vectors(batch: ArenaBatch, goals: NDArray[np.int32]) -> FloatArray:
    """What a motor reads of each run's subgoal, by its place in `TRAINED`, [N, 96]; zeros where it is `NONE`."""
    out = np.zeros((batch.count, GOAL_FEATURES), np.float32)
    _vectors(batch.records, batch.worlds.catalog.rules, goals, _CONSTANTS, _OBJECT, out)
    return placed(out)


@njit(cache=True)
def _vectors(worlds: Any, rules: Any, goals: Any, constants: Any, objects: Any, out: Any) -> None:
    for w in range(worlds.shape[0]):
        if goals[w] < 0:
            continue
        s, goal, row = worlds[w], goals[w], out[w]
        row[:] = constants[goal]
        enemies, kinds, object_kinds, places = view.seen(s, rules)
        best, dx, dz = np.inf, 0.0, 0.0
        if goal == BOSS:
            for i in range(kinds.shape[0]):
                if kinds[i] >= _ELITE:
                    x, z = enemies[i, 0] - s.x, enemies[i, 2] - s.z
                    if x * x + z * z < best:
                        best, dx, dz = x * x + z * z, x, z
        wanted = _PORTAL if goal == BOSS else objects[goal]
        if best == np.inf:
            for i in range(object_kinds.shape[0]):
                if object_kinds[i] == wanted:
                    x, z = places[i, 0] - s.x, places[i, 2] - s.z
                    if x * x + z * z < best:
                        best, dx, dz = x * x + z * z, x, z
        if best < np.inf:
            sin, cos = math.sin(s.yaw), math.cos(s.yaw)
            right, ahead = dx * cos - dz * sin, dx * sin + dz * cos
            distance_m = math.sqrt(right * right + ahead * ahead) + 1e-3
            row[_SEEN] = 1.0
            row[_RIGHT], row[_AHEAD] = right / 20.0, ahead / 20.0
            row[_RIGHT_SHARE], row[_AHEAD_SHARE] = right / distance_m, ahead / distance_m
            row[_NEARNESS] = math.exp(-distance_m / 4.0)


class Recorded(Protocol):
    """Whoever holds the records of worlds, `games.arena.state.WORLD`."""

    @property
    def records(self) -> Any:
        """One record a world."""
        ...


def counted(batch: Recorded) -> FloatArray:
    """What is counted of each run towards the subgoals of `TRAINED`, [N, 4]; only its growth within a run counts.

    Chests bought and shrines used (of this stage), bosses (half for one that was called), levels.
    """
    r = batch.records
    used = (r["thing_used"] != 0) & np.isin(r["thing_kind"], (layout.THING_SHRINE, layout.THING_GREED))
    used &= np.arange(used.shape[1])[None] < r["things"][:, None]
    level = r["level"] + r["level_xp"].astype(np.float64) / r["next_xp"]
    bosses = r["stage"] + 0.5 * np.minimum(r["boss_state"], 2)
    return np.stack([r["chests_bought"], used.sum(1), bosses, level], 1).astype(np.float32)
