"""What the router pursues: the nearest of what is worth it, kept for a while unless a rival is much better."""

from __future__ import annotations

import math
from typing import Final

import msgspec

from agent.control.arrays import Surroundings
from agent.core.types import GameState, ObjectKind

COMMITMENT_S: Final = 2.5
RIVAL_FACTOR: Final = 1.6
"""While a goal is kept, only one that is so many times better takes its place."""
BOSS_S: Final = 90.0
BOSS_LEVEL: Final = 7
BOSS_LATEST_S: Final = 300.0
"""The boss is called from this level and time on, at the latest then. His health is that of the time of the call."""
_BOSS_HP: Final = 1500.0
"""No other enemy has so much health when the first boss may be called."""
_CHEST_SIGHT_M: Final = 45.0
_SHRINE_SIGHT_M: Final = 70.0
_USE_M: Final = 3.2
_ZONE_M: Final = 3.0
_CHARGE_S: Final = 7.0
"""A shrine that has given nothing after so long beside it needs something else."""
_SAME_M: Final = 1.0
_ELITE: Final = 128


class Goal(msgspec.Struct, frozen=True):
    """A place to go to. value: how good it is now. keep_m: how near is near enough. uses: it takes a press.

    reason: one sentence for people, made of the numbers that decided.
    """

    name: str
    x: float
    z: float
    value: float
    strength: float
    keep_m: float = 0.0
    uses: bool = False
    reason: str = ""


ROAM: Final = Goal("gather", 0.0, 0.0, 0.0, 0.0, reason="nothing better is in sight: gather what enemies leave")


class Pursuit(msgspec.Struct):
    """What one game's player pursues, since when, and what it has learned of the map."""

    goal: Goal = ROAM
    kept_s: float = 0.0
    beside_s: float = 0.0
    chests: int = 0
    called: bool = False
    at_portal: bool = False
    useless: list[tuple[float, float]] = []


def chest_price(bought: int) -> int:
    """Gold for the next chest after so many; `price` of the game's own tables."""
    return round(30.0 * 1.22**bought + 35.0 * bought + 300.0 * max(0, bought - 10) + 550.0 * max(0, bought - 20))


def is_strong_enough(state: GameState) -> bool:
    """Whether the boss may be called."""
    level = state.run.level if state.run is not None else 0
    at_s = state.game_time_s
    return (at_s > BOSS_S and level >= BOSS_LEVEL) or at_s > BOSS_LATEST_S


def pursue(pursuit: Pursuit, state: GameState, around: Surroundings, reach_m: float, elapsed_s: float) -> Goal:
    """The goal from now on; `pursuit` is updated."""
    rivals = list(_candidates(pursuit, state, around, reach_m))
    best = max(rivals, key=lambda goal: goal.value, default=ROAM)
    pursuit.kept_s += elapsed_s
    same = [goal for goal in rivals if _is_same(goal, pursuit.goal)]
    kept = same[0] if same else None
    if kept is not None and (pursuit.kept_s < COMMITMENT_S and best.value < RIVAL_FACTOR * kept.value):
        best = kept
    if kept is None or not _is_same(best, kept):
        pursuit.kept_s = pursuit.beside_s = 0.0
    _notice_what_is_useless(pursuit, best, state, elapsed_s)
    pursuit.goal = msgspec.structs.replace(best, reason=_reason(best, pursuit, state))
    return pursuit.goal


def _is_same(one: Goal, other: Goal) -> bool:
    if one.name != other.name:
        return False
    return one.name == "boss" or math.hypot(one.x - other.x, one.z - other.z) < _SAME_M


def _notice_what_is_useless(pursuit: Pursuit, goal: Goal, state: GameState, elapsed_s: float) -> None:
    """A shrine that one has stood beside for long and that gave nothing is left alone from now on."""
    x, _, z = state.position
    if goal.name == "shrine" and math.hypot(goal.x - x, goal.z - z) < _ZONE_M + 1.0:
        pursuit.beside_s += elapsed_s
        if pursuit.beside_s > _CHARGE_S:
            pursuit.useless.append((goal.x, goal.z))
            pursuit.beside_s = 0.0


