"""A character's stats from everything that adds to them: base, level, tomes and items.

final = (base + Σ flat) · (1 + Σ addition) · Π multiplication. A stat is raised either by flat amounts or by additions
(`catalog.SHARES`); `worth` is what one more unit of its bonus adds to the final value.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from agent.games.arena.catalog import STATS, WEAPON_STATS
from agent.games.arena.state import SLOTS

(
    MAX_HP, REGEN, SHIELD, ARMOR, EVASION, LIFESTEAL, THORNS, DAMAGE, CRIT_CHANCE, CRIT_DAMAGE, ATTACK_SPEED,
    PROJECTILES, BOUNCES, SIZE, PROJECTILE_SPEED, DURATION, ELITE_DAMAGE, KNOCKBACK, MOVE_SPEED, EXTRA_JUMPS,
    JUMP_HEIGHT, LUCK, DIFFICULTY, PICKUP_RANGE, XP_GAIN, GOLD_GAIN, POWERUP_CHANCE,
) = range(len(STATS))  # fmt: skip
W_DAMAGE, W_COUNT, W_COOLDOWN, W_BURST, W_DURATION, W_SPEED, W_BOUNCES, W_KNOCKBACK, W_CRIT, W_RADIUS, W_SIZE = range(
    len(WEAPON_STATS)
)
_F = np.float32


@njit(cache=True)
def recompute(s: Any, rules: Any) -> None:
    """Set the final stats; growth of the largest health is given as health at once."""
    stats, before = s.stats, s.stats[MAX_HP]
    for k in range(stats.shape[0]):
        base, times = rules.base[s.character, k], _F(1.0)
        bonus = rules.per_level[s.character, k] * _F(s.level - 1) + s.added[k]
        if k == MAX_HP:
            bonus += _F(s.level - 1)
        for item in range(rules.items.shape[0]):
            bonus += rules.items[item, k] * _F(s.items[item])
            if rules.item_times[item, k] != _F(1.0):
                for _ in range(s.items[item]):
                    times *= rules.item_times[item, k]
        s.worth[k] = base * times if rules.is_share[k] else times
        stats[k] = base * times + bonus * s.worth[k]
    stats[MAX_HP] = max(stats[MAX_HP], _F(1.0))
    stats[MOVE_SPEED] = max(stats[MOVE_SPEED], _F(0.3))
    stats[ATTACK_SPEED] = max(stats[ATTACK_SPEED], _F(0.1))
    if stats[MAX_HP] > before:
        s.hp += stats[MAX_HP] - before
    s.hp = min(s.hp, stats[MAX_HP])
    s.shield = min(s.shield, stats[SHIELD])


@njit(cache=True)
def shown_armor(armor: float) -> float:
    """Share of damage that armor takes away: 0.999·a/(a+0.75)."""
    return 0.999 * armor / (armor + 0.75) if armor > 0 else 0.0


@njit(cache=True)
def shown_evasion(evasion: float) -> float:
    """Chance to evade: 0.999·e/(e+1)."""
    return 0.999 * evasion / (evasion + 1.0) if evasion > 0 else 0.0


@njit(cache=True)
def xp_for_level(level: int) -> Any:
    """XP from one level to the next: 7 for the first, then n^1.065 · 1.065 · 5 + 5."""
    if level <= 1:
        return _F(7.0)
    return _F(level**1.065 * 1.065 * 5.0 + 5.0)


@njit(cache=True)
def chest_price(bought: int) -> Any:
    """Gold for the next chest after `bought` bought ones."""
    n = bought
    price = 30.0 * 1.22**n + 35.0 * n + 300.0 * max(0, n - 10) + 550.0 * max(0, n - 20) + 1200.0 * max(0, n - 30)
    if n > 40:
        price += 2400.0 * (n - 30)
    if n > 50:
        price += 4500.0 * (n - 30)
    return _F(round(price))


@njit(cache=True)
def give_weapon(s: Any, rules: Any, weapon: int) -> bool:
    """Put a weapon into the first free slot; False where there is none."""
    slots = int(rules.player[7])
    for slot in range(min(slots, SLOTS)):
        if s.weapon[slot] < 0:
            s.weapon[slot] = weapon
            s.weapon_level[slot] = 1
            s.weapon_wait_s[slot] = _F(0.0)
            s.weapon_left[slot] = 0
            for k in range(rules.weapons.shape[1]):
                s.weapon_stats[slot, k] = rules.weapons[weapon, k]
            return True
    return False
