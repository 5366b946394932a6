"""Means, interquartile means, and their 95 % confidence intervals by the percentile bootstrap.

The resampled units are independent of each other: episodes, runs, pairs of runs, seeds. Follows Efron (1979);
the interquartile mean as a score follows Agarwal et al. (2021).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

RESAMPLES: Final = 2000
"""Resamples of every interval. The seeded reports of `evaluate` depend on it to the bit."""
PERCENTILES: Final = (2.5, 97.5)
_DRAWN_AT_ONCE: Final = 1 << 16
"""Units that are drawn and resampled in one step: half a MiB, however many units there are."""

Array = NDArray[np.float64]
Statistic = Callable[[Array], Array]
"""From resampled units [R, N, …] to one number for each resample [R]."""


class Estimate(NamedTuple):
    """A statistic, and the ends of its 95 % interval."""

    value: float
    low: float
    high: float


def _means(samples: Array) -> Array:
    means: Array = samples.mean(axis=1)
    return means


def _interquartile_means(samples: Array) -> Array:
    ordered = np.sort(samples, axis=1)
    cut = samples.shape[1] // 4
    means: Array = ordered[:, cut : samples.shape[1] - cut].mean(axis=1)
    return means


def bootstrap(units: ArrayLike, statistic: Statistic = _means, *, seed: int = 0) -> Estimate:
    """A statistic of N units, and its 95 % interval; `units` [N, …] holds one row for each unit, at least one.

    Rows are drawn whole, so numbers that belong together stay together. The same seed and N give the same draws.
    """
    data, rng = np.asarray(units, np.float64), np.random.default_rng(seed)
    rows, found = max(1, _DRAWN_AT_ONCE // max(1, data.size)), []
    for begun in range(0, RESAMPLES, rows):
        drawn = rng.integers(0, len(data), (min(rows, RESAMPLES - begun), len(data)))
        found.append(statistic(data[drawn]))
    low, high = np.percentile(np.concatenate(found), PERCENTILES)
    return Estimate(float(statistic(data[None])[0]), float(low), float(high))


def paired_difference(values: ArrayLike, others: ArrayLike, *, seed: int = 0) -> Estimate:
    """The mean of `values` − `others` [N], and its 95 % interval; both come from the same seeds, in the same order."""
    one, two = np.asarray(values, np.float64), np.asarray(others, np.float64)
    if one.shape != two.shape:
        raise ValueError(f"{list(one.shape)} values cannot be paired with {list(two.shape)}")
    return bootstrap(one - two, seed=seed)


def interquartile_mean(values: NDArray[Any]) -> float:
    """The mean of the middle half; a quarter is cut from each end, whole values only."""
    ordered = np.sort(values)
    cut = len(ordered) // 4
    return float(ordered[cut : len(ordered) - cut].mean())


def summary(values: Sequence[float], seed: int = 0) -> dict[str, float]:
    """Mean and interquartile mean with their 95 % intervals, as a report holds them; empty for no values."""
    if not len(values):
        return {}
    parts = {"mean": bootstrap(values, seed=seed), "iqm": bootstrap(values, _interquartile_means, seed=seed)}
    names = {"value": "", "low": "_low", "high": "_high"}
    return {f"{part}{end}": round(getattr(e, name), 4) for part, e in parts.items() for name, end in names.items()}
