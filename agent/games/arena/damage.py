"""Damage to enemies: crits, elites, effects of items, deaths and what they drop."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

from agent.games.arena import stats as st
from agent.games.arena.chance import uniform
from agent.games.arena.foes import BOSS, MINIBOSS
from agent.games.arena.state import DROP_GOLD, DROP_HEALTH, DROP_XP, HASH, HASH_M, MAX_DROPS

_F = np.float32
FREE_CHEST, POISON, HEAL_DROP, FREEZE, EXPLODE, STRIKE, SAVE = range(1, 8)


@njit(cache=True)
def special(s: Any, rules: Any, code: int) -> Any:
    """Summed value of the items owned with this effect."""
    total = _F(0.0)
    for k in range(rules.item_special.shape[0]):
        if rules.item_special[k] == code:
            total += rules.item_value[k] * _F(s.items[k])
    return total


@njit(cache=True)
def add_drop(s: Any, kind: int, x: Any, z: Any, value: Any) -> None:
    """Leave something on the ground; in a full world XP goes into the first heap of XP instead."""
    i = s.drops
    if i < MAX_DROPS:
        s.drop_x[i], s.drop_z[i], s.drop_kind[i], s.drop_value[i], s.drop_pulled[i] = _F(x), _F(z), kind, _F(value), 0
        s.drops = i + 1
    elif kind == DROP_XP:
        for j in range(MAX_DROPS):
            if s.drop_kind[j] == DROP_XP:
                s.drop_value[j] += _F(value)
                return


@njit(cache=True)
def kill(s: Any, rules: Any, i: int) -> None:
    """Count a death, leave its drops, and fill its place with the last enemy."""
    kind, x, z = s.foe_kind[i], s.foe_x[i], s.foe_z[i]
    role, elite = rules.foe_role[kind], s.foe_elite[i]
    s.kills += 1
    s.elites += elite
    value = _F(10.0) if elite else _F(1.0)
    if role == MINIBOSS or role == BOSS:
        value = _F(40.0)
    add_drop(s, DROP_XP, x, z, value)
    if uniform(s) < _F(0.22) or value > 1:
        add_drop(s, DROP_GOLD, x + _F(0.4), z, (_F(2.0) + _F(s.time_s) * _F(0.012)) * value)
    if uniform(s) < _F(0.006) * s.stats[st.POWERUP_CHANCE] + special(s, rules, HEAL_DROP):
        add_drop(s, DROP_HEALTH, x, z + _F(0.4), 20.0)
    if role == BOSS:
        s.bosses += 1
        s.boss_left -= 1
    last = s.foes - 1
    s.foes = last
    if i != last:
        s.foe_x[i], s.foe_y[i], s.foe_z[i] = s.foe_x[last], s.foe_y[last], s.foe_z[last]
        s.foe_vx[i], s.foe_vz[i] = s.foe_vx[last], s.foe_vz[last]
        s.foe_hp[i], s.foe_most[i] = s.foe_hp[last], s.foe_most[last]
        s.foe_kind[i], s.foe_elite[i], s.foe_uid[i] = s.foe_kind[last], s.foe_elite[last], s.foe_uid[last]
        s.foe_hit_s[i], s.foe_slow_s[i] = s.foe_hit_s[last], s.foe_slow_s[last]
        s.foe_poison[i] = s.foe_poison[last]


@njit(cache=True)
def bury(s: Any, rules: Any) -> None:
    """Remove all enemies without health; poison takes its share first."""
    i = s.foes - 1
    while i >= 0:
        if s.foe_poison[i] > 0:
            bite = min(s.foe_poison[i], s.foe_most[i] * _F(0.002) + _F(0.05))
            s.foe_poison[i] -= bite
            s.foe_hp[i] -= bite
            s.dealt += bite
        if s.foe_hp[i] <= 0:
            kill(s, rules, i)
        i -= 1


@njit(cache=True)
def hit(s: Any, rules: Any, i: int, slot: int, damage: Any, from_x: Any, from_z: Any, effects: bool) -> None:
    """One hit on enemy i by the weapon in `slot`; it is buried at the end of the tick."""
    chance = s.stats[st.CRIT_CHANCE] + s.weapon_stats[slot, st.W_CRIT]
    crits = int(chance)
    crits += uniform(s) < chance - _F(crits)
    amount = _F(damage)
    if crits == 1:
        amount *= s.stats[st.CRIT_DAMAGE]
    elif crits > 1:
        half = _F(crits) * _F(0.5)
        amount *= (half * half + _F(crits) + _F(1.0)) * s.stats[st.CRIT_DAMAGE] * _F(0.5)
    kind = s.foe_kind[i]
    if s.foe_elite[i] or rules.foe_role[kind] == BOSS:
        amount *= s.stats[st.ELITE_DAMAGE]
    s.foe_hp[i] -= amount
    s.dealt += amount
    steal = s.stats[st.LIFESTEAL]
    if steal > 0:
        healed = int(steal)
        healed += uniform(s) < steal - _F(healed)
        s.hp = min(s.hp + _F(healed), s.stats[st.MAX_HP])
    push = s.weapon_stats[slot, st.W_KNOCKBACK] * s.stats[st.KNOCKBACK] * _F(2.5) / (_F(1.0) + rules.foes[kind, 6])
    dx, dz = s.foe_x[i] - _F(from_x), s.foe_z[i] - _F(from_z)
    d = _F(math.sqrt(dx * dx + dz * dz)) + _F(1e-3)
    s.foe_vx[i] = min(max(s.foe_vx[i] + dx / d * push, _F(-14.0)), _F(14.0))
    s.foe_vz[i] = min(max(s.foe_vz[i] + dz / d * push, _F(-14.0)), _F(14.0))
    if effects:
        _effects(s, rules, i, amount)


@njit(cache=True)
def _effects(s: Any, rules: Any, i: int, amount: Any) -> None:
    for k in range(rules.item_special.shape[0]):
        owned, code = s.items[k], rules.item_special[k]
        if owned == 0 or code < POISON or uniform(s) >= rules.item_value[k] * _F(owned):
            continue
        if code == POISON:
            s.foe_poison[i] += _F(amount) * _F(0.5)
        elif code == FREEZE and rules.foe_role[s.foe_kind[i]] != BOSS:
            s.foe_slow_s[i] = _F(2.0)
        elif code == STRIKE:
            s.foe_hp[i] -= _F(amount)
            s.dealt += _F(amount)
        elif code == EXPLODE:
            _splash(s, s.foe_x[i], s.foe_z[i], amount * 0.65)


@njit(cache=True)
def _splash(s: Any, x: Any, z: Any, damage: Any) -> None:
    """Plain damage around a point, without effects: hits and effects must not call each other for ever."""
    for i in range(s.foes):
        dx, dz = s.foe_x[i] - x, s.foe_z[i] - z
        if dx * dx + dz * dz < _F(6.25):
            s.foe_hp[i] -= _F(damage)
            s.dealt += _F(damage)


@njit(cache=True)
def blast(s: Any, rules: Any, x: Any, z: Any, radius: Any, slot: int, damage: Any, effects: bool) -> int:
    """Hit every enemy within `radius` of a point; returns how many."""
    x0, z0 = s.x - _F(HASH * HASH_M / 2), s.z - _F(HASH * HASH_M / 2)
    reach = radius + 1.2
    lx = min(max(int((x - reach - x0) / HASH_M), 0), HASH - 1)
    hx = min(max(int((x + reach - x0) / HASH_M), 0), HASH - 1)
    lz = min(max(int((z - reach - z0) / HASH_M), 0), HASH - 1)
    hz = min(max(int((z + reach - z0) / HASH_M), 0), HASH - 1)
    count = 0
    for cz in range(lz, hz + 1):
        for cx in range(lx, hx + 1):
            i = s.cell_head[cz * HASH + cx]
            while i >= 0:
                dx, dz = s.foe_x[i] - x, s.foe_z[i] - z
                room = radius + rules.foes[s.foe_kind[i], 5]
                if s.foe_hp[i] > 0 and dx * dx + dz * dz < room * room:
                    hit(s, rules, i, slot, damage, x, z, effects)
                    count += 1
                i = s.cell_next[i]
    return count


@njit(cache=True)
def touched(s: Any, rules: Any, x: Any, z: Any, radius: Any, but: int) -> int:
    """An enemy that a circle touches, other than the one with id `but`; −1 for none."""
    x0, z0 = s.x - _F(HASH * HASH_M / 2), s.z - _F(HASH * HASH_M / 2)
    reach = radius + 0.9
    lx = min(max(int((x - reach - x0) / HASH_M), 0), HASH - 1)
    hx = min(max(int((x + reach - x0) / HASH_M), 0), HASH - 1)
    lz = min(max(int((z - reach - z0) / HASH_M), 0), HASH - 1)
    hz = min(max(int((z + reach - z0) / HASH_M), 0), HASH - 1)
    for cz in range(lz, hz + 1):
        for cx in range(lx, hx + 1):
            i = s.cell_head[cz * HASH + cx]
            while i >= 0:
                dx, dz = s.foe_x[i] - x, s.foe_z[i] - z
                room = radius + rules.foes[s.foe_kind[i], 5]
                if s.foe_hp[i] > 0 and s.foe_uid[i] != but and dx * dx + dz * dz < room * room:
                    return int(i)
                i = s.cell_next[i]
    return -1


@njit(cache=True)
def nearest(s: Any, x: Any, z: Any, within: Any, but: int) -> int:
    """The nearest living enemy within a distance, other than the one with id `but`; −1 for none."""
    best, found = _F(within * within), -1
    for i in range(s.foes):
        dx, dz = s.foe_x[i] - x, s.foe_z[i] - z
        d2 = dx * dx + dz * dz
        if d2 < best and s.foe_hp[i] > 0 and s.foe_uid[i] != but:
            best, found = _F(d2), i
    return found
