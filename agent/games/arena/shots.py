"""Projectiles under way: how each kind flies, what it touches, when it ends."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

from agent.games.arena import stats as st
from agent.games.arena.damage import blast, hit, nearest, touched
from agent.games.arena.terrain import tree_near
from agent.games.arena.weapons import ARC, BOLT, BOOMERANG, BOUNCE, CHAIN, MINE, ORBIT, PIERCE, SEEK, SPIRAL, TRAIL

_F = np.float32
PULSE_S = 0.3


@njit(cache=True)
def remove_shot(s: Any, i: int) -> None:
    """Fill the place of a projectile with the last one."""
    last = s.shots - 1
    s.shots = last
    if i != last:
        s.shot_x[i], s.shot_y[i], s.shot_z[i] = s.shot_x[last], s.shot_y[last], s.shot_z[last]
        s.shot_vx[i], s.shot_vz[i] = s.shot_vx[last], s.shot_vz[last]
        s.shot_life_s[i], s.shot_age_s[i], s.shot_wait_s[i] = (
            s.shot_life_s[last],
            s.shot_age_s[last],
            s.shot_wait_s[last],
        )
        s.shot_damage[i], s.shot_radius[i], s.shot_phase[i] = (
            s.shot_damage[last],
            s.shot_radius[last],
            s.shot_phase[last],
        )
        s.shot_way[i], s.shot_slot[i] = s.shot_way[last], s.shot_slot[last]
        s.shot_left[i], s.shot_last[i] = s.shot_left[last], s.shot_last[last]


@njit(cache=True)
def fly(s: Any, rules: Any, dt: Any) -> None:
    """Move every projectile and let it do its harm."""
    step = _F(dt)
    i = s.shots - 1
    while i >= 0:
        s.shot_age_s[i] += step
        s.shot_wait_s[i] -= step
        way = s.shot_way[i]
        ended = s.shot_age_s[i] >= s.shot_life_s[i]
        if not ended and way != ARC and way != CHAIN:
            _move(s, i, way, step)
            ended = _harm(s, rules, i, way)
        if ended:
            if way == SEEK and s.shot_age_s[i] >= s.shot_life_s[i]:
                _burst(s, rules, i)
            remove_shot(s, i)
        i -= 1


@njit(cache=True)
def _move(s: Any, i: int, way: int, step: Any) -> None:
    if way == ORBIT or way == SPIRAL:
        turn = s.shot_phase[i] + s.shot_age_s[i] * _F(3.2)
        out = _F(3.0) if way == ORBIT else _F(0.8) + s.shot_age_s[i] * _F(5.0)
        s.shot_x[i] = s.x + out * _F(math.sin(turn))
        s.shot_z[i] = s.z + out * _F(math.cos(turn))
        return
    if way == BOOMERANG and s.shot_age_s[i] > s.shot_life_s[i] * _F(0.45):
        dx, dz = s.x - s.shot_x[i], s.z - s.shot_z[i]
        d = _F(math.sqrt(dx * dx + dz * dz)) + _F(1e-3)
        speed = _F(math.sqrt(s.shot_vx[i] ** 2 + s.shot_vz[i] ** 2))
        s.shot_vx[i], s.shot_vz[i] = dx / d * speed, dz / d * speed
        if d < 1.0:
            s.shot_age_s[i] = s.shot_life_s[i]
    elif way == SEEK:
        target = nearest(s, s.shot_x[i], s.shot_z[i], 20.0, -1)
        if target >= 0:
            dx, dz = s.foe_x[target] - s.shot_x[i], s.foe_z[target] - s.shot_z[i]
            d = _F(math.sqrt(dx * dx + dz * dz)) + _F(1e-3)
            speed = _F(math.sqrt(s.shot_vx[i] ** 2 + s.shot_vz[i] ** 2))
            s.shot_vx[i] += (dx / d * speed - s.shot_vx[i]) * step * _F(5.0)
            s.shot_vz[i] += (dz / d * speed - s.shot_vz[i]) * step * _F(5.0)
    s.shot_x[i] += s.shot_vx[i] * step
    s.shot_z[i] += s.shot_vz[i] * step


@njit(cache=True)
def _burst(s: Any, rules: Any, i: int) -> None:
    blast(s, rules, s.shot_x[i], s.shot_z[i], s.shot_radius[i], s.shot_slot[i], s.shot_damage[i], True)


@njit(cache=True)
def _harm(s: Any, rules: Any, i: int, way: int) -> bool:
    """True when the projectile has done all that it can."""
    x, z, slot = s.shot_x[i], s.shot_z[i], s.shot_slot[i]
    if way == TRAIL or way == ORBIT or way == SPIRAL or way == PIERCE or way == BOOMERANG:
        if s.shot_wait_s[i] <= 0:
            touching = blast(s, rules, x, z, s.shot_radius[i], slot, s.shot_damage[i], way != TRAIL)
            if way == TRAIL or touching:
                s.shot_wait_s[i] = _F(PULSE_S) if way == TRAIL else _F(0.22)
        return way == PIERCE and tree_near(s, x, z, 0.0) >= 0
    j = touched(s, rules, x, z, 0.3 if way == SEEK or way == MINE else min(s.shot_radius[i], 0.6), s.shot_last[i])
    if j < 0:
        return way != MINE and tree_near(s, x, z, 0.0) >= 0
    if way == SEEK or way == MINE or (way == BOLT and s.shot_radius[i] > 1.0):
        _burst(s, rules, i)
        return True
    hit(s, rules, j, slot, s.shot_damage[i], x - s.shot_vx[i], z - s.shot_vz[i], True)
    if way != BOUNCE or s.shot_left[i] <= 0:
        return True
    s.shot_left[i] -= 1
    s.shot_last[i] = s.foe_uid[j]
    target = nearest(s, x, z, 12.0, s.foe_uid[j])
    if target < 0:
        return True
    dx, dz = s.foe_x[target] - x, s.foe_z[target] - z
    d = _F(math.sqrt(dx * dx + dz * dz)) + _F(1e-3)
    speed = s.weapon_stats[slot, st.W_SPEED] * s.stats[st.PROJECTILE_SPEED]
    s.shot_vx[i], s.shot_vz[i] = dx / d * speed, dz / d * speed
    return False
