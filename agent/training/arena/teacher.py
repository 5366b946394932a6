"""A scripted teacher for the first lessons of a pilot in the arena.

Reads the world's record, more than a player sees, and is never served. Slides all the time, keeps away from what
hits hard, stays within the weapons' reach, gathers, opens chests that it can pay, charges shrines, calls the boss when
it is strong and stays near him: a dead boss opens the exit, and the last exit is a win. Cards: see `worth`.
"""

from __future__ import annotations

import math
from typing import Any, Final, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from agent.core.types import FloatArray
from agent.games.arena import state as layout
from agent.games.arena import stats as st
from agent.games.arena.foes import BOSS, damage_factor
from agent.training.arena.batch import ArenaBatch
from agent.training.arena.worth import WEIGHTS, Weights, best_card, reach_m

_DIRECTIONS: Final = 24
_ANGLES = np.arange(_DIRECTIONS) * (2 * math.pi / _DIRECTIONS)
_SIN, _COS = np.sin(_ANGLES), np.cos(_ANGLES)
_TIMES_S = np.array([0.15, 0.4, 0.9])
_ENGAGE_AT: Final = 1
"""Which of the times says who will be in reach."""
_EDGE_M: Final = 82.0
_FEAR_M: Final = 14.0
_SLIDE: Final = 1.45
_SHORT_M, _LONG_M = 4.0, 9.0
"""Weapons of less reach are short, of more are long: with those nobody needs to go near."""


class Knobs(NamedTuple):
    """How the script weighs things; those without a unit are relative to each other.

    The boss is called after `boss_s` of the run from level `boss_level` on, and after `boss_latest_s` of the stage in
    any case; `hunt` draws to him from farther than `hunt_m` or than the weapons reach. spread: how many directions
    share in the heading; inertia: of the heading before; engage: of enemies in reach, where weapons are short; charge:
    of a shrine that is near, added to `shrine`; drops count within `sight_m`; shrines within `shrine_m`, and where
    `greed` is not 0, those of greed as well; gold: of dropped gold, against XP;
    wait: of the nearest chest, whether it can be paid or not.
    """

    boss_s: float = 60.0
    boss_level: float = 5.0
    boss_latest_s: float = 360.0
    hunt: float = 3.0
    hunt_m: float = 7.0
    fear: float = 1.3
    engage: float = 1.0
    gather: float = 2.0
    sight_m: float = 25.0
    chests: float = 1.0
    portal: float = 10.0
    shrine: float = 1.2
    charge: float = 2.0
    shrine_m: float = 70.0
    greed: float = 0.0
    gold: float = 0.5
    pots: float = 1.0
    wait: float = 0.0
    spread: float = 0.25
    inertia: float = 0.6


KNOBS: Final = Knobs()


class Teacher:
    """The script for a whole batch; what it does depends on the runs alone."""

    def __init__(self, knobs: Knobs = KNOBS, weights: Weights = WEIGHTS) -> None:
        self.knobs, self.weights = knobs, weights

    def act(self, batch: ArenaBatch) -> tuple[FloatArray, NDArray[np.int32], NDArray[np.int32]]:
        """Axes [N, 4], buttons [N, 3] and cards [N]."""
        axes = np.zeros((batch.count, 4), np.float32)
        buttons = np.zeros((batch.count, 3), np.int32)
        cards = np.zeros(batch.count, np.int32)
        act_all(
            batch.records, batch.worlds.catalog.rules, batch.axes, batch.buttons, batch.choosing, axes, buttons, cards,
            self.knobs, self.weights,
        )  # fmt: skip
        return axes, buttons, cards


@njit(cache=True)
def act_all(
    worlds: Any, rules: Any, last: Any, held: Any, choosing: Any, axes: Any, buttons: Any, cards: Any, knobs: Knobs,
    weights: Weights,
) -> None:  # fmt: skip
    """Axes [N, 4], buttons [N, 3] and cards [N] of all worlds [N]; last [N, 4] and held [N, 3] are those before."""
    for w in range(worlds.shape[0]):
        s = worlds[w]
        if choosing[w]:
            cards[w] = best_card(s, rules, weights)
        if s.phase != layout.PLAY:
            continue
        angle = _heading(s, rules, s.yaw + math.atan2(last[w, 0], last[w, 1]), knobs)
        relative = angle - s.yaw
        axes[w, 0], axes[w, 1] = math.sin(relative), math.cos(relative)
        axes[w, 2] = max(-0.4, min(0.4, math.sin(relative) * 0.5))
        buttons[w, 1] = 1 - held[w, 1]
        buttons[w, 2] = 1 - held[w, 2] if _useful(s, knobs) else 0


