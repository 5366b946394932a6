"""What a card is worth in the arena: how much stronger it makes the player, by his weapons' power and what he bears.

Reads the world's record, more than a player sees. Worth is in logarithms: of damage a second, against a crowd and
against one enemy alone, of health that armor and evasion stretch, and of what brings levels. The hits of each way
of attacking are estimates, not measurements.
"""

from __future__ import annotations

import math
from typing import Any, Final, NamedTuple

import numpy as np
from numba import njit

from agent.games.arena import state as layout
from agent.games.arena import stats as st
from agent.games.arena.weapons import (
    ARC,
    AURA,
    BOLT,
    BOOMERANG,
    BOUNCE,
    CHAIN,
    FROST,
    MINE,
    ORBIT,
    PIERCE,
    SEEK,
    SPIRAL,
    TRAIL,
)


class Weights(NamedTuple):
    """What the logarithms count, that of damage counting 1; `alone` is the share of the damage to one enemy.

    new_power: by how much a new weapon's damage counts for what it will grow into; new_weapon, new_tome: what a new one
    counts beside that, for the slot.
    """

    alone: float = 0.4
    health: float = 0.5
    speed: float = 0.5
    xp: float = 0.5
    luck: float = 0.3
    pickup: float = 0.15
    lifesteal: float = 0.3
    difficulty: float = 2.0
    regen: float = 0.5
    gold: float = 0.1
    knockback: float = 0.02
    elite: float = 0.1
    powerup: float = 0.02
    new_power: float = 1.5
    new_weapon: float = 0.05
    new_tome: float = -0.02


WEIGHTS: Final = Weights()


@njit(cache=True)
def _hits_crowd(way: int, radius: float, duration: float, bounces: float) -> float:
    """Enemies of a crowd that one attack hits, counting again whom it hits again."""
    area = radius * radius
    if way == BOLT:
        return 1.0 + 0.35 * area if radius > 1.0 else 1.0
    if way == BOUNCE:
        return 1.0 + 0.8 * bounces
    if way == ARC:
        return 0.12 * area
    if way in (AURA, FROST):
        return 0.09 * area
    if way == SPIRAL:
        return 1.2 * area * duration
    if way == PIERCE:
        return 1.6 + 0.8 * radius
    if way == CHAIN:
        return 1.0 + 0.7 * min(bounces, 6.0)
    if way == TRAIL:
        return 0.25 * area * duration / 0.3
    if way == SEEK:
        return 0.35 * area
    if way == BOOMERANG:
        return 1.8 + radius
    if way == ORBIT:
        return 0.5 * radius * duration / 0.6
    return 0.3 * area


@njit(cache=True)
def _hits_alone(way: int, duration: float) -> float:
    """Hits of one attack on an enemy that is alone."""
    if way == SPIRAL:
        return 0.5 * duration
    if way in (PIERCE, BOOMERANG):
        return 1.5
    if way == TRAIL:
        return 0.8 * min(duration / 0.3, 3.0)
    if way == ORBIT:
        return 0.25 * duration / 0.22
    if way == MINE:
        return 0.7
    if way in (ARC, AURA, FROST):
        return 0.9
    return 1.0


@njit(cache=True)
def weapon_power(weapon: Any, way: int, stats: Any, alone: bool) -> float:
    """Damage a second of one weapon, by its stats [W] and the character's [S]."""
    count = max(weapon[st.W_COUNT] + stats[st.PROJECTILES], 1.0)
    if way in (AURA, FROST, TRAIL):
        count = 1.0
    crits = min(stats[st.CRIT_CHANCE] + weapon[st.W_CRIT], 3.0)
    radius = weapon[st.W_RADIUS] * weapon[st.W_SIZE] * stats[st.SIZE]
    duration = weapon[st.W_DURATION] * stats[st.DURATION]
    wait_s = max(weapon[st.W_COOLDOWN], 0.05) / stats[st.ATTACK_SPEED]
    if alone:
        hits = _hits_alone(way, duration)
    else:
        hits = _hits_crowd(way, radius, duration, weapon[st.W_BOUNCES] + stats[st.BOUNCES])
    damage = weapon[st.W_DAMAGE] * stats[st.DAMAGE] * (1.0 + crits * (stats[st.CRIT_DAMAGE] - 1.0))
    return float(damage * count * hits / wait_s)


@njit(cache=True)
def power(s: Any, rules: Any, weapons: Any, stats: Any, alone: bool) -> float:
    """Damage a second of all weapons, with these stats of the weapons [slots, W] and of the character [S]."""
    total = 1e-3
    for slot in range(layout.SLOTS):
        if s.weapon[slot] >= 0:
            total += weapon_power(weapons[slot], rules.weapon_way[s.weapon[slot]], stats, alone)
    return total


