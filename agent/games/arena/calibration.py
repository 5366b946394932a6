"""The installed game's own tables, as BonkLink wrote them, over the arena's catalog.

Reads one JSON file (schema `bonklink-game-data/1`), checks all of it, and gives a new catalog; the rules' sources and
data files stay as they are. What the arena measures in units of its own (radii, speeds of projectiles, durations) and
what its compiled rules hold themselves (the XP curve) is not taken. Owns no run.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec
import numpy as np

from agent.core.errors import SettingsError
from agent.core.files import read_text
from agent.games.arena.catalog import ROLES, STATS, WEAPON_STATS, Catalog, load_catalog

MAP: Final = "Forest"
FOES: Final = ("hp", "damage", "speed", "cost", "after", "radius", "resist")
# The game's names of stats whose base value means the same in the arena.
BASE_STATS: Final = {
    "MaxHealth": "max_hp", "HealthRegen": "regen", "Shield": "shield", "Thorns": "thorns", "Armor": "armor",
    "Evasion": "evasion", "Lifesteal": "lifesteal", "CritChance": "crit_chance", "CritDamage": "crit_damage",
    "Luck": "luck",
}  # fmt: skip

_Positive = Annotated[float, msgspec.Meta(gt=0, le=1e9)]
_Share = Annotated[float, msgspec.Meta(ge=0, le=1e9)]
_Signed = Annotated[float, msgspec.Meta(ge=-1e9, le=1e9)]
_Count = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]


class _Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class Modifier(_Table, frozen=True):
    """One change of a stat: its name, how it is applied, and by how much."""

    stat: str
    way: str
    value: _Signed


class Enemy(_Table, frozen=True):
    """One row of the game's enemies."""

    id: _Count
    name: str
    hp: Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)]
    damage: _Count
    speed: _Positive
    cost: _Share
    after_s: _Share
    radius: _Share
    knockback_resistance: _Share
    xp: _Count
    flies: bool
    can_be_elite: bool
    maps: _Count


class Weapon(_Table, frozen=True):
    """One row of the game's weapons."""

    id: _Count
    name: str
    damage: _Share
    count: _Count
    cooldown_s: _Share
    burst_s: _Share
    min_burst_interval_s: _Share
    duration_s: _Share
    speed: _Share
    bounces: _Count
    knockback: _Share
    crit: _Share
    upgrades: tuple[Modifier, ...] = ()


class Tome(_Table, frozen=True):
    """One row of the game's tomes."""

    id: _Count
    name: str
    stat: str
    way: str
    value: _Signed


class Item(_Table, frozen=True):
    """One row of the game's items."""

    id: _Count
    name: str
    rarity: str


class Character(_Table, frozen=True):
    """One row of the game's characters."""

    id: _Count
    name: str
    weapon: str
    modifiers: tuple[Modifier, ...] = ()


class TierStage(_Table, frozen=True):
    """One stage of one map; mini-bosses come when so much time is left."""

    map: str
    stage: _Count
    stage_time_s: _Positive
    check_new_enemy_s: _Share
    miniboss_left_s: tuple[_Signed, ...] = ()


class GameData(_Table, frozen=True):
    """The whole file."""

    schema: Literal["bonklink-game-data/1"]
    game_version: str
    fixed_delta_s: _Positive
    xp_for_levels: tuple[_Count, ...]
    enemies: tuple[Enemy, ...]
    weapons: tuple[Weapon, ...]
    tomes: tuple[Tome, ...]
    items: tuple[Item, ...]
    characters: tuple[Character, ...]
    stages: tuple[TierStage, ...]
    base_stats: dict[str, float]


class Calibration(msgspec.Struct, frozen=True, eq=False):
    """A catalog with the game's values; `name` is to stand beside the rules' hash, `taken` counts what came over."""

    catalog: Catalog
    name: str
    taken: dict[str, int]