@njit(cache=True)
def _strong_enough(s: Any, knobs: Knobs) -> bool:
    return bool((s.time_s > knobs.boss_s and s.level >= knobs.boss_level) or s.stage_s > knobs.boss_latest_s)


@njit(cache=True)
def _useful(s: Any, knobs: Knobs) -> bool:
    """True where interact would use something wanted."""
    i = s.near_thing
    if i < 0:
        return False
    kind = s.thing_kind[i]
    if kind == layout.THING_CHEST:
        return bool(knobs.chests > 0.0 and s.gold >= st.chest_price(s.chests_bought))
    if kind == layout.THING_PORTAL:
        return _strong_enough(s, knobs)
    return bool(kind == layout.THING_EXIT or (kind == layout.THING_GREED and knobs.greed > 0.0))


@njit(cache=True)
def _heading(s: Any, rules: Any, before: float, knobs: Knobs) -> float:
    """The world angle to walk along: near the best of a ring of directions, drawn to the good ones beside it."""
    speed = rules.player[0] * s.stats[st.MOVE_SPEED] * _SLIDE
    score = knobs.inertia * np.cos(_ANGLES - before)
    reach = reach_m(s, rules)
    short = max(0.0, min(1.0, (_LONG_M - reach) / (_LONG_M - _SHORT_M)))
    _avoid(s, rules, score, speed, reach, short, knobs)
    _want(s, rules, score, reach, knobs)
    for k in range(_DIRECTIONS):
        x, z = s.x + _SIN[k] * speed * 0.7, s.z + _COS[k] * speed * 0.7
        score[k] -= 1.5 * (max(abs(x) - _EDGE_M, 0.0) + max(abs(z) - _EDGE_M, 0.0))
    share = np.exp((score - score.max()) / knobs.spread)
    return math.atan2((share * _SIN).sum(), (share * _COS).sum())


@njit(cache=True)
def _avoid(s: Any, rules: Any, score: Any, speed: float, reach: float, short: float, knobs: Knobs) -> None:
    """Lower the directions that lead to where enemies will be; with short weapons, raise those that keep them near."""
    harm = damage_factor(s, rules) * (1.0 - st.shown_armor(s.stats[st.ARMOR]))
    harm *= (1.0 - st.shown_evasion(s.stats[st.EVASION])) / max(s.hp + s.shield, 1.0)
    within = np.zeros(_DIRECTIONS)
    nearest, best = -1, np.inf
    for i in range(s.foes):
        dx, dz = s.foe_x[i] - s.x, s.foe_z[i] - s.z
        far = math.sqrt(dx * dx + dz * dz) + 1e-3
        if far < best:
            nearest, best = i, far
        if far > _FEAR_M:
            continue
        kind = s.foe_kind[i]
        elite = s.foe_elite[i] != 0
        touch = rules.foes[kind, 5] * (1.5 if elite else 1.0) + 0.5
        blow = min(rules.foes[kind, 1] * harm * (1.3 if elite else 1.0), 1.0)
        weight = (0.8 + 10.0 * blow) * knobs.fear
        chase = rules.foe_speed[kind] * (1.0 + min(s.swarm_s * 0.006, 5.0)) * (0.4 if s.foe_slow_s[i] > 0 else 1.0)
        room = reach + rules.foes[kind, 5]
        for t in range(_TIMES_S.shape[0]):
            ahead, gone = speed * _TIMES_S[t], min(chase * _TIMES_S[t], far)
            ex, ez = dx - dx / far * gone, dz - dz / far * gone
            for k in range(_DIRECTIONS):
                px, pz = _SIN[k] * ahead - ex, _COS[k] * ahead - ez
                d = math.sqrt(px * px + pz * pz)
                score[k] -= weight * math.exp(-max(d - touch, 0.0) / (0.9 + 0.9 * _TIMES_S[t]))
                if t == _ENGAGE_AT and short > 0.0:
                    within[k] += 1.0 / (1.0 + math.exp(min((d - 0.85 * room) * 6.0 / room, 20.0)))
    if short > 0.0:
        score += 4.0 * knobs.engage * short * np.sqrt(within)
        if nearest >= 0 and best > reach:
            _pull(score, s.foe_x[nearest] - s.x, s.foe_z[nearest] - s.z, 1.5 * knobs.engage * short)


