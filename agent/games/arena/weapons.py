"""Weapons fire by themselves: when their wait is over, each in its own way."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

from agent.games.arena import stats as st
from agent.games.arena.chance import below, uniform
from agent.games.arena.damage import blast, hit, nearest
from agent.games.arena.state import MAX_SHOTS, SLOTS

_F = np.float32
BOLT, BOUNCE, ARC, AURA, SPIRAL, PIERCE, CHAIN, TRAIL, SEEK, BOOMERANG, FROST, ORBIT, MINE = range(13)
AIM_M = 26.0


@njit(cache=True)
def add_shot(s: Any, slot: int, way: int, angle: Any, speed: Any, phase: Any) -> int:
    """Add one projectile of a weapon at the player; −1 when the world is full."""
    i = s.shots
    if i >= MAX_SHOTS:
        return -1
    w = s.weapon_stats[slot]
    size = w[st.W_SIZE] * s.stats[st.SIZE]
    s.shot_x[i], s.shot_y[i], s.shot_z[i] = s.x, s.y + _F(0.9), s.z
    s.shot_vx[i], s.shot_vz[i] = _F(math.sin(angle) * speed), _F(math.cos(angle) * speed)
    s.shot_life_s[i] = w[st.W_DURATION] * s.stats[st.DURATION]
    s.shot_age_s[i] = s.shot_wait_s[i] = _F(0.0)
    s.shot_damage[i] = w[st.W_DAMAGE] * s.stats[st.DAMAGE]
    s.shot_radius[i] = w[st.W_RADIUS] * size
    s.shot_way[i], s.shot_slot[i], s.shot_last[i] = way, slot, -1
    s.shot_left[i] = int(w[st.W_BOUNCES] + s.stats[st.BOUNCES])
    s.shot_phase[i] = _F(phase)
    s.shots = i + 1
    return int(i)


@njit(cache=True)
def fire_weapons(s: Any, rules: Any, dt: Any) -> None:
    """Let every weapon whose wait is over begin a volley, and go on with volleys under way."""
    step = _F(dt)
    haste = s.stats[st.ATTACK_SPEED]
    for slot in range(SLOTS):
        weapon = s.weapon[slot]
        if weapon < 0:
            continue
        way = rules.weapon_way[weapon]
        s.weapon_wait_s[slot] -= step
        if s.weapon_wait_s[slot] <= 0 and s.weapon_left[slot] == 0:
            s.weapon_wait_s[slot] = s.weapon_stats[slot, st.W_COOLDOWN] / haste
            count = int(s.weapon_stats[slot, st.W_COUNT] + s.stats[st.PROJECTILES])
            if way == AURA or way == FROST or way == TRAIL:
                count = 1
            s.weapon_burst_s[slot] = _F(0.0)
            s.weapon_left[slot] = max(count, 1)
            if way == ORBIT or way == SPIRAL:
                _ring(s, slot, way, s.weapon_left[slot])
                s.weapon_left[slot] = 0
        if s.weapon_left[slot] > 0:
            s.weapon_burst_s[slot] -= step
            if s.weapon_burst_s[slot] <= 0:
                s.weapon_burst_s[slot] = s.weapon_stats[slot, st.W_BURST] / haste
                fired = _fire(s, rules, slot, way)
                s.weapon_left[slot] = s.weapon_left[slot] - 1 if fired else 0


@njit(cache=True)
def _ring(s: Any, slot: int, way: int, count: int) -> None:
    speed = s.weapon_stats[slot, st.W_SPEED] * s.stats[st.PROJECTILE_SPEED]
    for k in range(count):
        angle = 2.0 * math.pi * k / count
        add_shot(s, slot, way, angle, speed, angle)


@njit(cache=True)
def _fire(s: Any, rules: Any, slot: int, way: int) -> bool:
    """One attack; False where there is nothing to attack."""
    w = s.weapon_stats[slot]
    radius = w[st.W_RADIUS] * w[st.W_SIZE] * s.stats[st.SIZE]
    damage = w[st.W_DAMAGE] * s.stats[st.DAMAGE]
    if way == AURA or way == FROST:
        blast(s, rules, s.x, s.z, radius, slot, damage, True)
        if way == FROST:
            _chill(s, radius, w[st.W_DURATION] * s.stats[st.DURATION])
        return True
    if way == TRAIL or way == MINE:
        i = add_shot(s, slot, way, 0.0, 0.0, 0.0)
        if i >= 0 and way == MINE:
            s.shot_x[i] += (uniform(s) - _F(0.5)) * _F(2.0)
            s.shot_z[i] += (uniform(s) - _F(0.5)) * _F(2.0)
        return True
    if way == ARC:
        return _swing(s, rules, slot, radius, damage)
    if way == CHAIN:
        return _leap(s, rules, slot, radius, damage)
    target = nearest(s, s.x, s.z, AIM_M, -1)
    if target < 0:
        return False
    angle = math.atan2(s.foe_x[target] - s.x, s.foe_z[target] - s.z) + (uniform(s) - _F(0.5)) * _F(0.16)
    add_shot(s, slot, way, angle, w[st.W_SPEED] * s.stats[st.PROJECTILE_SPEED], angle)
    return True


@njit(cache=True)
def _chill(s: Any, radius: Any, seconds: Any) -> None:
    for i in range(s.foes):
        dx, dz = s.foe_x[i] - s.x, s.foe_z[i] - s.z
        if dx * dx + dz * dz < radius * radius:
            s.foe_slow_s[i] = max(s.foe_slow_s[i], _F(seconds))


@njit(cache=True)
def _swing(s: Any, rules: Any, slot: int, radius: Any, damage: Any) -> bool:
    """Hit all in a half circle towards the nearest enemy."""
    target = nearest(s, s.x, s.z, radius + 2.0, -1)
    if target < 0:
        return False
    ax, az = s.foe_x[target] - s.x, s.foe_z[target] - s.z
    for i in range(s.foes):
        dx, dz = s.foe_x[i] - s.x, s.foe_z[i] - s.z
        reach = radius + rules.foes[s.foe_kind[i], 5]
        if dx * dx + dz * dz < reach * reach and dx * ax + dz * az >= 0:
            hit(s, rules, i, slot, damage, s.x, s.z, True)
    i = add_shot(s, slot, ARC, math.atan2(ax, az), 0.0, math.atan2(ax, az))
    if i >= 0:
        s.shot_life_s[i] = _F(0.18)
    return True


@njit(cache=True)
def _leap(s: Any, rules: Any, slot: int, radius: Any, damage: Any) -> bool:
    """Strike one of the enemies in sight, then leap to the nearest beside it."""
    if s.foes == 0:
        return False
    i = nearest(s, s.x, s.z, AIM_M, -1)
    if i < 0:
        return False
    other = below(s, s.foes)
    dx, dz = s.foe_x[other] - s.x, s.foe_z[other] - s.z
    if dx * dx + dz * dz < 14.0 * 14.0:
        i = other
    leaps = int(s.weapon_stats[slot, st.W_BOUNCES] + s.stats[st.BOUNCES]) + 1
    for _ in range(leaps):
        hit(s, rules, i, slot, damage, s.x, s.z, True)
        mark = add_shot(s, slot, CHAIN, 0.0, 0.0, 0.0)
        if mark >= 0:
            s.shot_x[mark], s.shot_y[mark], s.shot_z[mark] = s.foe_x[i], s.foe_y[i], s.foe_z[i]
        i = nearest(s, s.foe_x[i], s.foe_z[i], radius, s.foe_uid[i])
        if i < 0:
            break
    return True
