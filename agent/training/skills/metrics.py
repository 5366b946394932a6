"""What a skill is measured by: numbers that grow within a run of the arena, read from the worlds' records.

Owns no runs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from agent.core.errors import SettingsError
from agent.core.suggest import did_you_mean
from agent.games.arena import state as layout
from agent.games.arena.catalog import load_catalog
from agent.games.arena.stats import chest_price

Counts = NDArray[np.float64]
WEAPON: Final = "weapon:"
SCORE: Final = "score"
"""Seconds survived, a win counting as the whole time."""


class Metric(msgspec.Struct, frozen=True, eq=False):
    """One measure; higher is better. count: of worlds' records [N] so far, of which only growth within a run counts.

    falls: growth is negative, and counts all the same. floor: what a run is thought to have at least, where the measure
    is made comparable with others.
    """

    name: str
    text: str
    count: Callable[[NDArray[Any]], Counts]
    falls: bool = False
    floor: float = 1.0

    def growth(self, before: Counts, after: Counts) -> Counts:
        """What was gained between two counts of the same runs."""
        gained: Counts = after - before
        return gained if self.falls else np.maximum(gained, 0.0)


def _field(name: str) -> Callable[[NDArray[Any]], Counts]:
    return lambda records: records[name].astype(np.float64)


def _gold(records: NDArray[Any]) -> Counts:
    """Gold that was earned: what is there, and what bought chests have cost."""
    spent = np.concatenate(
        [[0.0], np.cumsum([float(chest_price(n)) for n in range(int(records["chests_bought"].max()))])]
    )
    earned: Counts = records["gold"] + spent[records["chests_bought"]]
    return earned


def _shrines(records: NDArray[Any]) -> Counts:
    used = (records["thing_used"] != 0) & (records["thing_kind"] == layout.THING_SHRINE)
    there = np.arange(used.shape[1])[None] < records["things"][:, None]
    counted: Counts = (used & there).sum(1).astype(np.float64)
    return counted


def _levels(records: NDArray[Any]) -> Counts:
    whole: Counts = records["level"] + records["level_xp"].astype(np.float64) / records["next_xp"]
    return whole


def _unhurt(records: NDArray[Any]) -> Counts:
    return -records["taken"].astype(np.float64)


def _bosses(records: NDArray[Any]) -> Counts:
    counted: Counts = records["stage"] + 0.5 * np.minimum(records["boss_state"], 2)
    return counted


METRICS: Final = {
    metric.name: metric
    for metric in (
        Metric("gold", "gold earned", _gold, floor=30.0),
        Metric("chests", "chests bought", _field("chests_bought")),
        Metric("shrines", "shrines charged", _shrines),
        Metric("elites", "elites killed", _field("elites")),
        Metric("kills", "enemies killed", _field("kills"), floor=20.0),
        Metric("levels", "levels reached", _levels),
        Metric("bosses", "bosses killed", _bosses),
        Metric("unhurt", "less damage taken", _unhurt, falls=True, floor=50.0),
        Metric(SCORE, "seconds survived", _field("time_s"), floor=60.0),
    )
}


def weapon_id(name: str) -> int:
    """The arena's number of a weapon by its name; raises SettingsError naming the nearest."""
    names = [str(w["name"]) for w in load_catalog().weapons]
    lower = [n.lower() for n in names]
    if name.lower() not in lower:
        raise SettingsError(f"weapon {name!r}: there are {', '.join(names)}{did_you_mean(name, names)}")
    return lower.index(name.lower())


def weapon_name(name: str) -> str:
    """A weapon's name as the arena writes it; raises SettingsError."""
    return str(load_catalog().weapons[weapon_id(name)]["name"])


def character_id(name: str) -> int:
    """The arena's number of a character by its name; raises SettingsError naming the nearest."""
    names = [str(c["name"]) for c in load_catalog().characters]
    lower = [n.lower() for n in names]
    if name.lower() not in lower:
        raise SettingsError(f"character {name!r}: there are {', '.join(names)}{did_you_mean(name, names)}")
    return lower.index(name.lower())


def metric_of(name: str) -> Metric:
    """The metric of this name, or `weapon:NAME`, the level of a weapon; raises SettingsError."""
    if name.startswith(WEAPON):
        weapon = weapon_id(name.removeprefix(WEAPON))

        def level(records: NDArray[Any]) -> Counts:
            levels: Counts = np.where(records["weapon"] == weapon, records["weapon_level"], 0).sum(1).astype(np.float64)
            return levels

        return Metric(WEAPON + weapon_name(name.removeprefix(WEAPON)), "levels of the weapon", level)
    if name not in METRICS:
        known = [*METRICS, WEAPON + "NAME"]
        raise SettingsError(f"metric {name!r}: there are {', '.join(known)}{did_you_mean(name, METRICS)}")
    return METRICS[name]
