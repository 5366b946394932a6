"""Intervals and evidence that hold at every look, for means of numbers that arrive one after the other.

The normal mixture of Robbins in its asymptotic form (Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas 2024, "Time-uniform
central limit theory and asymptotic confidence sequences"), and the e-Benjamini-Hochberg procedure (Wang & Ramdas 2022,
"False discovery rate control with e-values"), which needs no independence. Arrays of any one shape.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
TUNED_FOR: Final = 250
"""Offers at which the interval is narrowest."""
MIN_OFFERS: Final = 100
"""Below so many the normal approximation is not trusted: no evidence."""
MAX_NEEDED: Final = 10_000_000


def mixture_scale(tuned_for: float, alpha: float) -> float:
    """The scale ρ of the mixture that makes the interval of level `alpha` narrowest after `tuned_for` numbers."""
    log, best = -2.0 * math.log(alpha), 1.0
    for _ in range(60):  # the root of x = −2 log α + log(1 + x), where x is ρ² times the numbers
        best = log + math.log1p(best)
    return math.sqrt(best / tuned_for)


def radius(counts: Any, variances: Any, *, alpha: float, scale: float) -> Array:
    """Half of the width of the confidence sequence around the means of `counts` numbers of these variances."""
    n = np.asarray(counts, np.float64)
    spread = n * scale**2
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.sqrt(
            2.0 * (spread + 1.0) / (n * spread) * np.log(np.sqrt(spread + 1.0) / alpha) * np.asarray(variances)
        )
    out: Array = np.where(n > 0, found, np.inf)
    return out


def log_e_value(counts: Any, means: Any, variances: Any, *, scale: float) -> Array:
    """Logarithm of the evidence against a mean of 0; above log(1/α) the sequence of level α leaves out 0."""
    n, variance = np.asarray(counts, np.float64), np.asarray(variances, np.float64)
    spread = n * scale**2
    with np.errstate(divide="ignore", invalid="ignore"):
        z2 = n * np.square(np.asarray(means, np.float64)) / variance
        found = 0.5 * z2 * spread / (spread + 1.0) - 0.5 * np.log1p(spread)
    out: Array = np.where((n >= MIN_OFFERS) & (variance > 0.0), found, 0.0)
    return out


def e_benjamini_hochberg(log_e: Any, *, alpha: float, hypotheses: int | None = None) -> NDArray[np.bool_]:
    """Which of the hypotheses along the last axis are rejected, at a false discovery rate of `alpha`."""
    values = np.asarray(log_e, np.float64)
    total = values.shape[-1] if hypotheses is None else hypotheses
    ordered = -np.sort(-values, axis=-1)
    ranks = np.arange(1, values.shape[-1] + 1)
    passes = ordered >= np.log(total / (alpha * ranks))
    many = np.where(passes.any(-1), values.shape[-1] - np.argmax(passes[..., ::-1], axis=-1), 0)
    last = np.take_along_axis(ordered, np.maximum(many - 1, 0)[..., None], -1)
    out: NDArray[np.bool_] = (values >= last) & (many > 0)[..., None]
    return out


def offers_needed(mean: float, variance: float, *, scale: float, bar: float) -> int | None:
    """Numbers after which the evidence reaches `bar` (a logarithm), if they go on like this; None: not within reach."""
    if variance <= 0.0 or mean == 0.0:
        return None
    low, high = 0, MIN_OFFERS
    while high <= MAX_NEEDED and float(log_e_value(high, mean, variance, scale=scale)) < bar:
        low, high = high, 2 * high
    if high > MAX_NEEDED:
        return None
    while high - low > 1:
        middle = (low + high) // 2
        if float(log_e_value(middle, mean, variance, scale=scale)) < bar:
            low = middle
        else:
            high = middle
    return high
