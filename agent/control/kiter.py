"""A scripted player: keeps away from enemies, gathers what they leave, uses what is near, takes sensible cards.

Reads the state alone. Weighs a ring of directions by where each leads half a second ahead.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from agent.control import menus
from agent.core.types import Action, FloatArray, GameState, Menu, ObjectKind, Observation

F64 = NDArray[np.float64]
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
_INTERACTABLE: Final = (ObjectKind.CHEST, ObjectKind.SHRINE, ObjectKind.PORTAL)
_VALUE: Final = {ObjectKind.XP: 1.0, ObjectKind.GOLD: 0.5, ObjectKind.HEALTH: 3.0}


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
        """Nothing is slow here."""

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
    scene = state.scene
    if scene is None:
        return True
    things = np.flatnonzero(np.isin(scene.object_kinds, _INTERACTABLE))
    if not len(things):
        return False
    offsets = scene.object_positions[things] - np.array(state.position, np.float32)
    nearest = things[int(np.argmin((offsets[:, [0, 2]] ** 2).sum(axis=1)))]
    return int(scene.object_kinds[nearest]) != ObjectKind.PORTAL


def _heading(state: GameState, before: float) -> float:
    """World angle to walk along (0 is +z, positive to +x), the best of a ring of directions."""
    here = np.array([state.position[0], state.position[2]])
    score = 0.35 * np.cos(_ANGLES - before)
    ahead = here + _RING * _AHEAD_M
    score -= _danger(here, ahead, state.enemies)
    score += _gain(here, state)
    outside = np.maximum(np.abs(ahead) - _MAP_EDGE_M, 0.0).sum(axis=1)
    score -= outside * 1.5
    return float(_ANGLES[int(np.argmax(score))])


def _danger(here: F64, ahead: F64, enemies: FloatArray) -> F64:
    """How near each direction leads to enemies, the near ones counting most."""
    if not len(enemies):
        return np.zeros(len(ahead))
    positions = enemies[:, [0, 2]].astype(np.float64)
    near = positions[np.abs(positions - here).max(axis=1) < _FEAR_M + _AHEAD_M]
    if not len(near):
        return np.zeros(len(ahead))
    end = np.linalg.norm(ahead[:, None] - near, axis=2)
    middle = np.linalg.norm((ahead[:, None] + here) / 2 - near, axis=2)
    return np.asarray((np.exp(-end / 2.2) * 3.0 + np.exp(-middle / 1.3) * 6.0).sum(axis=1))


def _gain(here: F64, state: GameState) -> F64:
    """How well each direction leads to things worth having."""
    gain = np.zeros(_DIRECTIONS)
    scene = state.scene
    if scene is None or not len(scene.object_kinds):
        return gain
    offsets = scene.object_positions[:, [0, 2]].astype(np.float64) - here
    distance = np.linalg.norm(offsets, axis=1) + 0.1
    hurt = 1.0 - state.health / max(state.max_health, 1.0)
    worth = np.zeros(len(distance))
    kinds = scene.object_kinds
    for kind, value in _VALUE.items():
        worth[kinds == kind] = value * (1.0 + 2.0 * hurt if kind == ObjectKind.HEALTH else 1.0)
    gold = state.run.gold if state.run is not None else 0
    worth[kinds == ObjectKind.CHEST] = 2.0 if gold > 60 else 0.0
    worth[kinds == ObjectKind.SHRINE] = 1.5
    pull = worth / (distance + 3.0)
    chosen = np.argsort(-pull)[:24]
    toward = offsets[chosen] / distance[chosen, None]
    return np.asarray((_RING @ toward.T).clip(0.0) @ pull[chosen] * 2.0)
