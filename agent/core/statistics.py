"""Means, interquartile means, and their 95 % confidence intervals by the percentile bootstrap; confidence sequences.

The resampled units are independent of each other: episodes, runs, pairs of runs, seeds. Follows Efron (1979);
the interquartile mean as a score follows Agarwal et al. (2021).

A bootstrap's interval is for one look: looked at after each value, it is wrong sooner or later. A confidence sequence
holds at all times. It bets, after Waudby-Smith & Ramdas (2024), "Estimating means of bounded random variables by
betting", and Ville's inequality: against "the mean is at most m" a gambler's capital is the product of
1 + λ (x − m) / (m + 1) for numbers x in −1 … 1; where that is true, it ever reaches 1/α with a chance of at most α. The
bets λ are fixed and mixed, so that none depends on what came before. The numbers need not be alike nor independent:
each only needs the same mean, given those before it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

RESAMPLES: Final = 2000
"""Resamples of every interval. The seeded reports of `evaluate` depend on it to the bit."""
PERCENTILES: Final = (2.5, 97.5)
_DRAWN_AT_ONCE: Final = 1 << 16
"""Units that are drawn and resampled in one step: half a MiB, however many units there are."""

ALPHA: Final = 0.05
"""Chance that one end of an interval is ever on the wrong side of the mean; both ends together: twice this."""
BETS: Final = np.array([0.98, 0.6, 0.36, 0.2, 0.1])
SHARES: Final = np.array([0.4, 0.25, 0.15, 0.1, 0.1])
"""How much of the capital follows each bet. Large ones find large differences within few values."""
LAST_BETS: Final = np.array([0.5, 0.9])
"""Of `LastPlaces`; half of the capital follows each."""
_BISECTIONS: Final = 24
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


class Interval(NamedTuple):
    """Where the mean lies, −1 … 1, and the mean of the values so far."""

    mean: float
    low: float
    high: float


def _log_capital(log_wealth: Array) -> float:
    """Logarithm of the mixture of the bets, whose logarithms [5] are given."""
    top = float(log_wealth.max())
    return top + math.log(float((SHARES * np.exp(log_wealth - top)).sum()))


def log_capital(values: Array, mean: float) -> float:
    """Logarithm of what betting on values [N] above `mean` has made of 1; `mean` is above −1."""
    gains = (values - mean) / (1.0 + mean)
    return _log_capital(np.log1p(BETS[:, None] * gains).sum(axis=1))


class ConfidenceSequence:
    """The interval of a mean, one value in −1 … 1 after the other; valid at every one of them.

    `is_above` and `is_below` cost a few microseconds a value, `interval` a millisecond.
    """

    def __init__(self, values: Iterable[float] = (), *, alpha: float = ALPHA) -> None:
        self.alpha = alpha
        self.values: list[float] = []
        self._above, self._below = np.zeros(len(BETS)), np.zeros(len(BETS))
        self._highest = [0.0, 0.0]
        for value in values:
            self.add(value)

    def add(self, value: float) -> None:
        """Take in one value; raises ValueError outside −1 … 1."""
        if not -1.0 <= value <= 1.0:
            raise ValueError(f"{value} is not within -1 and 1")
        self.values.append(value)
        self._above += np.log1p(BETS * value)
        self._below += np.log1p(-BETS * value)
        for side, wealth in enumerate((self._above, self._below)):
            self._highest[side] = max(self._highest[side], _log_capital(wealth))

    @property
    def needed(self) -> float:
        """Logarithm of the capital that decides."""
        return -math.log(self.alpha)

    @property
    def is_above(self) -> bool:
        """The mean was shown to be above 0: the lower end has been there."""
        return self._highest[0] >= self.needed

    @property
    def is_below(self) -> bool:
        """The mean was shown to be below 0: the upper end has been there."""
        return self._highest[1] >= self.needed

    def interval(self) -> Interval:
        """The interval of the values so far; −1 … 1 where there are none."""
        values = np.array(self.values)
        if not len(values):
            return Interval(0.0, -1.0, 1.0)
        return Interval(float(values.mean()), self._end(values), -self._end(-values))

    def _end(self, values: Array) -> float:
        """The lower end: the largest mean below which the capital decides; it falls as the mean grows."""
        low, high = -1.0, float(values.mean())
        if high <= low:
            return low
        for _ in range(_BISECTIONS):
            middle = (low + high) / 2.0
            if log_capital(values, middle) >= self.needed:
                low = middle
            else:
                high = middle
        return low

    def still_needed(self) -> int | None:
        """About how many more values will decide, if they go on as they did; None where nothing says so yet."""
        n, wealth = len(self.values), np.maximum(self._above, self._below)
        best = int(np.argmax(wealth))
        rate = float(wealth[best]) / n if n else 0.0
        if rate <= 0.0:
            return None
        total = (self.needed - math.log(float(SHARES[best]))) / rate
        return max(1, math.ceil(total) - n)


class LastPlaces:
    """Bets on one run of each block being the worst of its block: it holds after every block, as the sequence does.

    Of `runs` runs that are alike, or of which this one is better, it is the worst with a chance of at most 1 / runs.
    Against that a gambler's capital is multiplied by 1 + λ (runs − 1) where it is, by 1 − λ where it is not; where that
    is true, it ever reaches 1/α with a chance of at most α. Large blocks tell more: two of 12 runs decide.
    """

    def __init__(self, blocks: Iterable[int] = (), *, alpha: float = ALPHA) -> None:
        self.alpha = alpha
        self._log_wealth = np.zeros(len(LAST_BETS))
        self._highest = 0.0
        for runs in blocks:
            self.add(runs)

    def add(self, runs: int) -> None:
        """Take in a block: of how many runs this one was the worst, 0 where another was, or as bad."""
        self._log_wealth += np.log1p(LAST_BETS * (runs - 1))
        top = float(self._log_wealth.max())
        self._highest = max(self._highest, top + math.log(float(np.exp(self._log_wealth - top).mean())))

    @property
    def is_worse(self) -> bool:
        """It was shown to be the worst more often than by chance."""
        return self._highest >= -math.log(self.alpha)


def scaled(values: ArrayLike, others: ArrayLike, span: float) -> Array:
    """Differences [N] of values and others in −1 … 1, where both lie within 0 and `span`."""
    found: Array = np.clip((np.asarray(values, np.float64) - np.asarray(others, np.float64)) / span, -1.0, 1.0)
    return found
