"""Empirical Bayes: many noisy effects tell how large effects are, and each is drawn towards 0 by its noise.

Normal effects around 0 with normal noise; their spread by Paule & Mandel (1982). Effects are against the other cards,
so 0 is their mean.
"""

from __future__ import annotations

from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
_BISECTIONS: Final = 60


class Posterior(msgspec.Struct, frozen=True, eq=False):
    """What is believed of effects: names, means [N], standard deviations [N], and the spread of effects.

    A card without a name here has mean 0 and the spread.
    """

    names: tuple[str, ...]
    means: Array
    deviations: Array
    spread: float


def spread_of(effects: Array, errors: Array) -> float:
    """The standard deviation of true effects, from estimates [N] with standard errors [N]; 0 for fewer than two."""
    usable = np.isfinite(effects) & np.isfinite(errors) & (errors > 0.0)
    squares, variances = np.square(effects[usable]), np.square(errors[usable])
    if len(squares) < 2 or (squares / variances).sum() <= len(squares):
        return 0.0
    low, high = 0.0, float(squares.max())
    for _ in range(_BISECTIONS):
        middle = 0.5 * (low + high)
        if (squares / (variances + middle)).sum() > len(squares):
            low = middle
        else:
            high = middle
    return float(np.sqrt(0.5 * (low + high)))


def shrunk(names: tuple[str, ...], effects: Array, errors: Array) -> Posterior:
    """The posterior of effects [N] with standard errors [N]; infinite or missing ones keep the prior."""
    spread = spread_of(effects, errors)
    known = np.isfinite(effects) & np.isfinite(errors) & (errors > 0.0)
    noise = np.where(known, np.square(errors), np.inf)
    if spread == 0.0:
        return Posterior(names, np.zeros(len(names)), np.zeros(len(names)), 0.0)
    share = spread**2 / (spread**2 + noise)
    means = np.where(known, share * np.where(known, effects, 0.0), 0.0)
    return Posterior(names, means, spread * np.sqrt(1.0 - share), spread)


def draw(posterior: Posterior, rng: np.random.Generator) -> Array:
    """One belief out of many: effects [N] as they may be (Thompson 1933)."""
    found: Array = posterior.means + posterior.deviations * rng.standard_normal(len(posterior.means))
    return found
