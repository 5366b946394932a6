"""States of play for tests of scripted players."""

from __future__ import annotations

import msgspec
import numpy as np

from agent.control.arrays import STILL
from agent.core.types import GameState, ObjectKind, RunInfo, SceneInfo

RUN = RunInfo(0, 0, (320, 180), (320, 180), True, False, False, 20, 0.0, 0, 0, 0.0, 0.0, 1, 0.0)


def shown(
    objects: list[tuple[ObjectKind, float, float]] = [],  # noqa: B006 - not changed
    enemies: list[tuple[float, float, float]] = [],  # noqa: B006 - not changed
    *,
    strong: bool = False,
    time_s: float = 100.0,
    gold: int = 0,
    dealt: float = 0.0,
) -> GameState:
    """A state at the map's middle: objects and enemies by x and z, enemies with health."""
    foes = np.array([[x, 0.0, z, hp] for x, z, hp in enemies], np.float32).reshape(-1, 4)
    places = np.array([[x, 0.0, z] for _, x, z in objects], np.float32).reshape(-1, 3)
    kinds = np.array([kind for kind, _, _ in objects], np.uint8)
    scene = SceneInfo(0.0, 0.0, np.full(len(foes), 128 if strong else 0, np.uint8), kinds, places)
    run = msgspec.structs.replace(RUN, gold=gold, damage_dealt=dealt)
    return msgspec.structs.replace(
        STILL, enemies=foes, scene=scene, run=run, game_time_s=time_s, health=100.0, max_health=100.0
    )