@njit(cache=True)
def reach_m(s: Any, rules: Any) -> float:
    """How far the weapons reach, m, weighted by their damage; what reaches farther than 12 m counts as 12."""
    total, sum_m = 1e-6, 0.0
    for slot in range(layout.SLOTS):
        if s.weapon[slot] < 0:
            continue
        weapon, way = s.weapon_stats[slot], rules.weapon_way[s.weapon[slot]]
        radius = weapon[st.W_RADIUS] * weapon[st.W_SIZE] * s.stats[st.SIZE]
        duration = weapon[st.W_DURATION] * s.stats[st.DURATION]
        reach = 12.0
        if way in (ARC, AURA, FROST):
            reach = radius
        elif way == SPIRAL:
            reach = 0.8 + 3.0 * duration
        elif way == TRAIL:
            reach = radius + 1.5
        elif way == BOOMERANG:
            reach = weapon[st.W_SPEED] * s.stats[st.PROJECTILE_SPEED] * duration * 0.45
        elif way == ORBIT:
            reach = 3.0 + radius
        elif way == MINE:
            reach = radius + 1.0
        share = weapon_power(weapon, way, s.stats, False)
        total += share
        sum_m += share * min(reach, 12.0)
    return sum_m / total


@njit(cache=True)
def _strength(s: Any, rules: Any, weapons: Any, stats: Any, w: Weights) -> float:
    """The player as a whole with these stats."""
    value = (1.0 - w.alone) * math.log(power(s, rules, weapons, stats, False))
    value += w.alone * math.log(power(s, rules, weapons, stats, True))
    health = stats[st.MAX_HP] + 1.5 * stats[st.SHIELD] + w.regen * stats[st.REGEN]
    health /= (1.0 - st.shown_armor(stats[st.ARMOR])) * (1.0 - st.shown_evasion(stats[st.EVASION]))
    value += w.health * math.log(health) + w.speed * math.log(stats[st.MOVE_SPEED])
    value += w.xp * math.log(stats[st.XP_GAIN]) + w.luck * stats[st.LUCK]
    value += w.pickup * math.log(stats[st.PICKUP_RANGE]) + w.lifesteal * stats[st.LIFESTEAL]
    value += w.gold * math.log(stats[st.GOLD_GAIN]) + w.knockback * math.log(stats[st.KNOCKBACK])
    value += w.elite * math.log(stats[st.ELITE_DAMAGE]) + w.powerup * math.log(stats[st.POWERUP_CHANCE])
    return float(value - w.difficulty * stats[st.DIFFICULTY])


@njit(cache=True)
def _new_weapon_worth(s: Any, rules: Any, what: int, w: Weights) -> float:
    row, way, value = rules.weapons[what], rules.weapon_way[what], w.new_weapon
    for alone in (False, True):
        gain = w.new_power * weapon_power(row, way, s.stats, alone) / power(s, rules, s.weapon_stats, s.stats, alone)
        value += (w.alone if alone else 1.0 - w.alone) * math.log(1.0 + gain)
    return value


@njit(cache=True)
def _card_worth(s: Any, rules: Any, card: int, w: Weights) -> float:
    kind, what = s.offer_kind[card], s.offer_id[card]
    if kind == layout.OFFER_WEAPON_NEW:
        return _new_weapon_worth(s, rules, what, w)
    weapons, stats, value = s.weapon_stats.copy(), s.stats.copy(), 0.0
    before = _strength(s, rules, weapons, stats, w)
    if kind == layout.OFFER_WEAPON:
        for slot in range(layout.SLOTS):
            if s.weapon[slot] == what:
                for k in range(2):
                    if s.offer_stat[card, k] >= 0:
                        weapons[slot, s.offer_stat[card, k]] += s.offer_value[card, k]
    elif kind in (layout.OFFER_TOME, layout.OFFER_STAT):
        for k in range(2):
            stat = s.offer_stat[card, k]
            if stat >= 0:
                stats[stat] += s.offer_value[card, k] * s.worth[stat]
    if kind == layout.OFFER_TOME:
        owned = False
        for k in range(layout.SLOTS):
            owned = owned or s.tome[k] == what
        value += 0.0 if owned else w.new_tome
    return value + _strength(s, rules, weapons, stats, w) - before


@njit(cache=True)
def best_card(s: Any, rules: Any, w: Weights) -> int:
    """Which of the three cards on offer is worth most."""
    values = np.empty(3)
    for card in range(3):
        values[card] = _card_worth(s, rules, card, w)
    return int(np.argmax(values))
