"""A scripted teacher for the first lessons of a pilot in the arena.

Reads the world's record, more than a player sees, and is never served. Slides all the time, keeps away from what
hits hard, gathers, opens chests that it can pay, charges shrines while it is quiet, calls the boss when it is strong
and stays near him: a dead boss opens the exit, and the exit is a win.
"""

from __future__ import annotations

import math
from typing import Any, Final, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from agent.control.kiter import card_value
from agent.core.types import FloatArray
from agent.games.arena import state as layout
from agent.games.arena import stats as st
from agent.games.arena.foes import BOSS, damage_factor
from agent.training.arena.batch import ArenaBatch

_DIRECTIONS: Final = 16
_ANGLES = np.arange(_DIRECTIONS) * (2 * math.pi / _DIRECTIONS)
_SIN, _COS = np.sin(_ANGLES), np.cos(_ANGLES)
_TIMES_S = np.array([0.15, 0.4, 0.9])
_EDGE_M: Final = 82.0
_FEAR_M: Final = 14.0
_SLIDE: Final = 1.45


class Knobs(NamedTuple):
    """How the script weighs things; those without a unit are relative to each other.

    The boss is called after `boss_s` from level `boss_level` on, and at `boss_latest_s` in any case; `hunt` draws to
    him from farther than `hunt_m`. spread: how many directions share in the heading; inertia: of the heading before;
    charge: of a shrine that is near, added to `shrine`; drops count within `sight_m`.
    """

    boss_s: float = 160.0
    boss_level: float = 14.0
    boss_latest_s: float = 300.0
    hunt: float = 6.0
    hunt_m: float = 7.0
    fear: float = 1.3
    gather: float = 2.0
    sight_m: float = 25.0
    chests: float = 1.0
    portal: float = 3.0
    shrine: float = 1.2
    charge: float = 2.0
    spread: float = 0.25
    inertia: float = 0.6


KNOBS: Final = Knobs()


class Teacher:
    """The script for a whole batch; what it does depends on the runs alone."""

    def __init__(self, knobs: Knobs = KNOBS) -> None:
        self.knobs = knobs

    def act(self, batch: ArenaBatch) -> tuple[FloatArray, NDArray[np.int32], NDArray[np.int32]]:
        """Axes [N, 4], buttons [N, 3] and cards [N]."""
        axes = np.zeros((batch.count, 4), np.float32)
        buttons = np.zeros((batch.count, 3), np.int32)
        _act(batch.records, batch.worlds.catalog.rules, batch.axes, batch.buttons, axes, buttons, self.knobs)
        cards = np.zeros(batch.count, np.int32)
        for row in np.flatnonzero(batch.choosing):
            cards[row] = int(np.argmax([card_value(c) for c in batch.captions[row]]))
        return axes, buttons, cards


@njit(cache=True)
def _act(worlds: Any, rules: Any, last: Any, held: Any, axes: Any, buttons: Any, knobs: Knobs) -> None:
    for w in range(worlds.shape[0]):
        s = worlds[w]
        if s.phase != layout.PLAY:
            continue
        angle = _heading(s, rules, s.yaw + math.atan2(last[w, 0], last[w, 1]), knobs)
        relative = angle - s.yaw
        axes[w, 0], axes[w, 1] = math.sin(relative), math.cos(relative)
        axes[w, 2] = max(-0.4, min(0.4, math.sin(relative) * 0.5))
        buttons[w, 1] = 1 - held[w, 1]
        buttons[w, 2] = 1 - held[w, 2] if _useful(s, rules, knobs) else 0


@njit(cache=True)
def _strong_enough(s: Any, rules: Any, knobs: Knobs) -> bool:
    return bool((s.time_s > knobs.boss_s and s.level >= knobs.boss_level) or s.time_s > knobs.boss_latest_s)


@njit(cache=True)
def _useful(s: Any, rules: Any, knobs: Knobs) -> bool:
    """True where interact would use something wanted."""
    i = s.near_thing
    if i < 0:
        return False
    kind = s.thing_kind[i]
    if kind == layout.THING_CHEST:
        return bool(s.gold >= st.chest_price(s.chests_bought))
    if kind == layout.THING_PORTAL:
        return _strong_enough(s, rules, knobs)
    return bool(kind == layout.THING_EXIT)


