"""The chances with which the cards of a menu are taken: several voices, what is believed of effects, and exploration.

p = (1 − ε − δ·E) · softmax(voices + a draw of the effects) + ε · uniform over the cards + δ for each of the E other
actions (reroll, skip, banish, leave). So every card keeps at least ε divided by the cards, and what follows a menu
tells about effects without a model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
EPSILON_FIRST: Final = 0.3
FIRST_MENUS: Final = 300
EPSILON: Final = 0.15
OTHER_CHANCE: Final = 0.02
"""The chance that each other action keeps."""
OTHER_LOGIT: Final = -4.0
"""What the voices, which know cards only, are taken to say of other actions."""
DRAW_WEIGHT: Final = 1.0
"""Nats of a card whose drawn effect is one spread of the effects."""


class Beliefs(msgspec.Struct, frozen=True, eq=False):
    """What the scientist believes of effects on the score, as numbers: of each name its place, means and deviations.

    spread: of true effects; a card that is not known has mean 0 and this deviation. menus: from which it learned.
    """

    places: Mapping[str, int] = {}
    means: Array = msgspec.field(default_factory=lambda: np.zeros(0))
    deviations: Array = msgspec.field(default_factory=lambda: np.zeros(0))
    spread: float = 0.0
    menus: int = 0

    def of(self, name: str) -> tuple[float, float]:
        """Mean and deviation of a card's effect."""
        place = self.places.get(name)
        return (0.0, self.spread) if place is None else (float(self.means[place]), float(self.deviations[place]))


def epsilon_after(menus: int) -> float:
    """How much is left to chance after so many menus."""
    return EPSILON_FIRST if menus < FIRST_MENUS else EPSILON


def drawn(beliefs: Beliefs, names: Sequence[str], rng: np.random.Generator | None) -> Array:
    """One draw of the effects of these actions [N], in nats, or without random numbers their means; zeros while nothing
    is known of any effect.
    """
    noise = np.zeros(len(names)) if rng is None else rng.standard_normal(len(names))
    if beliefs.spread <= 0.0:
        return np.zeros(len(names))
    pairs = [beliefs.of(name) for name in names]
    draws = [mean + deviation * z for (mean, deviation), z in zip(pairs, noise.tolist(), strict=True)]
    return DRAW_WEIGHT / beliefs.spread * np.array(draws)


def softmax(logits: Array) -> Array:
    """Chances of logits [N]."""
    weights = np.exp(logits - logits.max())
    out: Array = weights / weights.sum()
    return out


def mixed(voices: Array, draws: Array, cards: int, epsilon: float) -> Array:
    """The chance of each action [N]: of the cards, with the voices' logits [cards], and of what comes after them."""
    others = len(draws) - cards
    logits = np.concatenate([voices, np.full(others, OTHER_LOGIT)]) + draws
    chances = (1.0 - epsilon - OTHER_CHANCE * others) * softmax(logits)
    chances[:cards] += epsilon / cards
    chances[cards:] += OTHER_CHANCE
    out: Array = chances / chances.sum()
    return out