def load_calibration(path: Path) -> Calibration:
    """Read and check a file; raises SettingsError naming the file, the place in it and what is wrong."""
    try:
        text = read_text(path).encode()
    except OSError as error:
        raise SettingsError(f"--calibration {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"--calibration {path}: not text: {error}") from error
    try:
        data = msgspec.json.decode(text, type=GameData)
    except (msgspec.ValidationError, msgspec.DecodeError, RecursionError) as error:
        raise SettingsError(f"--calibration {path}: {error}") from error
    catalog, taken = apply(data, load_catalog())
    if not any(taken.values()):
        raise SettingsError(f"--calibration {path}: none of its rows is in the arena; was the dump cut short?")
    return Calibration(catalog, f"{data.game_version}:{hashlib.sha256(text).hexdigest()[:16]}", taken)


def apply(data: GameData, catalog: Catalog) -> tuple[Catalog, dict[str, int]]:
    """A new catalog, and how many rows of each table were taken."""
    rules = catalog.rules
    weapons, weapon_rows = _weapons(data, catalog)
    foes, foe_rows = _foes(data, catalog)
    tomes = {t.id: t.value for t in data.tomes}
    tome_value = [tomes.get(t["id"], old) for t, old in zip(catalog.tomes, rules.tome_value, strict=True)]
    timers, minibosses = _stages(data, catalog)
    base, stats = _base(data.base_stats, catalog)
    starters, first = _characters(data, catalog)
    changed = rules._replace(
        weapons=weapons,
        foes=foes,
        foe_speed=foes[:, FOES.index("speed")].copy(),
        foe_flies=_flies(data, catalog),
        tome_value=np.array(tome_value, np.float32),
        timers_s=timers,
        miniboss_left_s=minibosses,
        base=base,
        first_weapon=first,
    )
    taken = {
        "enemies": foe_rows,
        "weapons": weapon_rows,
        "tomes": sum(t["id"] in tomes for t in catalog.tomes),
        "stages": sum(s.map == MAP for s in data.stages),
        "base_stats": stats,
        "characters": starters,
    }
    return msgspec.structs.replace(catalog, rules=changed), taken


def _weapons(data: GameData, catalog: Catalog) -> tuple[Any, int]:
    rows, known = catalog.rules.weapons.copy(), {w.id: w for w in data.weapons}
    taken = 0
    for row, old in zip(rows, catalog.weapons, strict=True):
        weapon = known.get(old["id"])
        if weapon is None:
            continue
        taken += 1
        values = {"damage": weapon.damage, "count": weapon.count, "knockback": weapon.knockback, "crit": weapon.crit}
        if weapon.cooldown_s > 0:
            values["cooldown"] = weapon.cooldown_s
        for name, value in values.items():
            row[WEAPON_STATS.index(name)] = value
    return rows, taken


def _foes(data: GameData, catalog: Catalog) -> tuple[Any, int]:
    rows, known = catalog.rules.foes.copy(), {e.id: e for e in data.enemies}
    taken = 0
    for row, old in zip(rows, catalog.foes, strict=True):
        enemy = known.get(old["id"])
        if enemy is None:
            continue
        taken += 1
        values = {"hp": enemy.hp, "damage": enemy.damage, "speed": enemy.speed, "resist": enemy.knockback_resistance}
        if enemy.cost > 0:
            values["cost"] = enemy.cost
        if old.get("role", ROLES[0]) == ROLES[0]:
            values["after"] = enemy.after_s
        for name, value in values.items():
            row[FOES.index(name)] = value
    return rows, taken


def _flies(data: GameData, catalog: Catalog) -> Any:
    known = {e.id: e.flies for e in data.enemies}
    old = catalog.rules.foe_flies
    return np.array([known.get(f["id"], o) for f, o in zip(catalog.foes, old, strict=True)], np.int32)


def _stages(data: GameData, catalog: Catalog) -> tuple[Any, Any]:
    """Timers of the map that the arena has, and its mini-bosses where the first stage has as many as the arena."""
    timers, minibosses = catalog.rules.timers_s.copy(), catalog.rules.miniboss_left_s.copy()
    for stage in data.stages:
        if stage.map == MAP and stage.stage < len(timers):
            timers[stage.stage] = stage.stage_time_s
            left = sorted((s for s in stage.miniboss_left_s if s > 0), reverse=True)
            if stage.stage == 0 and len(left) == len(minibosses):
                minibosses[:] = left
    return timers, minibosses


def _base(stats: Mapping[str, float], catalog: Catalog) -> tuple[Any, int]:
    """The common base of every character that has no base of his own for the stat."""
    base, taken = catalog.rules.base.copy(), 0
    for name, stat in BASE_STATS.items():
        value = stats.get(name)
        if value is None or not np.isfinite(value) or value < 0 or (stat == "max_hp" and value == 0):
            continue
        taken += 1
        for row, character in zip(base, catalog.characters, strict=True):
            if stat not in character["base"]:
                row[STATS.index(stat)] = value
    return base, taken


def _characters(data: GameData, catalog: Catalog) -> tuple[int, Any]:
    names = [w["name"] for w in catalog.weapons]
    first, taken = catalog.rules.first_weapon.copy(), 0
    known = {c.id: c.weapon for c in data.characters}
    for index, character in enumerate(catalog.characters):
        weapon = known.get(character["id"])
        if weapon in names:
            first[index] = names.index(weapon)
            taken += 1
    return taken, first
