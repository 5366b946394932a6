"""States of a game to judge subgoals by."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from agent.core.types import GameState, RunInfo, SceneInfo


def state(
    *, kills: int = 0, level: int = 1, xp: float = 0.0, gold: int = 0, yaw_rad: float = 0.0,
    enemies: tuple[tuple[float, float, bool], ...] = (), objects: tuple[tuple[int, float, float], ...] = (),
    **changes: Any,
) -> GameState:  # fmt: skip
    """A state of play at the origin. enemies: x, z, whether elite; objects: kind, x, z."""
    run = RunInfo(0, 0, (320, 180), (320, 180), True, False, False, level, xp, kills, gold, 0.0, 0.0, 0, 0.0)
    scene = SceneInfo(
        yaw_rad, 0.0, np.array([128 * e[2] for e in enemies], np.uint8), np.array([o[0] for o in objects], np.uint8),
        np.array([(o[1], 0.0, o[2]) for o in objects], np.float32).reshape(-1, 3),
    )  # fmt: skip
    foes = np.array([(e[0], 0.0, e[1], 10.0) for e in enemies], np.float32).reshape(-1, 4)
    plain = GameState(
        (0.0, 0.0, 0.0), (0.0, 0.0, 0.0), 80.0, 100.0, 10.0, True, False, foes, "", (), run=run, scene=scene
    )
    return msgspec.structs.replace(plain, **changes)
