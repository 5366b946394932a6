"""A pursuit as numbers for a network: what is wanted, where it lies in the camera's frame, and how far it is.

The layout is part of every motor's file: `describe()` goes into its manifest.
"""

from __future__ import annotations

import math
from enum import IntEnum
from typing import Any, Final

import numpy as np

from agent.core.goals.progress import Judged, Pursuit, nearest, nearest_enemy
from agent.core.goals.vocabulary import CARD_KINDS, KINDS, OBJECTS, Subgoal, SubgoalKind
from agent.core.types import FloatArray, GameState, Vector2

LAYOUT: Final = "subgoal/1"


class GoalColumn(IntEnum):
    """Columns of the vector; one name stands for the first of several."""

    KIND = 0
    """Nine, one-hot, in the order of `KINDS`."""
    OBJECT = 9
    """Seven, one-hot, in the order of `ObjectKind`."""
    CARD = 16
    """Six, one-hot, in the order of `CARD_KINDS`; zeros for a card that is named."""
    SEEN = 22
    RIGHT = 23
    AHEAD = 24
    RIGHT_SHARE = 25
    AHEAD_SHARE = 26
    NEARNESS = 27
    LEFT = 28
    """Share of the way that is still to be done."""
    AMOUNT = 29
    RADIUS = 30
    THERE = 31
    """1 where there is a subgoal: without one all is 0."""


GOAL_FEATURES: Final = 32
PLACED_FEATURES: Final = GOAL_FEATURES + 16 * 4


def describe() -> dict[str, Any]:
    """What the vector is, for manifests."""
    return {"goal": LAYOUT, "goal_features": GOAL_FEATURES}


def target(subgoal: Subgoal, state: GameState) -> Vector2 | None:
    """Where the subgoal lies, (x, z) of the world; None where it lies nowhere or is not seen."""
    if subgoal.kind in (SubgoalKind.COLLECT, SubgoalKind.REACH, SubgoalKind.OPEN):
        return nearest(state, subgoal.what)
    if subgoal.kind is SubgoalKind.KILL:
        return nearest_enemy(state)
    if subgoal.kind is SubgoalKind.BOSS:
        return nearest_enemy(state, elite=True) or nearest(state, "portal")
    return subgoal.place if subgoal.kind is SubgoalKind.AVOID else None


def features(pursuit: Pursuit | None, judged: Judged | None, state: GameState, out: FloatArray) -> None:
    """Write a pursuit as it stands at this state, f32 [32]; zeros without one. `judged`: of the same pursuit."""
    out[:] = 0.0
    if pursuit is None:
        return
    subgoal = pursuit.subgoal
    out[GoalColumn.KIND + KINDS.index(subgoal.kind)] = 1.0
    if subgoal.what in CARD_KINDS and subgoal.kind is SubgoalKind.PICK_CARD:
        out[GoalColumn.CARD + CARD_KINDS.index(subgoal.what)] = 1.0
    elif subgoal.what in OBJECTS:
        out[GoalColumn.OBJECT + OBJECTS[subgoal.what] - 1] = 1.0
    place = target(subgoal, state)
    if place is not None:
        _fill_place(place, state, out)
    out[GoalColumn.LEFT] = 1.0 - (judged.share if judged is not None else 0.0)
    out[GoalColumn.AMOUNT] = math.log1p(subgoal.amount) * 0.1
    out[GoalColumn.RADIUS] = subgoal.radius_m / 20.0
    out[GoalColumn.THERE] = 1.0


def _fill_place(place: Vector2, state: GameState, out: FloatArray) -> None:
    """The place in the camera's frame, scaled as `control.encode` scales tokens."""
    yaw = state.scene.camera_yaw_rad if state.scene is not None else 0.0
    dx, dz = place[0] - state.position[0], place[1] - state.position[2]
    sin, cos = math.sin(yaw), math.cos(yaw)
    right, ahead = dx * cos - dz * sin, dx * sin + dz * cos
    distance_m = math.hypot(right, ahead) + 1e-3
    out[GoalColumn.SEEN] = 1.0
    out[GoalColumn.RIGHT], out[GoalColumn.AHEAD] = right / 20.0, ahead / 20.0
    out[GoalColumn.RIGHT_SHARE], out[GoalColumn.AHEAD_SHARE] = right / distance_m, ahead / distance_m
    out[GoalColumn.NEARNESS] = math.exp(-distance_m / 4.0)


def placed(goals: FloatArray) -> FloatArray:
    """Vectors [..., 32] with where they lie written once more for each kind and object, [..., 96].

    A network that reads these needs no product of kind and direction, which it would have to learn.
    """
    kinds = goals[..., GoalColumn.KIND : GoalColumn.CARD]
    where = goals[..., [GoalColumn.SEEN, GoalColumn.RIGHT_SHARE, GoalColumn.AHEAD_SHARE, GoalColumn.NEARNESS]]
    products = (kinds[..., :, None] * where[..., None, :]).reshape(*goals.shape[:-1], -1)
    written: FloatArray = np.concatenate([goals, products], -1)
    return written
