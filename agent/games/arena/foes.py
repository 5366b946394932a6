"""Enemies: when they come, how strong they are, how they move, and whom they hurt."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

from agent.games.arena import stats as st
from agent.games.arena.chance import below, uniform
from agent.games.arena.state import HASH, HASH_M, MAX_FOES
from agent.games.arena.terrain import EDGE_M, height_at, tree_near

_F = np.float32
WAVE, MINIBOSS, BOSS, SWARM = range(4)
PLAYER_RADIUS_M = 0.5
FAR_M = 42.0
RING_M = 24.0
HIT_WAIT_S = 0.5
REACH_MOST_M = 5.0


@njit(cache=True)
def health_factor(s: Any, rules: Any) -> Any:
    """How much healthier enemies are now than at the start: time, difficulty, tier and swarm."""
    curves, t = rules.curves, s.time_s / _F(60.0)
    factor = (1.0 + curves[0] * t + curves[1] * t * t) * (1.0 + s.stats[st.DIFFICULTY]) * rules.tiers[s.tier]
    return _F(factor * 2.0 ** (s.swarm_s / curves[10]))


@njit(cache=True)
def damage_factor(s: Any, rules: Any) -> Any:
    """How much harder enemies hit now than at the start."""
    curves, t = rules.curves, s.time_s / _F(60.0)
    factor = (1.0 + curves[2] * t) * (1.0 + 0.5 * s.stats[st.DIFFICULTY]) * rules.tiers[s.tier]
    return _F(factor * 2.0 ** (s.swarm_s / curves[11]))


@njit(cache=True)
def add_foe(s: Any, rules: Any, kind: int, elite: int, x: Any, z: Any) -> int:
    """Add one enemy; −1 when the world is full."""
    i = s.foes
    if i >= MAX_FOES:
        return -1
    s.foe_x[i], s.foe_z[i] = _F(min(max(x, -EDGE_M), EDGE_M)), _F(min(max(z, -EDGE_M), EDGE_M))
    s.foe_y[i] = height_at(s, s.foe_x[i], s.foe_z[i])
    s.foe_vx[i] = s.foe_vz[i] = _F(0.0)
    hp = rules.foes[kind, 0] * health_factor(s, rules)
    if elite:
        hp *= _F(6.0)
    s.foe_hp[i] = s.foe_most[i] = hp
    s.foe_kind[i], s.foe_elite[i] = kind, elite
    s.foe_hit_s[i] = s.foe_slow_s[i] = s.foe_poison[i] = _F(0.0)
    s.next_uid += 1
    s.foe_uid[i] = s.next_uid
    s.foes = i + 1
    return int(i)


@njit(cache=True)
def place_around(s: Any, rules: Any, kind: int, elite: int) -> int:
    """Add one enemy on a ring around the player, more often ahead of the way he runs."""
    angle = uniform(s) * _F(2 * math.pi)
    speed2 = s.vx * s.vx + s.vz * s.vz
    if speed2 > 9.0 and uniform(s) < _F(0.4):
        angle = _F(math.atan2(s.vx, s.vz)) + (uniform(s) - _F(0.5)) * _F(1.6)
    r = _F(RING_M) + uniform(s) * _F(6.0)
    return add_foe(s, rules, kind, elite, s.x + r * math.sin(angle), s.z + r * math.cos(angle))


@njit(cache=True)
def kind_with_role(s: Any, rules: Any, role: int, nth: int) -> int:
    """The nth kind of a role, counting round."""
    count = 0
    for k in range(rules.foe_role.shape[0]):
        count += rules.foe_role[k] == role
    nth %= max(count, 1)
    for k in range(rules.foe_role.shape[0]):
        if rules.foe_role[k] == role:
            if nth == 0:
                return k
            nth -= 1
    return 0


@njit(cache=True)
def _wave_kind(s: Any, rules: Any) -> int:
    kinds = rules.foe_role.shape[0]
    total = 0
    age_s = s.stage_s + _F(120.0 * s.stage)
    for k in range(kinds):
        total += rules.foe_role[k] == WAVE and rules.foes[k, 4] <= age_s
    pick = below(s, max(total, 1))
    for k in range(kinds):
        if rules.foe_role[k] == WAVE and rules.foes[k, 4] <= age_s:
            if pick == 0:
                return k
            pick -= 1
    return 0


@njit(cache=True)
def spawn(s: Any, rules: Any, dt: Any) -> None:
    """Add what this tick brings: waves, elites, minibosses and the final swarm."""
    curves, t = rules.curves, s.time_s / _F(60.0)
    if s.swarm_s > 0:
        s.spawn_credit += _F(curves[12] * dt)
        most = int(curves[7])
    else:
        s.spawn_credit += _F((curves[3] + curves[4] * t) * (1.0 + s.stats[st.DIFFICULTY]) * dt)
        most = min(int(curves[7]), int(curves[5] + curves[6] * t))
    while s.spawn_credit >= 1.0:
        s.spawn_credit -= _F(1.0)
        if s.foes >= most:
            continue
        if s.swarm_s > 0 and uniform(s) < _F(0.7):
            place_around(s, rules, kind_with_role(s, rules, SWARM, 0), 0)
        else:
            kind = _wave_kind(s, rules)
            elite = 1 if uniform(s) < curves[8] + curves[9] * t else 0
            s.spawn_credit -= rules.foes[kind, 3] - _F(1.0)
            place_around(s, rules, kind, elite)
    left_s = rules.timers_s[s.stage] - s.stage_s
    early_s = _F(30.0) if s.tier == 2 else _F(0.0)
    due = s.miniboss_next
    if due < rules.miniboss_left_s.shape[0] and left_s <= rules.miniboss_left_s[due] - early_s:
        place_around(s, rules, kind_with_role(s, rules, MINIBOSS, s.miniboss_next), 1)
        s.miniboss_next += 1


@njit(cache=True, error_model="numpy")
def hash_foes(s: Any) -> None:
    """Sort the enemies into cells around the player; those beyond fall into the cells at the edge."""
    head, nxt = s.cell_head, s.cell_next
    head[:] = -1
    x0, z0 = s.x - _F(HASH * HASH_M / 2), s.z - _F(HASH * HASH_M / 2)
    fx, fz = s.foe_x, s.foe_z
    for i in range(s.foes):
        cx = min(max(int((fx[i] - x0) * _F(1.0 / HASH_M)), 0), HASH - 1)
        cz = min(max(int((fz[i] - z0) * _F(1.0 / HASH_M)), 0), HASH - 1)
        c = cz * HASH + cx
        nxt[i] = head[c]
        head[c] = i


@njit(cache=True, error_model="numpy")
def _separate(s: Any, rules: Any, first: int) -> None:
    """Push every fourth enemy away from those of its cell that it overlaps."""
    fx, fz, nxt, kinds, radius = s.foe_x, s.foe_z, s.cell_next, s.foe_kind, rules.foe_radius
    for i in range(first, s.foes, 4):
        ri = radius[kinds[i]]
        j = nxt[i]
        budget = 6
        while j >= 0 and budget > 0:
            dx, dz = fx[i] - fx[j], fz[i] - fz[j]
            room = (ri + radius[kinds[j]]) * _F(0.8)
            d2 = dx * dx + dz * dz
            if d2 < room * room:
                d = _F(math.sqrt(d2)) + _F(1e-3)
                push = (room - d) * _F(0.25) / d
                fx[i] += dx * push
                fz[i] += dz * push
                fx[j] -= dx * push
                fz[j] -= dz * push
            j = nxt[j]
            budget -= 1


@njit(cache=True, error_model="numpy")
def _settle(s: Any, rules: Any, first: int) -> None:
    """For every fourth enemy: trees, ground, and return of those left far behind."""
    fx, fy, fz, kinds = s.foe_x, s.foe_y, s.foe_z, s.foe_kind
    px, pz = s.x, s.z
    tree_x, tree_z, tree_r = s.tree_x, s.tree_z, s.tree_r
    for i in range(first, s.foes, 4):
        flies = rules.foe_flies[kinds[i]] != 0
        if not flies:
            t = tree_near(s, fx[i], fz[i], 0.4)
            if t >= 0:
                dx, dz = fx[i] - tree_x[t], fz[i] - tree_z[t]
                r = _F(math.sqrt(dx * dx + dz * dz)) + _F(1e-3)
                out = (tree_r[t] + _F(0.4)) / r
                # A little to the side as well, so that nobody is stuck behind a trunk.
                fx[i] = tree_x[t] + dx * out + dz * _F(0.3)
                fz[i] = tree_z[t] + dz * out - dx * _F(0.3)
        fy[i] = height_at(s, fx[i], fz[i]) + (_F(0.8) if flies else _F(0.0))
        dx, dz = px - fx[i], pz - fz[i]
        if dx * dx + dz * dz > _F(FAR_M * FAR_M):
            angle = uniform(s) * _F(2 * math.pi)
            fx[i] = _F(min(max(px + _F(RING_M) * math.sin(angle), -EDGE_M), EDGE_M))
            fz[i] = _F(min(max(pz + _F(RING_M) * math.cos(angle), -EDGE_M), EDGE_M))


@njit(cache=True, error_model="numpy")
def _advance(s: Any, rules: Any, step: Any) -> None:
    """Every enemy goes towards the player, and is pushed on by what hit it."""
    fx, fz, vx, vz = s.foe_x, s.foe_z, s.foe_vx, s.foe_vz
    kinds, slow, speeds = s.foe_kind, s.foe_slow_s, rules.foe_speed
    px, pz = s.x, s.z
    fade = _F(1.0) - step * _F(6.0)
    stride = (_F(1.0) + min(s.swarm_s * _F(0.006), _F(5.0))) * step
    for i in range(s.foes):
        dx, dz = px - fx[i], pz - fz[i]
        speed = speeds[kinds[i]] * stride * (_F(0.4) if slow[i] > 0 else _F(1.0))
        share = speed / (_F(math.sqrt(dx * dx + dz * dz)) + _F(1e-4))
        fx[i] += dx * share + vx[i] * step
        fz[i] += dz * share + vz[i] * step
        vx[i] *= fade
        vz[i] *= fade
        slow[i] -= step


@njit(cache=True, error_model="numpy")
def move_foes(s: Any, rules: Any, dt: Any) -> Any:
    """Move all enemies; returns the hardest blow of those that touch the player, after armor.

    Armor counts half against stage bosses.
    """
    step = _F(dt)
    _advance(s, rules, step)
    first = (4 - (s.tick & 3)) & 3
    _separate(s, rules, first)
    _settle(s, rules, first)
    fx, fy, fz, wait_s = s.foe_x, s.foe_y, s.foe_z, s.foe_hit_s
    px, py, pz = s.x, s.y, s.z
    hurt = _F(0.0)
    for i in range(s.foes):
        wait_s[i] -= step
        dx, dz = px - fx[i], pz - fz[i]
        if dx * dx + dz * dz > _F(REACH_MOST_M * REACH_MOST_M) or wait_s[i] > 0:
            continue
        kind = s.foe_kind[i]
        reach = rules.foes[kind, 5] * (_F(1.5) if s.foe_elite[i] else _F(1.0)) + _F(PLAYER_RADIUS_M)
        if dx * dx + dz * dz < reach * reach and abs(py - fy[i]) < _F(1.8):
            wait_s[i] = _F(HIT_WAIT_S)
            armor = _F(st.shown_armor(s.stats[st.ARMOR])) * (_F(0.5) if rules.foe_role[kind] == BOSS else _F(1.0))
            blow = rules.foes[kind, 1] * damage_factor(s, rules) * (_F(1.3) if s.foe_elite[i] else _F(1.0))
            hurt = max(hurt, blow * (_F(1.0) - armor))
    return hurt
