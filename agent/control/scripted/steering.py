"""The direction to walk along: away from enemies, along the way to a goal, and within the weapons' reach; compiled."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numba import njit

from agent.core.types import ByteArray, FloatArray, ObjectKind

DIRECTIONS: Final = 24
ANGLES = np.arange(DIRECTIONS) * (2 * math.pi / DIRECTIONS)
_SIN, _COS = np.sin(ANGLES), np.cos(ANGLES)
_TIMES_S = np.array([0.15, 0.4, 0.9])
SPEED_M_S: Final = 10.0
"""A slide's, with the pauses between two."""
_CHASE_M_S: Final = 5.5
_FEAR_M: Final = 14.0
_TOUCH_M: Final = 1.15
_TOUCH_STRONG_M: Final = 2.6
_BLOW_HP: Final = 15.0
"""What an enemy's blow takes at the start of a run."""
_STRONG: Final = 2.7
"""So many times as hard hit the strong ones."""
_BLOW_PER_MIN: Final = 0.07
_SHORT_M: Final = 9.0
_SIGHT_M: Final = 25.0
_EDGE_M: Final = 82.0
_SPREAD: Final = 0.25
_XP, _GOLD, _HEALTH = int(ObjectKind.XP), int(ObjectKind.GOLD), int(ObjectKind.HEALTH)


@njit(cache=True)
def _pull(score: FloatArray, dx: float, dz: float, strength: float) -> None:
    """Raise the directions that lead to a place."""
    far = math.sqrt(dx * dx + dz * dz) + 0.1
    for k in range(DIRECTIONS):
        score[k] += strength * max((_SIN[k] * dx + _COS[k] * dz) / far, 0.0)


@njit(cache=True)
def heading(
    before: float,
    x: float,
    z: float,
    enemies: FloatArray,
    enemy_kinds: ByteArray,
    object_kinds: ByteArray,
    places: FloatArray,
    goal: tuple[float, float, float],
    keep_m: float,
    health: float,
    hurt: float,
    minute: float,
) -> float:
    """The world angle to walk along, 0 along +z: between the best of a ring of directions.

    before: the angle until now. goal: where to go, m from the player, and how strongly. keep_m: the distance to keep
    to enemies. health: points left; hurt: the share that is lost.
    """
    score = 0.6 * np.cos(ANGLES - before)
    near = _avoid(score, x, z, enemies, enemy_kinds, keep_m, max(health, 1.0), minute)
    if keep_m < _SHORT_M and near >= 0:
        dx, dz = enemies[near, 0] - x, enemies[near, 2] - z
        if dx * dx + dz * dz > keep_m * keep_m:
            _pull(score, dx, dz, 1.5 * (1.0 - keep_m / _SHORT_M))
    for i in range(len(object_kinds)):
        kind = object_kinds[i]
        if kind != _XP and kind != _GOLD and kind != _HEALTH:
            continue
        dx, dz = places[i, 0] - x, places[i, 2] - z
        far = math.sqrt(dx * dx + dz * dz)
        if far < _SIGHT_M:
            worth = 1.0 if kind == _XP else 0.5 if kind == _GOLD else 3.0 * (0.3 + 2.0 * hurt)
            _pull(score, dx, dz, 4.0 * worth / (far + 3.0))
    if goal[2] > 0.0:
        _pull(score, goal[0], goal[1], goal[2])
    for k in range(DIRECTIONS):
        px, pz = x + _SIN[k] * SPEED_M_S * 0.7, z + _COS[k] * SPEED_M_S * 0.7
        score[k] -= 1.5 * (max(abs(px) - _EDGE_M, 0.0) + max(abs(pz) - _EDGE_M, 0.0))
    share = np.exp((score - score.max()) / _SPREAD)
    return math.atan2((share * _SIN).sum(), (share * _COS).sum())


@njit(cache=True)
def _avoid(
    score: FloatArray,
    x: float,
    z: float,
    enemies: FloatArray,
    kinds: ByteArray,
    keep_m: float,
    health: float,
    minute: float,
) -> int:
    """Lower the directions that lead to where enemies will be; the nearest enemy's index, −1 for none.

    With weapons of short reach, directions that keep enemies within it are raised.
    """
    short = max(0.0, min(1.0, (_SHORT_M - keep_m) / 5.0))
    within = np.zeros(DIRECTIONS)
    nearest, found = np.inf, -1
    for i in range(len(enemies)):
        dx, dz = enemies[i, 0] - x, enemies[i, 2] - z
        far = math.sqrt(dx * dx + dz * dz) + 1e-3
        if far < nearest:
            nearest, found = far, i
        if far > _FEAR_M:
            continue
        strong = i < len(kinds) and kinds[i] >= 128
        touch = _TOUCH_STRONG_M if strong else _TOUCH_M
        blow = _BLOW_HP * (_STRONG if strong else 1.0) * (1.0 + _BLOW_PER_MIN * minute) / health
        weight = 1.3 * (0.8 + 10.0 * min(blow, 1.0))
        for t in range(_TIMES_S.shape[0]):
            ahead, gone = SPEED_M_S * _TIMES_S[t], min(_CHASE_M_S * _TIMES_S[t], far)
            ex, ez = dx - dx / far * gone, dz - dz / far * gone
            for k in range(DIRECTIONS):
                px, pz = _SIN[k] * ahead - ex, _COS[k] * ahead - ez
                apart = math.sqrt(px * px + pz * pz)
                score[k] -= weight * math.exp(-max(apart - touch, 0.0) / (0.9 + 0.9 * _TIMES_S[t]))
                if t == 1 and short > 0.0:
                    room = keep_m + 0.7
                    within[k] += 1.0 / (1.0 + math.exp(min((apart - room) * 6.0 / room, 20.0)))
    if short > 0.0:
        score += 4.0 * short * np.sqrt(within)
    return found
