"""Arrays of a game state in the one form that compiled code is made for.

numba compiles anew for each combination of writable and read-only arguments; with all of them read-only there is one.
"""

from __future__ import annotations

from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from agent.core.types import ByteArray, FloatArray, GameState

T = TypeVar("T", bound=np.generic)


def read_only(array: NDArray[T]) -> NDArray[T]:
    """The same values, not to be written to."""
    if array.flags.writeable:
        array = array.view()
        array.flags.writeable = False
    return array


class Surroundings(NamedTuple):
    """Enemies f32 [n, 4], their kinds u8 [n] or [0], objects' kinds u8 [m] and places f32 [m, 3]; all read-only."""

    enemies: FloatArray
    enemy_kinds: ByteArray
    object_kinds: ByteArray
    places: FloatArray


NO_ENEMIES: FloatArray = read_only(np.zeros((0, 4), np.float32))
_NO_KINDS: ByteArray = read_only(np.zeros(0, np.uint8))
_NO_PLACES: FloatArray = read_only(np.zeros((0, 3), np.float32))


def surroundings(state: GameState) -> Surroundings:
    """What lies around; empty where the state has no BLX2."""
    scene = state.scene
    if scene is None:
        return Surroundings(read_only(state.enemies), _NO_KINDS, _NO_KINDS, _NO_PLACES)
    return Surroundings(
        read_only(state.enemies),
        read_only(scene.enemy_kinds),
        read_only(scene.object_kinds),
        read_only(scene.object_positions),
    )


STILL = GameState((0.0, 0.0, 0.0), (0.0, 0.0, 0.0), 1.0, 1.0, 0.0, True, False, NO_ENEMIES, "", ())
"""A state of play in which there is nothing, to warm up with."""