def _candidates(pursuit: Pursuit, state: GameState, around: Surroundings, reach_m: float) -> list[Goal]:
    """All that is worth pursuing; those of things on the map say no reason yet, see `_reason`."""
    found = _boss(pursuit, state, around, reach_m)
    x, _, z = state.position
    gold, price = _gold(state), chest_price(pursuit.chests)
    can_call = not pursuit.called and is_strong_enough(state)
    things = (around.object_kinds >= ObjectKind.CHEST).nonzero()[0]
    kinds, places = around.object_kinds[things].tolist(), around.places[things].tolist()
    for kind, (px, _, pz) in zip(kinds, places, strict=True):
        far = math.hypot(px - x, pz - z)
        if kind == ObjectKind.CHEST and gold >= price and far < _CHEST_SIGHT_M:
            found.append(Goal("chest", px, pz, 8.0 / (far + 6.0), 6.0 / (far + 4.0) + 1.5, uses=True))
        elif kind == ObjectKind.SHRINE and far < _SHRINE_SIGHT_M and not pursuit.called:
            if all(math.hypot(px - a, pz - b) > _SAME_M for a, b in pursuit.useless):
                found.append(Goal("shrine", px, pz, 6.0 / (far + 8.0), 3.2 if far < 8.0 else 1.6, keep_m=2.5))
        elif kind == ObjectKind.PORTAL and pursuit.called:
            found.append(Goal("exit", px, pz, 100.0, 12.0, uses=True))
        elif kind == ObjectKind.PORTAL and can_call:
            found.append(Goal("portal", px, pz, 2.0, 10.0, uses=True))
    return found


def _gold(state: GameState) -> int:
    return state.run.gold if state.run is not None else 0


def _reason(goal: Goal, pursuit: Pursuit, state: GameState) -> str:
    """Why this goal, in the numbers that decided. Only of the one that is pursued: a sentence takes time."""
    x, _, z = state.position
    far = math.hypot(goal.x - x, goal.z - z)
    if goal.name == "chest":
        return f"a chest {far:.0f} m away costs {chest_price(pursuit.chests)} of {_gold(state)} gold"
    if goal.name == "shrine":
        return f"a shrine {far:.0f} m away gives a stat"
    if goal.name == "exit":
        return f"the way out is open, {far:.0f} m away"
    if goal.name == "portal":
        level = state.run.level if state.run is not None else 0
        return f"level {level} after {state.game_time_s:.0f} s is enough to call the boss, {far:.0f} m away"
    return goal.reason


def _boss(pursuit: Pursuit, state: GameState, around: Surroundings, reach_m: float) -> list[Goal]:
    """The boss, once he was called: the strong enemy with the most health."""
    if not pursuit.called or len(around.enemy_kinds) != len(around.enemies):
        return []
    strong = (around.enemy_kinds >= _ELITE).nonzero()[0]
    if len(strong) == 0:
        return []
    i = int(strong[around.enemies[strong, 3].argmax()])
    if around.enemies[i, 3] < _BOSS_HP:
        return []
    x, _, z = state.position
    far = math.hypot(float(around.enemies[i, 0]) - x, float(around.enemies[i, 2]) - z)
    near_m = min(7.0, reach_m + 2.0)
    why = f"the boss has {around.enemies[i, 3]:.0f} health left, {far:.0f} m away: stay within {near_m:.1f} m of him"
    place = float(around.enemies[i, 0]), float(around.enemies[i, 2])
    return [Goal("boss", *place, 10.0, 3.0, keep_m=near_m, reason=why)]


def in_use_range(goal: Goal, state: GameState) -> bool:
    """Whether a press of interact now would use the goal."""
    x, _, z = state.position
    return goal.uses and math.hypot(goal.x - x, goal.z - z) < _USE_M


def noticed(pursuit: Pursuit, state: GameState, around: Surroundings) -> None:
    """A portal that was used is gone: the boss was called, or the next stage has begun."""
    goal = pursuit.goal
    if goal.name not in ("portal", "exit") or not (pursuit.at_portal or in_use_range(goal, state)):
        return
    pursuit.at_portal = True
    portals = around.places[around.object_kinds == ObjectKind.PORTAL]
    if any(math.hypot(float(p[0]) - goal.x, float(p[2]) - goal.z) < _SAME_M for p in portals):
        return
    pursuit.called, pursuit.at_portal, pursuit.goal = goal.name == "portal", False, ROAM
    if not pursuit.called:
        pursuit.useless = []
