"""Which of the offered cards a subgoal asks for, read from their captions."""

from __future__ import annotations

import re
from typing import Final

from agent.core.goals.vocabulary import CARD_KINDS, MAX_NAME, is_card_name

_WORDS: Final = {
    "damage": ("damage", "crit", "projectile", "attack speed", "count", "cooldown", "precision", "quantity", "duration",
               "size", "burn", "bloody", "elite"),
    "defence": ("hp", "health", "armor", "armour", "shield", "regen", "evasion", "thorns", "lifesteal", "medkit"),
    "speed": ("movement", "move speed", "agility", "jump", "velocity"),
    "growth": ("xp", "luck", "gold", "pickup", "attraction", "difficulty", "cursed"),
}  # fmt: skip
_RARITIES: Final = ("uncommon", "rare", "epic", "legendary")
_NAME: Final = re.compile(r"^[^(:+]+")


def name_of(caption: str) -> str:
    """A card's name in lower case: its caption up to the first bracket, colon or plus; "" where that is none."""
    found = _NAME.match(caption)
    name = found[0].strip().lower()[:MAX_NAME] if found else ""
    return name if is_card_name(name) else ""


def kinds_of(caption: str) -> set[str]:
    """The kinds that a card is of, of `CARD_KINDS`."""
    text, name = caption.lower(), name_of(caption)
    found = {kind for kind, words in _WORDS.items() if any(word in text for word in words)}
    if "tome" in name:
        found.add("tome")
    elif "(new)" in text or (" > " in text and not text.partition(":")[2].strip().startswith(name or ":")):
        found.add("weapon")  # what a shrine gives is named after the number that it changes
    return found & set(CARD_KINDS)


def wished(what: str, captions: tuple[str, ...]) -> int | None:
    """The offered card that `what` (a kind or a name) asks for, the rarest of several; None where there is none."""
    found = [
        (_rarity(caption), -at)
        for at, caption in enumerate(captions)
        if (what in kinds_of(caption) if what in CARD_KINDS else _words(what) <= _words(name_of(caption)))
    ]
    return -max(found)[1] if found else None


def _words(text: str) -> set[str]:
    return set(re.findall(r"[a-z0-9]+", text.replace("'", "")))


def _rarity(caption: str) -> int:
    text = caption.lower()
    return max((at + 1 for at, word in enumerate(_RARITIES) if re.search(rf"\b{word}\b", text)), default=0)
