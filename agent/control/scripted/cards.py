"""What a card is worth, by what its caption says: the stats that it changes, from what to what.

A caption reads `Name (Rarity): Stat 10 > 12, Other 40% > 55%`, or `Name (New): text`. A stat's worth is its weight
times the logarithm of the factor by which it grows. Names that say nothing of a stat keep the kiter's worth, scaled.
"""

from __future__ import annotations

import math
import re
from functools import lru_cache
from typing import Final

from agent.control.kiter import card_value

_CHANGE: Final = re.compile(r"([A-Z][A-Za-z ]*?) (-?[\d.]+)(%?) > (-?[\d.]+)%?")
_WORTH: Final = {
    "Damage": 1.0, "Attack Speed": 1.0, "Projectiles": 1.2, "Count": 0.7, "Size": 1.2, "Crit Chance": 0.8,
    "Crit Damage": 0.3, "Crit": 0.5, "Bounces": 0.4, "Duration": 0.3, "Speed": 0.1, "Projectile Speed": 0.1,
    "Max HP": 0.5, "Regen": 0.25, "Shield": 0.5, "Armor": 1.0, "Evasion": 0.8, "Lifesteal": 0.4, "Thorns": 0.02,
    "Move Speed": 0.5, "Luck": 0.3, "XP Gain": 0.4, "Gold Gain": 0.15, "Pickup Range": 0.15, "Elite Damage": 0.4,
    "Knockback": 0.05, "Difficulty": -2.0,
}  # fmt: skip
_BASE: Final = {
    "Projectiles": 1.5, "Count": 0.5, "Bounces": 1.0, "Crit Chance": 100.0, "Crit": 1.0, "Armor": 100.0,
    "Evasion": 100.0, "Luck": 100.0, "Lifesteal": 50.0, "Regen": 60.0, "Shield": 100.0, "Thorns": 20.0,
    "Difficulty": 100.0,
}  # fmt: skip
"""Added to a stat that may be zero, in the units of its caption, before its factor is taken."""
_NEW: Final = 0.05
_KITER: Final = 0.02
_ITEM: Final = ", "


@lru_cache(maxsize=4096)
def worth(caption: str) -> float:
    """How much a card is wanted, by its caption; about the share by which it makes the player stronger."""
    name, _, text = caption.partition(":")
    total, found = 0.0, False
    for part in text.split(_ITEM):
        change = _CHANGE.search(part)
        if change is None or change[1].strip() not in _WORTH:
            continue
        stat, found = change[1].strip(), True
        base = _BASE.get(stat, 0.0)
        before, after = float(change[2]) + base, float(change[4]) + base
        if before > 0.0 and after > 0.0:
            total += _WORTH[stat] * math.log(after / before)
    if found:
        return total
    return _KITER * card_value(caption) + (_NEW if "(New)" in name else 0.0)
