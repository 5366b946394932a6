"""One tick of one world, and of many."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

from agent.games.arena import offers, things
from agent.games.arena import stats as st
from agent.games.arena.chance import uniform
from agent.games.arena.damage import bury
from agent.games.arena.foes import hash_foes, move_foes, spawn
from agent.games.arena.shots import fly
from agent.games.arena.state import DEAD, PLAY, SLOTS, WON
from agent.games.arena.terrain import EDGE_M, generate, height_at, tree_near
from agent.games.arena.weapons import fire_weapons

_F = np.float32
TICK_S = 1.0 / 60.0
PITCH_LOW, PITCH_HIGH = -1.0, 0.6


@njit(cache=True)
def begin(s: Any, rules: Any, seed: int, character: int, tier: int) -> None:
    """Set one world, all zero, to the first tick of a run."""
    s.seed = s.rng = np.uint64(seed)
    for _ in range(4):
        uniform(s)
    s.character, s.tier, s.mortal = character, tier, 1
    s.weapon[:] = -1
    s.tome[:] = -1
    s.refreshes, s.skips, s.banishes = int(rules.player[9]), int(rules.player[10]), int(rules.player[11])
    s.level = 1
    s.next_xp = st.xp_for_level(1)
    s.near_thing = -1
    st.recompute(s, rules)
    s.hp = s.stats[st.MAX_HP]
    s.shield = s.stats[st.SHIELD]
    st.give_weapon(s, rules, rules.first_weapon[character])
    generate(s, rules.counts[4])
    things.scatter(s, rules)
    s.y = height_at(s, 0.0, 0.0)
    s.pitch = _F(-0.25)


@njit(cache=True)
def _look(s: Any, c: Any) -> None:
    turn = _F(math.pi * TICK_S)
    yaw = s.yaw + min(max(c.look_x, _F(-1.0)), _F(1.0)) * turn
    if yaw > math.pi:
        yaw -= _F(2 * math.pi)
    elif yaw < -math.pi:
        yaw += _F(2 * math.pi)
    s.yaw = yaw
    s.pitch = min(max(s.pitch + min(max(c.look_y, _F(-1.0)), _F(1.0)) * turn, _F(PITCH_LOW)), _F(PITCH_HIGH))


@njit(cache=True)
def _move(s: Any, rules: Any, c: Any) -> None:
    """Walk, jump and slide over the ground; trees and the rim stand in the way."""
    dt = _F(TICK_S)
    p = rules.player
    mx, my = min(max(c.move_x, _F(-1.0)), _F(1.0)), min(max(c.move_y, _F(-1.0)), _F(1.0))
    size = _F(math.sqrt(mx * mx + my * my))
    if size > 1:
        mx, my = mx / size, my / size
    sin, cos = _F(math.sin(s.yaw)), _F(math.cos(s.yaw))
    wx, wz = mx * cos + my * sin, my * cos - mx * sin
    speed = p[0] * s.stats[st.MOVE_SPEED]
    pressed = s.held
    s.held = c.jump | (c.slide << 1) | (c.interact << 2)
    if (s.held & ~pressed) & 2 and s.grounded and s.slide_s <= 0:
        s.slide_s = p[4]
    if s.slide_s > 0:
        s.slide_s -= dt
        speed *= p[3]
    grip = _F(12.0) if s.grounded else _F(5.4)
    s.vx += (wx * speed - s.vx) * min(grip * dt, _F(1.0))
    s.vz += (wz * speed - s.vz) * min(grip * dt, _F(1.0))
    if (s.held & ~pressed) & 1 and (s.grounded or s.jumps > 0):
        if not s.grounded:
            s.jumps -= 1
        s.vy = p[2] * _F(math.sqrt(s.stats[st.JUMP_HEIGHT]))
        s.grounded = 0
    if size > _F(0.1):
        s.facing = _F(math.atan2(s.vx, s.vz))
    x = min(max(s.x + s.vx * dt, _F(-EDGE_M)), _F(EDGE_M))
    z = min(max(s.z + s.vz * dt, _F(-EDGE_M)), _F(EDGE_M))
    t = tree_near(s, x, z, 0.45)
    if t >= 0:
        dx, dz = x - s.tree_x[t], z - s.tree_z[t]
        d = _F(math.sqrt(dx * dx + dz * dz)) + _F(1e-3)
        out = (s.tree_r[t] + _F(0.45)) / d
        x, z = s.tree_x[t] + dx * out, s.tree_z[t] + dz * out
    ground = height_at(s, x, z)
    rise = ground - s.y
    if rise > _F(0.9) * _F(abs(x - s.x) + abs(z - s.z)) + _F(0.25) and s.grounded:
        x, z, ground = s.x, s.z, height_at(s, s.x, s.z)
    s.x, s.z = x, z
    s.vy -= p[1] * dt
    s.y += s.vy * dt
    if s.y <= ground or (s.grounded and s.vy < 0 and s.y < ground + _F(0.4)):
        s.y, s.vy, s.grounded = ground, _F(0.0), 1
        s.jumps = int(s.stats[st.EXTRA_JUMPS])
    else:
        s.grounded = 0


@njit(cache=True)
def _hurt(s: Any, rules: Any, damage: float) -> None:
    """Take one blow, armor already counted: evasion, shield, then health; die unless an item saves."""
    if damage <= 0 or s.hurt_wait_s > 0:
        return
    if uniform(s) < st.shown_evasion(s.stats[st.EVASION]):
        s.hurt_wait_s = rules.player[5]
        return
    amount = max(_F(damage), _F(1.0))
    s.hurt_wait_s, s.unhurt_s = rules.player[5], _F(0.0)
    s.taken += amount
    kept = min(s.shield, amount)
    s.shield -= kept
    if s.mortal:
        s.hp -= amount - kept
    if s.stats[st.THORNS] > 0:
        for i in range(s.foes):
            dx, dz = s.foe_x[i] - s.x, s.foe_z[i] - s.z
            if dx * dx + dz * dz < 6.0:
                s.foe_hp[i] -= s.stats[st.THORNS]
                s.dealt += s.stats[st.THORNS]
    if s.hp <= 0:
        if s.saves > 0:
            s.saves -= 1
            s.hp = s.stats[st.MAX_HP] * _F(0.5)
            s.hurt_wait_s = _F(2.0)
        else:
            s.hp = _F(0.0)
            s.phase = DEAD


@njit(cache=True)
def _heal(s: Any, rules: Any) -> None:
    dt = _F(TICK_S)
    s.hurt_wait_s = max(_F(0.0), s.hurt_wait_s - dt)
    s.unhurt_s += dt
    if s.stats[st.REGEN] > 0:
        s.hp = min(s.hp + s.stats[st.REGEN] / _F(60.0) * dt, s.stats[st.MAX_HP])
    if s.unhurt_s > rules.player[6] and s.shield < s.stats[st.SHIELD]:
        s.shield = min(s.shield + s.stats[st.SHIELD] * dt * _F(0.5), s.stats[st.SHIELD])


@njit(cache=True)
def tick(s: Any, rules: Any, c: Any) -> None:
    """Advance one world by one tick; in a paused phase only a choice has an effect, after the end nothing has."""
    s.tick += 1
    if s.phase != PLAY:
        if s.phase < DEAD and c.choice >= 0:
            offers.choose(s, rules, c.choice)
        if s.phase == PLAY and s.pending > 0:
            offers.open_level_up(s, rules)
        return
    dt = TICK_S
    s.time_s += _F(dt)
    s.stage_s += _F(dt)
    if s.swarm_s > 0 or s.stage_s > rules.timers_s[s.stage]:
        s.swarm_s += _F(dt)
    before = s.held
    _look(s, c)
    _move(s, rules, c)
    spawn(s, rules, dt)
    hash_foes(s)
    fire_weapons(s, rules, dt)
    fly(s, rules, dt)
    hurt = move_foes(s, rules, dt)
    bury(s, rules)
    if s.boss_state == 1 and s.boss_left <= 0:
        things.boss_died(s)
    elif s.boss_state == 2 and s.swarm_s <= 0:
        s.boss_left -= 1
        if s.boss_left < -int(things.SWARM_AFTER_BOSS_S * 60):
            s.swarm_s = _F(dt)
    _hurt(s, rules, hurt)
    _heal(s, rules)
    if s.phase != PLAY:
        return
    things.collect(s, rules, dt)
    things.visit(s, rules, dt, (s.held & ~before) & 4 != 0)
    if s.phase == PLAY and s.pending > 0:
        offers.open_level_up(s, rules)


@njit(cache=True)
def tick_all(worlds: Any, rules: Any, controls: Any) -> None:
    """Advance every world by one tick."""
    for w in range(worlds.shape[0]):
        tick(worlds[w], rules, controls[w])


@njit(cache=True)
def tick_many(worlds: Any, rules: Any, controls: Any, ticks: int) -> int:
    """Advance every world by `ticks` ticks with unchanged controls; returns how many world-ticks were played."""
    played = 0
    for _ in range(ticks):
        for w in range(worlds.shape[0]):
            played += worlds[w].phase == PLAY
            tick(worlds[w], rules, controls[w])
    return played


def is_over(phase: int) -> bool:
    """True in the phases that end a run."""
    return phase in (DEAD, WON)


def slots_used(world: Any) -> int:
    """How many weapon slots hold a weapon."""
    return int((world["weapon"][:SLOTS] >= 0).sum())
