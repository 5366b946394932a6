"""The closed vocabulary of subgoals: what the planner may name and the motor may be asked to pursue.

`planning` writes these values; `control` and `learning` (the motor) read them. Nothing else passes between the two.
A motor is conditioned on `vector.features`, never on text.
"""

from __future__ import annotations

import math
from enum import StrEnum
from typing import Final

import msgspec

from agent.core.types import ObjectKind

MAX_WITHIN_S: Final = 120.0
MAX_RADIUS_M: Final = 60.0
MAX_PLACE_M: Final = 10_000.0
MAX_NAME: Final = 40


class SubgoalKind(StrEnum):
    """What can be pursued."""

    SURVIVE_UNTIL = "survive_until"
    REACH_LEVEL = "reach_level"
    KILL = "kill"
    COLLECT = "collect"
    REACH = "reach"
    AVOID = "avoid"
    BOSS = "boss"
    OPEN = "open"
    PICK_CARD = "pick_card"


KINDS: Final = tuple(SubgoalKind)
OBJECTS: Final = {kind.name.lower(): kind for kind in ObjectKind}
CARD_KINDS: Final = ("weapon", "tome", "damage", "defence", "speed", "growth")
_CHOICES: Final[dict[SubgoalKind, tuple[str, ...]]] = {
    SubgoalKind.COLLECT: ("xp", "gold", "health"),
    SubgoalKind.REACH: tuple(OBJECTS),
    SubgoalKind.OPEN: ("chest", "shrine"),
}
_MAX_AMOUNT: Final[dict[SubgoalKind, float]] = {
    SubgoalKind.SURVIVE_UNTIL: 36_000.0, SubgoalKind.REACH_LEVEL: 999.0, SubgoalKind.KILL: 100_000.0,
    SubgoalKind.COLLECT: 100_000.0, SubgoalKind.REACH: 30.0, SubgoalKind.BOSS: 10.0, SubgoalKind.OPEN: 50.0,
    SubgoalKind.PICK_CARD: 20.0, SubgoalKind.AVOID: 0.0,
}  # fmt: skip


def choices_of(kind: SubgoalKind) -> tuple[str, ...]:
    """What `what` may be; () where it is empty. A card may also be named: `is_card_name`."""
    return CARD_KINDS if kind is SubgoalKind.PICK_CARD else _CHOICES.get(kind, ())


def is_card_name(text: str) -> bool:
    """True for a card's name in lower case, such as `bow` or `damage tome`."""
    return 0 < len(text) <= MAX_NAME and text == text.lower() and all(c.isalnum() or c in " -'" for c in text)


class Subgoal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One thing to pursue, checked when it is made: raises ValueError.

    what: an object for collect, reach and open; a kind of card or a card's name for pick_card; else "".
    amount: survive_until: the game's time, s; reach_level: the level; reach: how near, m; collect: gold, health points,
    or levels of XP, from now on; kill, boss, open, pick_card: how many from now on.
    place, radius_m: the area that avoid stays out of, x and z of the world.
    within_s: it has failed where it takes longer.
    """

    kind: SubgoalKind
    what: str = ""
    amount: float = 1.0
    place: tuple[float, float] | None = None
    radius_m: float = 0.0
    within_s: float = 30.0

    def __post_init__(self) -> None:
        kind, choices = self.kind.value, choices_of(self.kind)
        named = self.kind is SubgoalKind.PICK_CARD and is_card_name(self.what)
        if (self.what not in choices and not named) if choices else self.what != "":
            allowed = f"one of {', '.join(choices)}" if choices else "empty"
            raise ValueError(f"what={self.what[:40]!r} of {kind}: {allowed}")
        if not 0.0 < self.within_s <= MAX_WITHIN_S:
            raise ValueError(f"within_s={self.within_s}: above 0, at most {MAX_WITHIN_S:.0f}")
        if self.kind is SubgoalKind.AVOID:
            place = self.place
            if place is None or not all(math.isfinite(v) and abs(v) <= MAX_PLACE_M for v in place):
                raise ValueError(f"place={place} of avoid: x and z of the world")
            if not 0.0 < self.radius_m <= MAX_RADIUS_M:
                raise ValueError(f"radius_m={self.radius_m} of avoid: above 0, at most {MAX_RADIUS_M:.0f}")
        elif not 0.0 < self.amount <= _MAX_AMOUNT[self.kind]:
            raise ValueError(f"amount={self.amount} of {kind}: above 0, at most {_MAX_AMOUNT[self.kind]:.0f}")

    def describe(self) -> str:
        """In words, such as `open(shrine, 2)`."""
        if self.kind is SubgoalKind.AVOID and self.place is not None:
            x, z = self.place
            return f"avoid({x:.0f}, {z:.0f}, {self.radius_m:.0f} m)"
        parts = [self.what] if self.what else []
        return f"{self.kind.value}({', '.join([*parts, f'{self.amount:g}'])})"
