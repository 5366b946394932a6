"""The whole state of a run as one record, so that worlds are rows of an array, copied and hashed as bytes.

Units: metres, seconds, radians. Rows of a list beyond its count are meaningless. Capacities are rules: when a list is
full nothing is added to it.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from agent.games.arena.catalog import STATS, WEAPON_STATS

MAX_FOES: Final = 320
MAX_SHOTS: Final = 192
MAX_DROPS: Final = 320
MAX_THINGS: Final = 96
MAX_TREES: Final = 160
SLOTS: Final = 4
MAX_ITEMS: Final = 32
MAX_TOMES: Final = 32
MAX_WEAPONS: Final = 32
GRID: Final = 97
CELL_M: Final = 2.0
HASH: Final = 16
HASH_M: Final = 4.0

PLAY: Final = 0
LEVEL_UP: Final = 1
CHEST: Final = 2
ENCOUNTER: Final = 3
DEAD: Final = 4
WON: Final = 5

NONE: Final = -1
TAKE_FIRST: Final = 0
REROLL: Final = 3
SKIP: Final = 4
BANISH: Final = 5

OFFER_WEAPON_NEW: Final = 0
OFFER_WEAPON: Final = 1
OFFER_TOME: Final = 2
OFFER_STAT: Final = 3
OFFER_ITEM: Final = 4
OFFER_HEAL: Final = 5

DROP_XP: Final = 1
DROP_GOLD: Final = 2
DROP_HEALTH: Final = 3

THING_CHEST: Final = 4
THING_SHRINE: Final = 5
THING_PORTAL: Final = 6
THING_POT: Final = 7
THING_GREED: Final = 8
THING_EXIT: Final = 9

_F, _I, _B = "f4", "i4", "u1"
WORLD: Final = np.dtype(
    [
        ("rng", "u8"), ("seed", "u8"), ("tick", "i8"),
        ("phase", _I), ("character", _I), ("tier", _I), ("stage", _I), ("mortal", _I),
        ("time_s", _F), ("stage_s", _F), ("swarm_s", _F),
        ("x", _F), ("y", _F), ("z", _F), ("vx", _F), ("vy", _F), ("vz", _F), ("yaw", _F), ("pitch", _F),
        ("facing", _F), ("grounded", _I), ("jumps", _I), ("slide_s", _F), ("held", _I),
        ("hp", _F), ("shield", _F), ("unhurt_s", _F), ("hurt_wait_s", _F),
        ("xp", _F), ("level", _I), ("level_xp", _F), ("next_xp", _F), ("pending", _I),
        ("gold", _F), ("kills", _I), ("elites", _I), ("bosses", _I), ("dealt", _F), ("taken", _F),
        ("chests_bought", _I), ("saves", _I),
        ("stats", _F, (len(STATS),)), ("added", _F, (len(STATS),)), ("worth", _F, (len(STATS),)),
        ("weapon", _I, (SLOTS,)), ("weapon_level", _I, (SLOTS,)), ("weapon_wait_s", _F, (SLOTS,)),
        ("weapon_left", _I, (SLOTS,)), ("weapon_burst_s", _F, (SLOTS,)),
        ("weapon_stats", _F, (SLOTS, len(WEAPON_STATS))),
        ("tome", _I, (SLOTS,)), ("tome_level", _I, (SLOTS,)),
        ("items", _I, (MAX_ITEMS,)),
        ("banned_weapon", _B, (MAX_WEAPONS,)), ("banned_tome", _B, (MAX_TOMES,)), ("banned_item", _B, (MAX_ITEMS,)),
        ("refreshes", _I), ("skips", _I), ("banishes", _I),
        ("offer_kind", _I, (3,)), ("offer_id", _I, (3,)), ("offer_rarity", _I, (3,)),
        ("offer_stat", _I, (3, 2)), ("offer_value", _F, (3, 2)),
        ("spawn_credit", _F), ("miniboss_next", _I), ("boss_state", _I), ("boss_left", _I),
        ("foes", _I), ("foe_x", _F, (MAX_FOES,)), ("foe_y", _F, (MAX_FOES,)), ("foe_z", _F, (MAX_FOES,)),
        ("foe_vx", _F, (MAX_FOES,)), ("foe_vz", _F, (MAX_FOES,)), ("foe_hp", _F, (MAX_FOES,)),
        ("foe_most", _F, (MAX_FOES,)), ("foe_kind", _I, (MAX_FOES,)), ("foe_elite", _I, (MAX_FOES,)),
        ("foe_hit_s", _F, (MAX_FOES,)), ("foe_slow_s", _F, (MAX_FOES,)), ("foe_poison", _F, (MAX_FOES,)),
        ("foe_uid", _I, (MAX_FOES,)), ("next_uid", _I),
        ("shots", _I), ("shot_x", _F, (MAX_SHOTS,)), ("shot_y", _F, (MAX_SHOTS,)), ("shot_z", _F, (MAX_SHOTS,)),
        ("shot_vx", _F, (MAX_SHOTS,)), ("shot_vz", _F, (MAX_SHOTS,)), ("shot_life_s", _F, (MAX_SHOTS,)),
        ("shot_age_s", _F, (MAX_SHOTS,)), ("shot_damage", _F, (MAX_SHOTS,)), ("shot_radius", _F, (MAX_SHOTS,)),
        ("shot_way", _I, (MAX_SHOTS,)), ("shot_slot", _I, (MAX_SHOTS,)), ("shot_left", _I, (MAX_SHOTS,)),
        ("shot_last", _I, (MAX_SHOTS,)), ("shot_wait_s", _F, (MAX_SHOTS,)), ("shot_phase", _F, (MAX_SHOTS,)),
        ("drops", _I), ("drop_x", _F, (MAX_DROPS,)), ("drop_z", _F, (MAX_DROPS,)), ("drop_kind", _I, (MAX_DROPS,)),
        ("drop_value", _F, (MAX_DROPS,)), ("drop_pulled", _I, (MAX_DROPS,)),
        ("things", _I), ("thing_x", _F, (MAX_THINGS,)), ("thing_z", _F, (MAX_THINGS,)),
        ("thing_kind", _I, (MAX_THINGS,)), ("thing_used", _I, (MAX_THINGS,)), ("thing_charge", _F, (MAX_THINGS,)),
        ("chest_item", _I), ("near_thing", _I),
        ("trees", _I), ("tree_x", _F, (MAX_TREES,)), ("tree_z", _F, (MAX_TREES,)), ("tree_r", _F, (MAX_TREES,)),
        ("tree_cell", "i2", (GRID, GRID)), ("height", _F, (GRID, GRID)),
        ("cell_head", "i2", (HASH * HASH,)), ("cell_next", "i2", (MAX_FOES,)),
    ],
    align=True,
)  # fmt: skip

CONTROL: Final = np.dtype(
    [
        ("move_x", _F), ("move_y", _F), ("look_x", _F), ("look_y", _F),
        ("jump", _I), ("slide", _I), ("interact", _I), ("choice", _I),
    ],
    align=True,
)  # fmt: skip