@njit(cache=True)
def _heading(s: Any, rules: Any, before: float, knobs: Knobs) -> float:
    """The world angle to walk along: near the best of a ring of directions, drawn to the good ones beside it."""
    speed = rules.player[0] * s.stats[st.MOVE_SPEED] * _SLIDE
    score = knobs.inertia * np.cos(_ANGLES - before)
    harm = damage_factor(s, rules) * (1.0 - st.shown_armor(s.stats[st.ARMOR])) / max(s.hp + s.shield, 1.0)
    for i in range(s.foes):
        dx, dz = s.foe_x[i] - s.x, s.foe_z[i] - s.z
        far = math.sqrt(dx * dx + dz * dz) + 1e-3
        if far > _FEAR_M:
            continue
        kind = s.foe_kind[i]
        elite = s.foe_elite[i] != 0
        reach = rules.foes[kind, 5] * (1.5 if elite else 1.0) + 0.5
        blow = min(rules.foes[kind, 1] * harm * (1.3 if elite else 1.0), 1.0)
        weight = (0.8 + 10.0 * blow) * knobs.fear
        chase = rules.foe_speed[kind] * (1.0 + min(s.swarm_s * 0.006, 5.0))
        for t in range(_TIMES_S.shape[0]):
            ahead, gone = speed * _TIMES_S[t], min(chase * _TIMES_S[t], far)
            ex, ez = dx - dx / far * gone, dz - dz / far * gone
            for k in range(_DIRECTIONS):
                px, pz = _SIN[k] * ahead - ex, _COS[k] * ahead - ez
                d = max(math.sqrt(px * px + pz * pz) - reach, 0.0)
                score[k] -= weight * math.exp(-d / (0.9 + 0.9 * _TIMES_S[t]))
    _want(s, rules, score, knobs)
    for k in range(_DIRECTIONS):
        x, z = s.x + _SIN[k] * speed * 0.7, s.z + _COS[k] * speed * 0.7
        score[k] -= 1.5 * (max(abs(x) - _EDGE_M, 0.0) + max(abs(z) - _EDGE_M, 0.0))
    share = np.exp((score - score.max()) / knobs.spread)
    return math.atan2((share * _SIN).sum(), (share * _COS).sum())


@njit(cache=True)
def _pull(score: Any, dx: float, dz: float, strength: float) -> None:
    d = math.sqrt(dx * dx + dz * dz) + 0.1
    for k in range(_DIRECTIONS):
        score[k] += strength * max((_SIN[k] * dx + _COS[k] * dz) / d, 0.0)


@njit(cache=True)
def _hunt(s: Any, rules: Any, score: Any, knobs: Knobs) -> None:
    """Stay near the boss: weapons hit what is near, and the final swarm comes for those who wait."""
    for i in range(s.foes):
        if rules.foe_role[s.foe_kind[i]] == BOSS:
            dx, dz = s.foe_x[i] - s.x, s.foe_z[i] - s.z
            if dx * dx + dz * dz > knobs.hunt_m * knobs.hunt_m:
                _pull(score, dx, dz, knobs.hunt)


@njit(cache=True)
def _want(s: Any, rules: Any, score: Any, knobs: Knobs) -> None:  # noqa: C901 - one pass over all things, compiled
    """Add what draws the player: drops, chests, shrines, the portal and the exit."""
    hurt = 1.0 - s.hp / max(s.stats[st.MAX_HP], 1.0)
    for i in range(s.drops):
        dx, dz = s.drop_x[i] - s.x, s.drop_z[i] - s.z
        d = math.sqrt(dx * dx + dz * dz) + 0.1
        if d > knobs.sight_m:
            continue
        worth = 1.0 if s.drop_kind[i] == layout.DROP_XP else 0.5
        if s.drop_kind[i] == layout.DROP_HEALTH:
            worth = 3.0 * (0.3 + 2.0 * hurt)
        _pull(score, dx, dz, 2.0 * knobs.gather * worth / (d + 3.0))
    if s.boss_state == 1:
        _hunt(s, rules, score, knobs)
    price = st.chest_price(s.chests_bought)
    near, best = -1, 70.0
    for i in range(s.things):
        if s.thing_used[i]:
            continue
        dx, dz = s.thing_x[i] - s.x, s.thing_z[i] - s.z
        d, kind = math.sqrt(dx * dx + dz * dz) + 0.1, s.thing_kind[i]
        if kind == layout.THING_EXIT:
            _pull(score, dx, dz, 12.0)
        elif kind == layout.THING_PORTAL and s.boss_state == 0 and _strong_enough(s, rules, knobs):
            _pull(score, dx, dz, knobs.portal)
        elif kind == layout.THING_SHRINE and s.boss_state == 0:
            if d < best:
                near, best = i, d
        elif kind == layout.THING_CHEST and s.gold >= price and d < 45.0:
            _pull(score, dx, dz, 6.0 * knobs.chests / (d + 4.0) + 0.4)
        elif kind == layout.THING_POT and d < 25.0:
            _pull(score, dx, dz, 3.0 / (d + 3.0))
    if near >= 0:
        dx, dz = s.thing_x[near] - s.x, s.thing_z[near] - s.z
        if best > 2.5:
            _pull(score, dx, dz, knobs.shrine + (knobs.charge if best < 8.0 else 0.0))
