"""A game's state as people see it from above: what is around the player, seen along the camera. Pure."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from agent.core.types import GameState, ObjectKind

RANGE_M: Final = 40.0
MAX_ENEMIES: Final = 64
MAX_OBJECTS: Final = 48
MAX_OPTIONS: Final = 12
MAX_CAPTION: Final = 160
ELITE: Final = 0x80
"""The bit of an enemy's kind that says elite or boss."""


def scene(state: GameState) -> dict[str, Any]:
    """Enemies [right m, ahead m, health, elite], objects [right m, ahead m, kind], nearest first; menu and options.

    Without BLX2 the camera is unknown: then ahead is +z, and `yaw_rad` is null.
    """
    yaw = state.scene.camera_yaw_rad if state.scene is not None else 0.0
    turn = np.array([[math.cos(yaw), math.sin(yaw)], [-math.sin(yaw), math.cos(yaw)]])
    here = np.array([state.position[0], state.position[2]])
    found: dict[str, Any] = {
        "time_s": state.game_time_s, "menu": state.current_menu, "is_playing": state.is_playing,
        "is_paused": state.is_paused, "position_m": list(state.position), "velocity_mps": list(state.velocity),
        "yaw_rad": yaw if state.scene is not None else None, "health": state.health, "max_health": state.max_health,
        "options": [text[:MAX_CAPTION] for text in state.level_up_options[:MAX_OPTIONS]],
        "enemies_in_all": len(state.enemies), "range_m": RANGE_M,
    }  # fmt: skip
    rows, near = _nearest(state.enemies[:, (0, 2)], here, turn, MAX_ENEMIES)
    kinds = state.scene.enemy_kinds if state.scene is not None else None
    health = state.enemies[rows, 3].astype(np.float64).round(1).tolist()
    found["enemies"] = [
        [*place, health[k], _is_elite(kinds, i)] for k, (i, place) in enumerate(zip(rows, near, strict=True))
    ]
    found["objects"] = []
    if state.scene is not None:
        rows, near = _nearest(state.scene.object_positions[:, (0, 2)], here, turn, MAX_OBJECTS)
        found["objects"] = [
            [*place, _kind(int(state.scene.object_kinds[i]))] for i, place in zip(rows, near, strict=True)
        ]
    return found


def _is_elite(kinds: Any, row: int) -> bool:
    return bool(kinds is not None and row < len(kinds) and int(kinds[row]) & ELITE)


def _kind(number: int) -> str:
    return ObjectKind(number).name.lower() if number in ObjectKind._value2member_map_ else "other"


def _nearest(places: Any, here: Any, turn: Any, max_rows: int) -> tuple[list[int], list[list[float]]]:
    """Rows of the places within `RANGE_M`, nearest first, and where they are along the camera, to 0.1 m."""
    if not len(places):
        return [], []
    away = (places.astype(np.float64) - here) @ turn
    far = np.hypot(away[:, 0], away[:, 1])
    order = np.argsort(far, kind="stable")[:max_rows]
    rows: list[int] = order[far[order] <= RANGE_M].tolist()
    return rows, away[rows].round(1).tolist()
