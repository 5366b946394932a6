"""Worlds of the arena for callers in Python: reset, step, and what people may read of them.

One engine for one world or many; a world is a row of `records` (see `state.WORLD`). Owns no pacing, no picture.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agent.core.errors import GameError
from agent.games.arena import state as layout
from agent.games.arena import step as rules_of
from agent.games.arena.catalog import ITEM_RARITIES, RARITIES, STATS, WEAPON_STATS, Catalog, load_catalog

_SCRATCH = ("cell_head", "cell_next")
_STAT_TITLES = {name: name.replace("_", " ").title().replace("Hp", "HP").replace("Xp", "XP") for name in STATS}
_IN_PERCENT = frozenset(STATS) - {
    "max_hp", "regen", "shield", "thorns", "projectiles", "bounces", "extra_jumps", "pickup_range",
}  # fmt: skip


class Worlds:
    """Some worlds that are stepped together; `records` is their whole state."""

    def __init__(self, count: int, catalog: Catalog | None = None) -> None:
        if count < 1:
            raise GameError(f"{count} worlds: at least one is needed")
        self.catalog = catalog or load_catalog()
        self.records: NDArray[Any] = np.zeros(count, layout.WORLD)
        self.controls: NDArray[Any] = np.zeros(count, layout.CONTROL)
        self.controls["choice"] = layout.NONE

    def reset(self, world: int, seed: int, *, character: int = 0, tier: int = 0) -> None:
        """Put one world at the start of a run; equal seeds give equal runs, to the bit."""
        if not 0 <= character < len(self.catalog.characters):
            raise GameError(f"character {character}: there are {len(self.catalog.characters)}")
        if not 0 <= tier < len(self.catalog.rules.tiers):
            raise GameError(f"tier {tier}: there are {len(self.catalog.rules.tiers)}")
        self.records[world : world + 1].view(np.uint8)[:] = 0
        rules_of.begin(self.records[world], self.catalog.rules, seed & 0x7FFFFFFFFFFFFFFF, character, tier)
        self.controls[world] = 0
        self.controls[world]["choice"] = layout.NONE

    def step(self) -> None:
        """Advance every world by one tick with `controls`."""
        rules_of.tick_all(self.records, self.catalog.rules, self.controls)

    def run(self, ticks: int) -> int:
        """Advance by many ticks with unchanged controls; returns the world-ticks that were played."""
        return int(rules_of.tick_many(self.records, self.catalog.rules, self.controls, ticks))

    def content_hash(self, world: int) -> str:
        """SHA-256 of everything in one world that its future depends on."""
        digest = hashlib.sha256()
        for name in layout.WORLD.names or ():
            if name not in _SCRATCH:
                digest.update(self.records[world : world + 1][name].tobytes())
        return digest.hexdigest()

    def offers(self, world: int) -> list[str]:
        """Captions of what is offered now, in the order of the choices; empty while the world plays."""
        record = self.records[world]
        phase = int(record["phase"])
        if phase == layout.CHEST:
            return [self._offer(record, 0)]
        if phase in (layout.LEVEL_UP, layout.ENCOUNTER):
            return [self._offer(record, card) for card in range(3)]
        return []

    def _offer(self, record: Any, card: int) -> str:
        """`Name (Rarity): what changes`."""
        kind, what = int(record["offer_kind"][card]), int(record["offer_id"][card])
        rarity = RARITIES[int(record["offer_rarity"][card])]
        catalog = self.catalog
        if kind == layout.OFFER_WEAPON_NEW:
            weapon = catalog.weapons[what]
            return f"{weapon['title']} (New): {weapon['text']}"
        if kind == layout.OFFER_WEAPON:
            return f"{catalog.weapons[what]['title']} ({rarity}): {self._weapon_changes(record, card)}"
        if kind == layout.OFFER_TOME:
            return f"{catalog.tomes[what]['name']} ({rarity}): {self._stat_change(record, card)}"
        if kind == layout.OFFER_STAT:
            return f"{_STAT_TITLES[STATS[what]]} ({rarity}): {self._stat_change(record, card)}"
        if kind == layout.OFFER_ITEM:
            item = catalog.items[what]
            return f"{item['name']} ({ITEM_RARITIES[int(record['offer_rarity'][0])]}): {item['text']}"
        return "Food: +25 HP"

    def _weapon_changes(self, record: Any, card: int) -> str:
        slots = list(record["weapon"])
        slot = slots.index(record["offer_id"][card])
        parts = []
        for stat, value in zip(record["offer_stat"][card], record["offer_value"][card], strict=True):
            if stat >= 0:
                now = float(record["weapon_stats"][slot][stat])
                parts.append(f"{WEAPON_STATS[stat].title()} {_number(now)} > {_number(now + float(value))}")
        return ", ".join(parts)

    def _stat_change(self, record: Any, card: int) -> str:
        parts = []
        for stat, value in zip(record["offer_stat"][card], record["offer_value"][card], strict=True):
            if stat < 0:
                continue
            name, now = STATS[stat], float(record["stats"][stat])
            then = now + float(value) * float(record["worth"][stat])
            if name in _IN_PERCENT:
                parts.append(f"{_STAT_TITLES[name]} {now * 100:.0f}% > {then * 100:.0f}%")
            else:
                parts.append(f"{_STAT_TITLES[name]} {_number(now)} > {_number(then)}")
        return ", ".join(parts)


def _number(value: float) -> str:
    return f"{value:.1f}".rstrip("0").rstrip(".")
