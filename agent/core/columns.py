"""Names of the columns of arrays that several rooms read; numba compiles them as numbers."""

from __future__ import annotations

from enum import IntEnum
from typing import Final

ENEMY_TOKENS: Final = 48
"""Tokens before the first object's."""


class EnemyColumn(IntEnum):
    """Columns of `GameState.enemies`."""

    X = 0
    Y = 1
    Z = 2
    HEALTH = 3


class SelfColumn(IntEnum):
    """Columns of the player's and the run's features; one name stands for the first of several."""

    RIGHT_SPEED = 0
    AHEAD_SPEED = 1
    UP_SPEED = 2
    HEALTH = 3
    MAX_HEALTH = 4
    TIME = 5
    LEVEL = 6
    XP = 7
    KILLS = 8
    GOLD = 9
    ENEMIES = 10
    ROOM = 11
    """Four: free ground ahead, right, behind, left of the camera."""
    PITCH = 15
    PLAYING = 16
    """The first of eleven, one-hot: play, then the menus in the order of `control.encode`."""
    IN_LEVEL_UP = 21
    IN_ENCOUNTER = 23
    ELAPSED = 27
    LAST_AXES = 28
    """Four."""
    LAST_BUTTONS = 32
    """Three."""
    ONE = 35


class TokenColumn(IntEnum):
    """Columns of the features of one enemy or object."""

    RIGHT = 0
    AHEAD = 1
    UP = 2
    RIGHT_SHARE = 3
    AHEAD_SHARE = 4
    NEARNESS = 5
    HEALTH = 6
    ENEMY = 7
    ELITE = 8
    DROP = 9
    """XP or gold."""
    HEALTH_DROP = 10
    PLACE = 11
    """A chest, a shrine or the portal."""


class RingColumn(IntEnum):
    """Columns of one sector around the player; an object of kind k counts in column STRONG + k."""

    NEAR = 0
    MIDDLE = 1
    FAR = 2
    STRONG = 3
