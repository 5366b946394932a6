"""What one menu says about its cards: augmented inverse propensity weighting with known chances.

After Robins, Rotnitzky & Zhao (1994). As the chances are known and the expectations come from earlier runs only, each
score has the effect as its mean, given all that came before, whatever the expectations are worth.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def doubly_robust(expected: Array, propensities: Array, picked: NDArray[np.int64], outcomes: Array) -> Array:
    """The score of each action [M, K]: what is expected of it [M, K], mended where it was taken by what came [M]."""
    found: Array = expected.copy()
    menus = np.arange(len(picked))
    found[menus, picked] += (outcomes - expected[menus, picked]) / propensities[menus, picked]
    return found


def contrasts(scores: Array, is_card: NDArray[np.bool_]) -> Array:
    """Each action's score against the mean of the other offered cards [M, K]; NaN where there are no others."""
    count = is_card.sum(1, keepdims=True)
    total = np.where(is_card, scores, 0.0).sum(1, keepdims=True)
    rest = np.where(is_card, total - scores, total)
    with np.errstate(divide="ignore", invalid="ignore"):
        found: Array = scores - rest / (count - is_card)
    return np.where(count - is_card > 0, found, np.nan)


def restricted_mean(times: Any, died: Any, horizon: float) -> float:
    """Mean time lived within a horizon, by Kaplan & Meier (1958), from times [N] that end with a death or are cut."""
    times, died = np.minimum(np.asarray(times, np.float64), horizon), np.asarray(died, np.bool_)
    if not len(times):
        return horizon
    order = np.lexsort((~died, times))  # of equal times, the deaths first
    ordered, is_death = times[order], (died & (np.asarray(times) < horizon))[order]
    at_risk = np.arange(len(ordered), 0, -1)
    alive = np.cumprod(1.0 - is_death / at_risk)
    steps = np.diff(np.concatenate([[0.0], ordered, [horizon]]))
    return float((np.concatenate([[1.0], alive]) * steps).sum())


def pseudo_value(times: Array, died: NDArray[np.bool_], time: float, is_death: bool, horizon: float) -> float:
    """What a menu adds to the restricted mean of N earlier ones (Andersen, Hansen & Klein 2004).

    Without cut times this is the time lived within the horizon.
    """
    if (is_death or time >= horizon) and not bool(((times < horizon) & ~died).any()):
        return min(time, horizon)
    n = len(times)
    with_it = restricted_mean(np.append(times, time), np.append(died, is_death), horizon)
    return (n + 1) * with_it - n * restricted_mean(times, died, horizon) if n else with_it