@njit(cache=True)
def _pull(score: Any, dx: float, dz: float, strength: float) -> None:
    d = math.sqrt(dx * dx + dz * dz) + 0.1
    for k in range(_DIRECTIONS):
        score[k] += strength * max((_SIN[k] * dx + _COS[k] * dz) / d, 0.0)


@njit(cache=True)
def _hunt(s: Any, rules: Any, score: Any, reach: float, knobs: Knobs) -> None:
    """Stay near the boss: weapons hit what is near, and the final swarm comes for those who wait."""
    for i in range(s.foes):
        if rules.foe_role[s.foe_kind[i]] == BOSS:
            dx, dz = s.foe_x[i] - s.x, s.foe_z[i] - s.z
            near_m = min(knobs.hunt_m, 0.8 * reach + rules.foes[s.foe_kind[i], 5])
            if dx * dx + dz * dz > near_m * near_m:
                _pull(score, dx, dz, knobs.hunt)


@njit(cache=True)
def _want(s: Any, rules: Any, score: Any, reach: float, knobs: Knobs) -> None:
    """Add what draws the player: drops, the boss, and things on the map."""
    hurt = 1.0 - s.hp / max(s.stats[st.MAX_HP], 1.0)
    for i in range(s.drops):
        dx, dz = s.drop_x[i] - s.x, s.drop_z[i] - s.z
        d = math.sqrt(dx * dx + dz * dz) + 0.1
        if d > knobs.sight_m:
            continue
        worth = 1.0 if s.drop_kind[i] == layout.DROP_XP else knobs.gold
        if s.drop_kind[i] == layout.DROP_HEALTH:
            worth = 3.0 * (0.3 + 2.0 * hurt)
        _pull(score, dx, dz, 2.0 * knobs.gather * worth / (d + 3.0))
    if s.boss_state == 1:
        _hunt(s, rules, score, reach, knobs)
    _want_things(s, score, knobs)


@njit(cache=True)
def _want_things(s: Any, score: Any, knobs: Knobs) -> None:
    """Add chests that can be paid, the nearest shrine, pots, the portal when strong, and the exit."""
    price = st.chest_price(s.chests_bought)
    near, best = -1, knobs.shrine_m
    for i in range(s.things):
        if s.thing_used[i]:
            continue
        dx, dz = s.thing_x[i] - s.x, s.thing_z[i] - s.z
        d, kind = math.sqrt(dx * dx + dz * dz) + 0.1, s.thing_kind[i]
        if kind == layout.THING_EXIT:
            _pull(score, dx, dz, 12.0)
        elif kind == layout.THING_PORTAL and s.boss_state == 0 and _strong_enough(s, knobs):
            _pull(score, dx, dz, knobs.portal)
        elif s.boss_state == 0 and (kind == layout.THING_SHRINE or (kind == layout.THING_GREED and knobs.greed > 0.0)):
            if d < best:
                near, best = i, d
        elif kind == layout.THING_CHEST and knobs.chests > 0.0 and knobs.wait == 0.0 and s.gold >= price and d < 45.0:
            _pull(score, dx, dz, 6.0 * knobs.chests / (d + 4.0) + 0.4)
        elif kind == layout.THING_POT and d < 25.0:
            _pull(score, dx, dz, 3.0 * knobs.pots / (d + 3.0))
    if knobs.wait > 0.0:
        _want_a_chest(s, score, knobs)
    if near >= 0:
        dx, dz = s.thing_x[near] - s.x, s.thing_z[near] - s.z
        if best > 2.5:
            _pull(score, dx, dz, knobs.shrine + (knobs.charge if best < 8.0 else 0.0))


@njit(cache=True)
def _want_a_chest(s: Any, score: Any, knobs: Knobs) -> None:
    """Add the nearest chest: who waits beside it buys it as soon as there is gold."""
    nearest, best = -1, np.inf
    for i in range(s.things):
        if s.thing_kind[i] == layout.THING_CHEST and not s.thing_used[i]:
            d = math.sqrt((s.thing_x[i] - s.x) ** 2 + (s.thing_z[i] - s.z) ** 2)
            if d < best:
                nearest, best = i, d
    if nearest >= 0 and best > 2.0:
        _pull(score, s.thing_x[nearest] - s.x, s.thing_z[nearest] - s.z, knobs.wait)
