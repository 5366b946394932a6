"""The arena's content, read from its data files into names for people and arrays for the rules.

Owns no state of a run.
"""

from __future__ import annotations

import functools
import tomllib
from importlib import resources
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from agent.core.errors import GameError

STATS: Final = (
    "max_hp", "regen", "shield", "armor", "evasion", "lifesteal", "thorns", "damage", "crit_chance", "crit_damage",
    "attack_speed", "projectiles", "bounces", "size", "projectile_speed", "duration", "elite_damage", "knockback",
    "move_speed", "extra_jumps", "jump_height", "luck", "difficulty", "pickup_range", "xp_gain", "gold_gain",
    "powerup_chance",
)  # fmt: skip
# Stats whose bonuses are additions to a factor; all others are raised by flat amounts.
SHARES: Final = frozenset(
    {
        "damage", "attack_speed", "size", "projectile_speed", "duration", "elite_damage", "knockback", "move_speed",
        "jump_height", "pickup_range", "xp_gain", "gold_gain", "powerup_chance",
    }
)  # fmt: skip
WAYS: Final = (
    "bolt", "bounce", "arc", "aura", "spiral", "pierce", "chain", "trail", "seek", "boomerang", "frost", "orbit",
    "mine",
)  # fmt: skip
SPECIALS: Final = ("", "free_chest", "poison", "heal_drop", "freeze", "explode", "strike", "save")
ROLES: Final = ("wave", "miniboss", "boss", "swarm")
WEAPON_STATS: Final = (
    "damage", "count", "cooldown", "burst", "duration", "speed", "bounces", "knockback", "crit", "radius", "size",
)  # fmt: skip
RARITIES: Final = ("Common", "Uncommon", "Rare", "Epic", "Legendary")
ITEM_RARITIES: Final = ("Common", "Rare", "Epic", "Legendary")

# What one level of a weapon adds for a common card, by stat: as a share of the base (damage, size, speed, duration)
# or as it stands (count, bounces, crit).
STEP_SHARE: Final = {"damage": 0.2, "size": 0.12, "speed": 0.15, "duration": 0.15}
STEP_FLAT: Final = {"count": 1.0, "bounces": 1.0, "crit": 0.07}

F32 = NDArray[np.float32]
I32 = NDArray[np.int32]


class Rules(NamedTuple):
    """Everything that the compiled rules read; rows in the order of the data files.

    base, per_level: [characters, stats]. weapons: [weapons, weapon stats]. steps: [weapons, 4] indices of weapon
    stats, −1 for none. is_share: [stats] 1 where bonuses are additions. items: [items, stats] bonuses of one item;
    item_times: [items, stats] factors of one item. foes: [kinds, 7] = health, damage, speed, cost, after, radius,
    resist; foe_speed, foe_radius: [kinds] the same in m/s and m, close together.
    curves: see `CURVES`.
    """

    base: F32
    is_share: I32
    per_level: F32
    first_weapon: I32
    weapons: F32
    weapon_way: I32
    weapon_steps: I32
    tome_stat: I32
    tome_value: F32
    items: F32
    item_times: F32
    item_rarity: I32
    item_special: I32
    item_value: F32
    foes: F32
    foe_speed: F32
    foe_radius: F32
    foe_role: I32
    foe_flies: I32
    tiers: F32
    timers_s: F32
    counts: I32
    player: F32
    curves: F32
    miniboss_left_s: F32


CURVES: Final = (
    "health_per_min", "health_per_min2", "damage_per_min", "spawn_first_hz", "spawn_per_min_hz", "alive_first",
    "alive_per_min", "alive_most", "elite_first", "elite_per_min", "swarm_health_doubling_s",
    "swarm_damage_doubling_s", "swarm_spawn_hz",
)  # fmt: skip
PLAYER: Final = (
    "walk_speed_m_s", "gravity_m_s2", "jump_speed_m_s", "slide_speed_factor", "slide_s", "hurt_cooldown_s",
    "shield_delay_s", "weapon_slots", "tome_slots", "refreshes", "skips", "banishes",
)  # fmt: skip
COUNTS: Final = ("chests", "charge_shrines", "greed_shrines", "pots", "trees", "size_m")


class Catalog(msgspec.Struct, frozen=True, eq=False):
    """Names and texts for people, and the rules' arrays."""

    rules: Rules
    tick_s: float
    characters: tuple[dict[str, Any], ...]
    weapons: tuple[dict[str, Any], ...]
    tomes: tuple[dict[str, Any], ...]
    items: tuple[dict[str, Any], ...]
    foes: tuple[dict[str, Any], ...]
    map_name: str


