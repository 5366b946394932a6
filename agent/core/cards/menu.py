"""A menu of cards as a value: what was offered, with which chances, in which situation, and what followed.

A menu has actions: first its cards, in their order on the screen, then what else can be pressed (`reroll`, `skip`,
`banish NAME`, `leave`). Times are the game's own seconds.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

import msgspec

from agent.core.columns import RingColumn, SelfColumn
from agent.core.rewards.tables import CAP_S
from agent.core.types import FloatArray

REROLL: Final = "reroll"
SKIP: Final = "skip"
BANISH: Final = "banish"
LEAVE: Final = "leave"
ALIVE_S: Final = 60.0
COVARIATES: Final = (
    "health", "max_health", "time", "time_squared", "level", "xp", "kills", "gold", "enemies", "near", "middle", "far",
    "strong", "hurt", "in_shrine", "in_chest", "cards",
)  # fmt: skip
"""What describes a situation, in this order; a menu has each but for the last three from the state alone."""
OUTCOMES: Final = ("score_s", "rmst_30_s", "rmst_120_s", "alive_60_s", "speed", "health")
"""What may follow a menu: the run's score; the mean time lived within 30 and within 120 s; being alive after 60 s; and
the changes of speed (m/s) and of the share of health over a few seconds."""
_MAX_NAME: Final = 48
_NAME: Final = re.compile(r"^[^(:]+")
_IN_CHEST: Final = SelfColumn.PLAYING + 6


class CardMenu(msgspec.Struct, frozen=True, kw_only=True):
    """One menu as it was decided.

    cards: captions in their order on the screen. actions: names of all actions, the cards' first. propensities: the
    chance of each action, given all that was known. picked: the action that was taken. build: names of the cards that
    had been taken in the run before. versions: of the program, the policy's weights and the model of outcomes.
    """

    kind: str
    cards: tuple[str, ...]
    actions: tuple[str, ...]
    propensities: tuple[float, ...]
    picked: int
    covariates: tuple[float, ...]
    build: tuple[str, ...] = ()
    at_s: float = 0.0
    policy: str = ""
    versions: tuple[str, ...] = ()


class JudgedMenu(msgspec.Struct, frozen=True, kw_only=True):
    """A menu, and what followed: seconds lived after it, whether a death ended them, and outcomes, None: not known.

    speed and health: their changes over the horizon that the user set.
    """

    menu: CardMenu
    lived_s: float
    died: bool
    score_s: float | None = None
    speed: float | None = None
    health: float | None = None


class Situation(msgspec.Struct, frozen=True, array_like=True):
    """One instant of a run: the game's time, and what describes it, as `COVARIATES`."""

    at_s: float
    covariates: tuple[float, ...]


class RunRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One run: its menus, situations every few seconds, and its end.

    run: a name that no other run has. lived_s: the game's time at its end; died and won: how it ended, neither where it
    was cut. rules: hash of the game's rules, where it has one.
    """

    run: str
    ended_utc_ns: int
    game: str
    rules: str = ""
    menus: tuple[JudgedMenu, ...] = ()
    situations: tuple[Situation, ...] = ()
    lived_s: float = 0.0
    died: bool = False
    won: bool = False


@lru_cache(maxsize=4096)
def card_name(caption: str) -> str:
    """What a card is called: its caption up to a bracket or colon, in lower case, with ` (new)` where it is new."""
    found = _NAME.match(caption)
    name = " ".join((found[0] if found else caption).lower().split())[:_MAX_NAME].strip() or "?"
    return f"{name} (new)" if "(new)" in caption.lower().partition(":")[0] else name


def covariates(self_: FloatArray, rings: FloatArray, cards: int = 0) -> tuple[float, ...]:
    """The situation of `COVARIATES` from an encoded state: self [36] and rings [160] of `control.encode`."""
    around = rings.reshape(-1, rings.size // 16).sum(0)
    health, time = float(self_[SelfColumn.HEALTH]), float(self_[SelfColumn.TIME])
    columns = (SelfColumn.LEVEL, SelfColumn.XP, SelfColumn.KILLS, SelfColumn.GOLD, SelfColumn.ENEMIES)
    ranges = (RingColumn.NEAR, RingColumn.MIDDLE, RingColumn.FAR, RingColumn.STRONG)
    return (
        health, float(self_[SelfColumn.MAX_HEALTH]), time, time * time, *(float(self_[c]) for c in columns),
        *(float(around[r]) for r in ranges), (1.0 - health) ** 2, float(self_[SelfColumn.IN_ENCOUNTER]),
        float(self_[_IN_CHEST]), 0.05 * cards,
    )  # fmt: skip


def score_of(time_s: float, *, is_won: bool) -> float:
    """A run's score: seconds lived up to the cap, a win counts as the cap."""
    return CAP_S if is_won else min(time_s, CAP_S)


def propensity_floor(menu: CardMenu) -> float:
    """The smallest chance of an action of a menu; 0 for a menu without actions."""
    return min(menu.propensities, default=0.0)


def is_random(menu: CardMenu) -> bool:
    """True where every card could have been taken, so that the menu says something about effects."""
    return len(menu.cards) > 0 and len(menu.actions) > 1 and propensity_floor(menu) > 0.0


def checked(menu: CardMenu) -> CardMenu:
    """The menu itself; raises ValueError where its parts do not fit one another."""
    n = len(menu.actions)
    if not (len(menu.propensities) == n and 0 <= menu.picked < n and len(menu.cards) <= n):
        raise ValueError(f"a menu of {n} actions with {len(menu.propensities)} chances, picked {menu.picked}")
    if len(menu.covariates) != len(COVARIATES):
        raise ValueError(f"a menu with {len(menu.covariates)} covariates, {len(COVARIATES)} are needed")
    if abs(sum(menu.propensities) - 1.0) > 1e-4:
        raise ValueError(f"the chances of a menu sum to {sum(menu.propensities):.4f}")
    return menu
