"""What the wire carries of a world, gathered in one compiled pass."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from agent.core.columns import EnemyColumn
from agent.core.types import ObjectKind
from agent.games.arena import state as layout
from agent.games.arena.foes import BOSS, MINIBOSS

_F = np.float32
_ELITE = 128
_THINGS = np.full(16, ObjectKind.OTHER, np.uint8)
_THINGS[layout.THING_CHEST] = ObjectKind.CHEST
_THINGS[[layout.THING_SHRINE, layout.THING_GREED]] = ObjectKind.SHRINE
_THINGS[[layout.THING_PORTAL, layout.THING_EXIT]] = ObjectKind.PORTAL


@njit(cache=True)
def seen(s: Any, rules: Any) -> Any:
    """Enemies f32 [n, 4] = x, y, z, health; their kinds u8 [n], elites and bosses with bit 7; then drops and unused
    things: kinds u8 [m] (`ObjectKind`), positions f32 [m, 3].
    """
    n = s.foes
    enemies, kinds = np.empty((n, 4), _F), np.empty(n, np.uint8)
    fx, fy, fz, hp, kind, elite = s.foe_x, s.foe_y, s.foe_z, s.foe_hp, s.foe_kind, s.foe_elite
    for i in range(n):
        enemies[i, EnemyColumn.X], enemies[i, EnemyColumn.Y], enemies[i, EnemyColumn.Z] = fx[i], fy[i], fz[i]
        enemies[i, EnemyColumn.HEALTH] = hp[i]
        role = rules.foe_role[kind[i]]
        strong = elite[i] != 0 or role == MINIBOSS or role == BOSS
        kinds[i] = kind[i] | (_ELITE if strong else 0)
    drops, things, used, thing_kind = s.drops, s.things, s.thing_used, s.thing_kind
    total = drops
    for j in range(things):
        total += used[j] == 0
    object_kinds, positions = np.empty(total, np.uint8), np.empty((total, 3), _F)
    drop_x, drop_z, drop_kind = s.drop_x, s.drop_z, s.drop_kind
    for i in range(drops):
        object_kinds[i] = drop_kind[i]
        positions[i, 0], positions[i, 1], positions[i, 2] = drop_x[i], s.y, drop_z[i]
    thing_x, thing_z = s.thing_x, s.thing_z
    i = drops
    for j in range(things):
        if used[j] == 0:
            object_kinds[i] = _THINGS[thing_kind[j]]
            positions[i, 0], positions[i, 1], positions[i, 2] = thing_x[j], s.y, thing_z[j]
            i += 1
    return enemies, kinds, object_kinds, positions