def _read(name: str) -> dict[str, Any]:
    text = resources.files("agent.games.arena").joinpath("data", name).read_text(encoding="utf-8")
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise GameError(f"arena data {name}: {error}") from error


def _row(table: dict[str, Any], where: str, start: F32 | None = None) -> F32:
    """A vector of stats from a table of them, over `start`."""
    row = np.zeros(len(STATS), np.float32) if start is None else start.copy()
    for name, value in table.items():
        if name not in STATS:
            raise GameError(f"arena data {where}: {name} is not a stat")
        row[STATS.index(name)] = value
    return row


def _pick(table: dict[str, Any], names: tuple[str, ...], where: str) -> F32:
    missing = [name for name in names if name not in table]
    if missing:
        raise GameError(f"arena data {where}: {', '.join(missing)} missing")
    return np.array([table[name] for name in names], np.float32)


def _weapon_arrays(weapons: list[dict[str, Any]]) -> tuple[F32, I32, I32]:
    values = np.stack([_pick({"size": 1.0, **w}, WEAPON_STATS, f"weapon {w['name']}") for w in weapons])
    ways = np.array([WAYS.index(w["way"]) for w in weapons], np.int32)
    steps = np.full((len(weapons), 4), -1, np.int32)
    for i, weapon in enumerate(weapons):
        for j, name in enumerate(weapon["steps"]):
            steps[i, j] = WEAPON_STATS.index(name)
    return values, ways, steps


@functools.cache
def load_catalog() -> Catalog:
    """Read the data files; raises GameError naming the file, the entry and what is wrong."""
    player, stage = _read("player.toml"), _read("stages.toml")
    characters = _read("characters.toml")["character"]
    weapons = _read("weapons.toml")["weapon"]
    tomes, items, foes = _read("tomes.toml")["tome"], _read("items.toml")["item"], _read("enemies.toml")["enemy"]
    common = _row(player["base"], "player.toml")
    names = [w["name"] for w in weapons]
    values, ways, steps = _weapon_arrays(weapons)
    rules = Rules(
        base=np.stack([_row(c["base"], c["name"], common) for c in characters]),
        is_share=np.array([name in SHARES for name in STATS], np.int32),
        per_level=np.stack([_row(c["per_level"], c["name"]) for c in characters]),
        first_weapon=np.array([names.index(c["weapon"]) for c in characters], np.int32),
        weapons=values,
        weapon_way=ways,
        weapon_steps=steps,
        tome_stat=np.array([STATS.index(t["stat"]) for t in tomes], np.int32),
        tome_value=np.array([t["value"] for t in tomes], np.float32),
        items=np.stack([_row(i.get("stats", {}), i["name"]) for i in items]),
        item_times=np.stack([_row(i.get("times", {}), i["name"], np.ones(len(STATS), np.float32)) for i in items]),
        item_rarity=np.array([i["rarity"] for i in items], np.int32),
        item_special=np.array([SPECIALS.index(i.get("special", "")) for i in items], np.int32),
        item_value=np.array([i.get("value", 0.0) for i in items], np.float32),
        foes=np.stack(
            [_pick(f, ("hp", "damage", "speed", "cost", "after", "radius", "resist"), f["name"]) for f in foes]
        ),
        foe_speed=np.array([f["speed"] for f in foes], np.float32),
        foe_radius=np.array([f["radius"] for f in foes], np.float32),
        foe_role=np.array([ROLES.index(f.get("role", "wave")) for f in foes], np.int32),
        foe_flies=np.array([f.get("flies", False) for f in foes], np.int32),
        tiers=np.array(stage["tiers"], np.float32),
        timers_s=np.array(stage["timers_s"], np.float32),
        counts=_pick(stage, COUNTS, "stages.toml").astype(np.int32),
        player=_pick(player, PLAYER, "player.toml"),
        curves=_pick(stage["curves"], CURVES, "stages.toml"),
        miniboss_left_s=np.array(stage["curves"]["miniboss_left_s"], np.float32),
    )
    return Catalog(
        rules,
        1.0 / player["tick_hz"],
        tuple(characters),
        tuple(weapons),
        tuple(tomes),
        tuple(items),
        tuple(foes),
        str(stage["map"]),
    )
