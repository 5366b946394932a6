"""What lies and stands on the map: drops that are pulled in, chests, shrines, pots, portals."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

from agent.games.arena import foes, offers
from agent.games.arena import stats as st
from agent.games.arena.chance import below, uniform
from agent.games.arena.damage import FREE_CHEST, add_drop, special
from agent.games.arena.state import (
    DROP_GOLD,
    DROP_XP,
    MAX_THINGS,
    THING_CHEST,
    THING_EXIT,
    THING_GREED,
    THING_PORTAL,
    THING_POT,
    THING_SHRINE,
    WON,
)
from agent.games.arena.terrain import HALF_M

_F = np.float32
USE_M = 3.2
ZONE_M = 4.5
CHARGE_S = 4.0
SWARM_AFTER_BOSS_S = 10.0


@njit(cache=True)
def add_thing(s: Any, kind: int, x: Any, z: Any) -> None:
    """Put one thing on the map; nothing happens in a full world."""
    i = s.things
    if i >= MAX_THINGS:
        return
    s.thing_x[i], s.thing_z[i], s.thing_kind[i] = _F(x), _F(z), kind
    s.thing_used[i], s.thing_charge[i] = 0, _F(0.0)
    s.things = i + 1


@njit(cache=True)
def scatter(s: Any, rules: Any) -> None:
    """Lay out a stage: chests, shrines, pots and the boss portal."""
    s.things = 0
    kinds = np.array([THING_CHEST, THING_SHRINE, THING_GREED, THING_POT, THING_PORTAL], np.int32)
    counts = np.array([rules.counts[0], rules.counts[1], rules.counts[2], rules.counts[3], 1], np.int32)
    span = 2.0 * (HALF_M - 14.0)
    for k in range(kinds.shape[0]):
        for _ in range(counts[k]):
            for _ in range(20):
                x, z = (uniform(s) - _F(0.5)) * span, (uniform(s) - _F(0.5)) * span
                least = 45.0 if kinds[k] == THING_PORTAL else 9.0
                if x * x + z * z > least * least:
                    break
            add_thing(s, kinds[k], x, z)


@njit(cache=True)
def collect(s: Any, rules: Any, dt: Any) -> None:
    """Pull drops in and take those that arrive."""
    reach = s.stats[st.PICKUP_RANGE]
    i = s.drops - 1
    while i >= 0:
        dx, dz = s.x - s.drop_x[i], s.z - s.drop_z[i]
        d2 = dx * dx + dz * dz
        if s.drop_pulled[i] or d2 < reach * reach:
            s.drop_pulled[i] = 1
            d = _F(math.sqrt(d2)) + _F(1e-3)
            pull = _F(16.0 * dt)
            s.drop_x[i] += dx / d * pull
            s.drop_z[i] += dz / d * pull
            if d < 1.0:
                _take_drop(s, rules, i)
        i -= 1


@njit(cache=True)
def _take_drop(s: Any, rules: Any, i: int) -> None:
    kind, value = s.drop_kind[i], s.drop_value[i]
    last = s.drops - 1
    s.drops = last
    s.drop_x[i], s.drop_z[i], s.drop_kind[i] = s.drop_x[last], s.drop_z[last], s.drop_kind[last]
    s.drop_value[i], s.drop_pulled[i] = s.drop_value[last], s.drop_pulled[last]
    if kind == DROP_XP:
        offers.gain_xp(s, rules, value)
    elif kind == DROP_GOLD:
        s.gold += value * s.stats[st.GOLD_GAIN]
    else:
        s.hp = min(s.hp + value, s.stats[st.MAX_HP])


@njit(cache=True)
def visit(s: Any, rules: Any, dt: Any, pressed: bool) -> None:
    """Charge shrines that the player stands in, break pots, and use what he presses interact at."""
    near, best = -1, USE_M * USE_M
    for i in range(s.things):
        if s.thing_used[i]:
            continue
        dx, dz = s.x - s.thing_x[i], s.z - s.thing_z[i]
        d2, kind = dx * dx + dz * dz, s.thing_kind[i]
        if kind == THING_SHRINE:
            if d2 < ZONE_M * ZONE_M:
                s.thing_charge[i] += _F(dt / CHARGE_S)
                if s.thing_charge[i] >= 1:
                    s.thing_used[i] = 1
                    offers.open_shrine(s, rules, False)
                    return
            else:
                s.thing_charge[i] = max(_F(0.0), s.thing_charge[i] - _F(dt / CHARGE_S))
        elif kind == THING_POT:
            if d2 < 1.5 * 1.5:
                s.thing_used[i] = 1
                add_drop(s, DROP_GOLD, s.thing_x[i], s.thing_z[i], min(st.chest_price(s.chests_bought) * 0.3, 1000.0))
        elif d2 < best:
            near, best = i, d2
    s.near_thing = near
    if pressed and near >= 0:
        _use(s, rules, near)


@njit(cache=True)
def _use(s: Any, rules: Any, i: int) -> None:
    kind = s.thing_kind[i]
    if kind == THING_CHEST:
        price = st.chest_price(s.chests_bought)
        keys = special(s, rules, FREE_CHEST) * _F(10.0)
        if keys > 0 and uniform(s) < keys / (keys + _F(10.0)):
            s.thing_used[i] = 1
        elif s.gold >= price:
            s.gold -= price
            s.chests_bought += 1
            s.thing_used[i] = 1
        else:
            return
        offers.open_chest(s, rules)
    elif kind == THING_GREED:
        s.thing_used[i] = 1
        offers.open_shrine(s, rules, True)
    elif kind == THING_PORTAL:
        s.thing_used[i] = 1
        s.boss_state, s.boss_left = 1, 1
        foes.place_around(s, rules, foes.kind_with_role(s, rules, foes.BOSS, s.stage), 0)
    elif kind == THING_EXIT:
        s.thing_used[i] = 1
        if s.stage >= s.tier:
            s.phase = WON
        else:
            next_stage(s, rules)


@njit(cache=True)
def boss_died(s: Any) -> None:
    """All XP comes in, the exit opens, and the final swarm is near."""
    s.boss_state = 2
    for i in range(s.drops):
        s.drop_pulled[i] = 1
    add_thing(s, THING_EXIT, s.x + _F(6.0), s.z)


@njit(cache=True)
def next_stage(s: Any, rules: Any) -> None:
    """Go on to the next stage with all that the character has."""
    s.stage += 1
    s.stage_s = s.swarm_s = _F(0.0)
    s.foes = s.shots = s.drops = 0
    s.miniboss_next = s.boss_state = s.boss_left = 0
    s.x = s.z = _F(0.0)
    s.vx = s.vy = s.vz = _F(0.0)
    s.unhurt_s = _F(0.0)
    s.rng += np.uint64(below(s, 1 << 20))
    scatter(s, rules)
