"""What was learned about the cards of one game: effects, and the chance of surviving. Works on a lane.

Owns the scientist and the model of survival; knows nothing of files and of play.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from agent.control.cards.mixture import Beliefs
from agent.core.cards.menu import OUTCOMES, CardMenu, RunRecord, Situation
from agent.learning.causal.scientist import Effect, Interaction, Scientist
from agent.learning.causal.survival import Survival

CHOOSES_BY: Final = "score_s"
ALIVE: Final = "alive_60_s"
SHOWN: Final = 12
"""Effects of each outcome in a status, the clearest first."""


class Known(msgspec.Struct, frozen=True, eq=False):
    """What may be shown after a run: everything as plain values. alive: of each card, what it changes of the chance to
    live for a minute, and that belief's deviation.
    """

    shown: dict[str, Any]
    alive: dict[str, tuple[float, float]]
    beliefs: Beliefs


def in_words(effect: Effect) -> str:
    """An effect that is announced, as a sentence."""
    more, unit = ("more" if effect.effect > 0 else "less"), "s" if effect.outcome.endswith("_s") else ""
    what = effect.outcome.removesuffix("_s").replace("_", " ")
    size = f"{abs(effect.effect):.3g} {unit}".strip()
    return f"{effect.name}: {size} {more} {what} than the other cards ({effect.low:+.3g} to {effect.high:+.3g})"


class Study:
    """Learns from one run after the other."""

    def __init__(self) -> None:
        self.scientist = Scientist(OUTCOMES)
        self.survival = Survival()

    def learn(self, run: RunRecord) -> list[Effect]:
        """Take in a run; the effects that can be announced now and could not before."""
        self.survival.add_run(run.situations, run.lived_s, died=run.died, won=run.won)
        return self.scientist.add_run(run.menus)

    def beliefs(self) -> Beliefs:
        """What is believed of effects on the score, for the chooser."""
        found = self.scientist.posterior(CHOOSES_BY)
        places = {name: k for k, name in enumerate(found.names)}
        return Beliefs(places, found.means, found.deviations, found.spread, self.scientist.menus)

    def known(self) -> Known:
        """All that may be shown now."""
        s = self.scientist
        alive = s.posterior(ALIVE)
        pairs = zip(alive.names, alive.means.tolist(), alive.deviations.tolist(), strict=True)
        shown = {
            "runs": s.runs, "menus": s.menus, "cards": len(s.names),
            "effects": {outcome: [row(e) for e in clearest(s.effects(outcome), SHOWN)] for outcome in OUTCOMES},
            "eurekas": [in_words(effect) for effect in s.announced.values()],
            "interactions": [row(i) for i in s.interactions()[:SHOWN]],
            "survival": {
                "runs": self.survival.runs, "deaths": self.survival.deaths,
                "calibration": {k: _rounded(c) for k, c in self.survival.calibration().items()},
            },
        }  # fmt: skip
        return Known(shown, {name: (mean, deviation) for name, mean, deviation in pairs}, self.beliefs())

    def at_offer(self, menu: CardMenu, known: Known) -> dict[str, Any]:
        """The chance of surviving at an offer, and what each card changes of it."""
        situation = Situation(menu.at_s, menu.covariates)
        changes = {
            name: {"change": round(known.alive[name][0], 4), "deviation": round(known.alive[name][1], 4)}
            for name in menu.actions if name in known.alive
        }  # fmt: skip
        return {**self.chances(situation), "by_card_60_s": changes}

    def chances(self, situation: Situation | None) -> dict[str, float | None]:
        """The chances of surviving in a situation, rounded; empty for none."""
        if situation is None:
            return {}
        found = self.survival.chances(situation)
        return {name: None if value is None else round(value, 4) for name, value in found.items()}


def clearest(effects: Sequence[Effect], maximum: int) -> list[Effect]:
    """The effects that stand out most from their errors."""
    return sorted(effects, key=lambda e: -abs(e.effect) / max(e.error, 1e-12))[:maximum]


def row(effect: Effect | Interaction) -> dict[str, Any]:
    """An effect as plain values with few digits."""
    found: dict[str, Any] = msgspec.to_builtins(effect)
    return {name: float(f"{value:.4g}") if isinstance(value, float) else value for name, value in found.items()}


def _rounded(calibration: Any) -> dict[str, Any] | None:
    values: dict[str, Any] = msgspec.to_builtins(calibration)
    return {k: float(f"{v:.4g}") for k, v in values.items()} if values["count"] else None
