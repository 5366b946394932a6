"""What a skill is for, and how it is taught: runs of whom, the metric, the script's knobs, and the cards it takes.

Owns no runs and no network.
"""

from __future__ import annotations

from typing import Any, Final, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from agent.core.types import FloatArray
from agent.games.arena import state as layout
from agent.games.arena.catalog import load_catalog
from agent.games.arena.stats import give_weapon
from agent.training.arena.batch import ArenaBatch, Cast
from agent.training.arena.teacher import KNOBS, Knobs, Teacher
from agent.training.arena.worth import WEIGHTS, Weights
from agent.training.skills.metrics import SCORE, WEAPON, Metric, character_id, metric_of, weapon_id, weapon_name

SECONDS: Final = 180.0
"""Of play in which a skill is measured."""
_LATE: Final = {"boss_latest_s": 1e9, "boss_s": 1e9}
_ON_THE_WAY: Final = 1e-9
"""Chests draw hardly at all, but are bought where one passes; with 0 they are left alone."""
_KNOBS: Final[dict[str, Knobs]] = {
    "gold": KNOBS._replace(gather=4.0, sight_m=40.0, shrine=0.0, charge=0.0, **_LATE),
    "chests": KNOBS._replace(chests=6.0, gather=2.5, shrine=0.0, charge=0.0, **_LATE),
    "shrines": KNOBS._replace(shrine=5.0, charge=4.0, chests=_ON_THE_WAY, **_LATE),
    "levels": KNOBS._replace(gather=5.0, sight_m=40.0, shrine=0.0, charge=0.0, chests=_ON_THE_WAY, **_LATE),
    "bosses": KNOBS._replace(boss_s=0.0, boss_level=0.0, portal=6.0, shrine=0.0, charge=0.0, chests=0.2),
    "kills": KNOBS._replace(engage=2.0, fear=1.0, shrine=0.0, charge=0.0, **_LATE),
    "unhurt": KNOBS._replace(fear=2.6, engage=0.3, gather=1.0),
}
"""How the script plays for a metric; without an entry it plays as it does."""
_CARDS: Final[dict[str, Weights]] = {
    "gold": WEIGHTS._replace(gold=4.0), "chests": WEIGHTS._replace(gold=2.0), "levels": WEIGHTS._replace(xp=2.0),
    "unhurt": WEIGHTS._replace(health=2.0),
}  # fmt: skip


class SkillTask(msgspec.Struct, frozen=True):
    """What one skill is trained and measured on. weapon, character: "" for none; trigger: when it is swapped in."""

    metric: str
    weapon: str = ""
    character: str = ""

    @property
    def trigger(self) -> str:
        """What must be so in play: `weapon:TITLE` is carried, `character:NAME` plays, `metric:NAME` is pursued."""
        if self.weapon:
            return WEAPON + str(load_catalog().weapons[weapon_id(self.weapon)]["title"])
        return f"character:{self.character}" if self.character else f"metric:{self.metric}"

    @property
    def measure(self) -> Metric:
        """The metric with its functions."""
        return metric_of(self.metric)

    def prepare(self, world: Any, rules: Any) -> None:
        """Give the weapon to who begins a run without it: its skill plays while it is carried."""
        if self.weapon:
            weapon = weapon_id(self.weapon)
            if weapon not in world["weapon"]:
                give_weapon(world, rules, weapon)

    @property
    def cast(self) -> Cast:
        """Who plays the runs that it is measured in."""
        return Cast(0, character_id(self.character)) if self.character else Cast()

    def casts(self) -> list[Cast]:
        """Who plays the runs that it is trained in: its character, else all, in the first tier."""
        if self.character:
            return [self.cast]
        return [Cast(0, c) for c in range(len(load_catalog().characters))]

    def describe(self) -> str:
        """In words."""
        who = f" as {self.character}" if self.character else ""
        carrying = f" {self.weapon}, carried from the start," if self.weapon else ""
        return f"{self.measure.text}{carrying} in {SECONDS:g} s{who}"

    def as_builtins(self) -> dict[str, Any]:
        """As a manifest says it."""
        return {**msgspec.to_builtins(self), "seconds": SECONDS, "trigger": self.trigger}


def task_of(*, weapon: str | None = None, character: str | None = None, metric: str | None = None) -> SkillTask:
    """The task of a weapon, a character or a metric; raises SettingsError.

    A weapon's metric is its level, a character's the score, unless one is named.
    """
    weapon = weapon_name(weapon) if weapon else ""
    if character:
        character = str(load_catalog().characters[character_id(character)]["name"])
    name = metric or (WEAPON + weapon if weapon else SCORE)
    return SkillTask(metric_of(name).name, weapon, character or "")


class SeesCaptions(Protocol):
    """Whoever wants to see what is on offer."""

    def seen(self, captions: list[list[str]], choosing: NDArray[np.bool_]) -> None:
        """Captions of each run's cards, and which runs choose."""
        ...


class SkillTeacher:
    """The script of the lessons as it plays for a task; a weapon's card is taken wherever it is on offer.

    cards: shown every offer, where it is set.
    """

    def __init__(self, task: SkillTask) -> None:
        self._script = Teacher(_KNOBS.get(task.metric, KNOBS), _CARDS.get(task.metric, WEIGHTS))
        self._weapon = weapon_id(task.weapon) if task.weapon else layout.NONE
        self.cards: SeesCaptions | None = None

    def act(self, batch: ArenaBatch) -> tuple[FloatArray, NDArray[np.int32], NDArray[np.int32]]:
        """Axes [N, 4], buttons [N, 3] and cards [N]."""
        axes, buttons, cards = self._script.act(batch)
        if self.cards is not None:
            self.cards.seen(batch.captions, batch.choosing)
        if self._weapon != layout.NONE:
            r = batch.records
            offered = np.isin(r["offer_kind"], (layout.OFFER_WEAPON_NEW, layout.OFFER_WEAPON))
            offered &= r["offer_id"] == self._weapon
            there = batch.choosing & offered.any(1)
            cards[there] = offered[there].argmax(1)
        return axes, buttons, cards
