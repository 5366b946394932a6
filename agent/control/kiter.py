"""A scripted player: keeps away from enemies, gathers what they leave, uses what is near, takes sensible cards.

Reads the state alone. Weighs a ring of directions by where each leads half a second ahead.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np
from numba import njit

from agent.control import menus
from agent.control.arrays import STILL, surroundings
from agent.core.types import Action, ByteArray, FloatArray, GameState, Menu, ObjectKind, Observation

_DIRECTIONS: Final = 24
_ANGLES = np.arange(_DIRECTIONS) * (2 * math.pi / _DIRECTIONS)
_RING = np.stack([np.sin(_ANGLES), np.cos(_ANGLES)], axis=1)
_AHEAD_M: Final = 3.5
_FEAR_M: Final = 9.0
_MAP_EDGE_M: Final = 80.0
_PREFERENCES: Final = (
    ("quantity", 9.0), ("damage tome", 8.5), ("cooldown", 8.0), ("bow", 6.5), ("lightning", 6.5), ("aura", 6.0),
    ("bananarang", 6.0), ("rocket", 6.0), ("frostwalker", 5.5), ("chunkers", 5.5), ("axe", 5.0), ("firestaff", 5.0),
    ("size", 5.0), ("xp tome", 5.5), ("agility", 5.5), ("count", 5.5), ("damage", 5.0), ("precision", 4.5),
    ("health tome", 4.5), ("armor", 4.5), ("regen", 4.0), ("shield", 4.0), ("evasion", 4.0), ("bloody", 4.0),
    ("cursed", -5.0), ("difficulty", -5.0),
)  # fmt: skip
_RARITIES: Final = (("legendary", 3.0), ("epic", 2.0), ("rare", 1.2), ("uncommon", 0.5), ("(new)", 1.5))
_CHEST, _SHRINE, _PORTAL = int(ObjectKind.CHEST), int(ObjectKind.SHRINE), int(ObjectKind.PORTAL)
_HEALTH: Final = int(ObjectKind.HEALTH)
_WORTH = np.zeros(16)
_WORTH[[int(ObjectKind.XP), int(ObjectKind.GOLD), _HEALTH, _CHEST, _SHRINE]] = 1.0, 0.5, 3.0, 2.0, 1.5
_RICH: Final = 60
_SIGHT_M: Final = 25.0


def card_value(caption: str) -> float:
    """How much the kiter wants a card, by its caption."""
    text = caption.lower()
    base = max((value for word, value in _PREFERENCES if word in text), default=3.0)
    if any(word in text and value < 0 for word, value in _PREFERENCES):
        base = -5.0
    return base + max((value for word, value in _RARITIES if word in text), default=0.0)


class _Carry(msgspec.Struct):
    menu: menus.MenuCarry
    heading: float = 0.0
    used_s: float = 0.0


class Kiter:
    """The scripted player as a policy."""

    name = "kiter"

    def warm_up(self) -> None:
        """Compile what weighs the directions."""
        around = surroundings(STILL)
        _best_direction(0.0, 0.0, 0.0, around.enemies, around.object_kinds, around.places, 0.0, False)
        _nearest_use(around.object_kinds, around.places, 0.0, 0.0)

    def initial(self, games: int) -> list[_Carry]:
        """No memory but the heading and the menu."""
        return [_Carry(menus.MenuCarry()) for _ in range(games)]

    def step(
        self, carry: list[_Carry], observations: Sequence[Observation | None]
    ) -> tuple[list[_Carry], list[Action | None]]:
        """One action for each observation."""
        return carry, [None if o is None else _act(c, o) for c, o in zip(carry, observations, strict=True)]


def _act(carry: _Carry, observation: Observation) -> Action:
    state = observation.state
    if menus.in_menu(state):
        choice = 0
        if state.current_menu in (Menu.LEVEL_UP, Menu.ENCOUNTER) and state.level_up_options:
            choice = int(np.argmax([card_value(option) for option in state.level_up_options]))
        carry.menu, action = menus.step(carry.menu, state, choice)
        return msgspec.structs.replace(action, answers=observation.sequence)
    carry.menu = menus.MenuCarry()
    yaw = state.scene.camera_yaw_rad if state.scene is not None else 0.0
    heading = _heading(state, carry.heading)
    carry.heading = heading
    carry.used_s += observation.elapsed_s
    interact = carry.used_s > 0.25 and _useful(state)
    if carry.used_s > 0.5:
        carry.used_s = 0.0
    relative = heading - yaw
    return Action(
        move=(math.sin(relative), math.cos(relative)),
        look=(max(-0.4, min(0.4, math.sin(relative) * 0.5)), 0.0),
        interact=interact,
        answers=observation.sequence,
    )


def _useful(state: GameState) -> bool:
    """True where the nearest thing to interact with is a chest or a shrine: portals call bosses."""
    if state.scene is None:
        return True
    around = surroundings(state)
    x, _, z = state.position
    return bool(_nearest_use(around.object_kinds, around.places, x, z))


def _heading(state: GameState, before: float) -> float:
    """World angle to walk along (0 is +z, positive to +x), the best of a ring of directions."""
    around = surroundings(state)
    hurt = 1.0 - state.health / max(state.max_health, 1.0)
    gold = state.run.gold if state.run is not None else 0
    x, _, z = state.position
    best = _best_direction(before, x, z, around.enemies, around.object_kinds, around.places, hurt, gold > _RICH)
    return float(_ANGLES[best])


@njit(cache=True)
def _nearest_use(kinds: ByteArray, positions: FloatArray, x: float, z: float) -> bool:
    """True where the nearest of chests, shrines and portals is not a portal."""
    best, found = np.inf, _PORTAL
    for i in range(len(kinds)):
        if kinds[i] == _CHEST or kinds[i] == _SHRINE or kinds[i] == _PORTAL:
            d2 = (positions[i, 0] - x) ** 2 + (positions[i, 2] - z) ** 2
            if d2 < best:
                best, found = d2, kinds[i]
    return found != _PORTAL


@njit(cache=True)
def _best_direction(
    before: float,
    x: float,
    z: float,
    enemies: FloatArray,
    kinds: ByteArray,
    positions: FloatArray,
    hurt: float,
    rich: bool,
) -> int:
    """Index of the best direction: away from enemies, the near ones counting most, towards what is worth having."""
    score = 0.35 * np.cos(_ANGLES - before)
    ahead_x, ahead_z = x + _RING[:, 0] * _AHEAD_M, z + _RING[:, 1] * _AHEAD_M
    for i in range(len(enemies)):
        ex, ez = enemies[i, 0], enemies[i, 2]
        if abs(ex - x) >= _FEAR_M + _AHEAD_M or abs(ez - z) >= _FEAR_M + _AHEAD_M:
            continue
        for k in range(_DIRECTIONS):
            end = math.sqrt((ahead_x[k] - ex) ** 2 + (ahead_z[k] - ez) ** 2)
            middle = math.sqrt(((ahead_x[k] + x) / 2 - ex) ** 2 + ((ahead_z[k] + z) / 2 - ez) ** 2)
            score[k] -= math.exp(-end / 2.2) * 3.0 + math.exp(-middle / 1.3) * 6.0
    for i in range(len(kinds)):
        worth = _WORTH[kinds[i]] if kinds[i] < len(_WORTH) else 0.0
        if kinds[i] == _HEALTH:
            worth *= 1.0 + 2.0 * hurt
        elif kinds[i] == _CHEST and not rich:
            worth = 0.0
        if worth == 0.0:
            continue
        dx, dz = positions[i, 0] - x, positions[i, 2] - z
        distance = math.sqrt(dx * dx + dz * dz) + 0.1
        if distance > _SIGHT_M:
            continue
        pull = 2.0 * worth / (distance + 3.0) / distance
        for k in range(_DIRECTIONS):
            score[k] += max(_RING[k, 0] * dx + _RING[k, 1] * dz, 0.0) * pull
    for k in range(_DIRECTIONS):
        outside = max(abs(ahead_x[k]) - _MAP_EDGE_M, 0.0) + max(abs(ahead_z[k]) - _MAP_EDGE_M, 0.0)
        score[k] -= outside * 1.5
    return int(np.argmax(score))
