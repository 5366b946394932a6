"""The chance of surviving, from what describes a situation: the next minute, and until the boss may come.

Two logistic regressions with a ridge, by Newton's method. Each run is foretold before it is learned from, so what
`calibration` says is of runs that the model had not seen. Owns the last rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from agent.core.cards.menu import ALIVE_S, COVARIATES, Situation

Array = NDArray[np.float64]
BOSS_AT_S: Final = 600.0
"""When a stage's time is over and what follows is stronger than before: Megabonk's and the arena's first stage."""
TARGETS: Final = ("next_60_s", "to_the_boss")
MAX_ROWS: Final = 20_000
MIN_DEATHS: Final = 5
MIN_RUNS: Final = 10
BINS: Final = 10
_USED: Final = COVARIATES.index("in_shrine")
_HEALTH, _TIME = COVARIATES.index("health"), COVARIATES.index("time")
_RIDGE: Final = 3.0
_STEPS: Final = 12
_LIMIT: Final = 30.0


class Calibration(msgspec.Struct, frozen=True):
    """Of foretold chances: the expected calibration error, the Brier score, that of their mean, and how many."""

    ece: float
    brier: float
    brier_of_mean: float
    count: int


def features(situations: Sequence[Situation]) -> Array:
    """Rows [N, 1 + 3·F] of situations: themselves, times the time, and times the health."""
    seen = np.array([s.covariates[:_USED] for s in situations], np.float64).reshape(len(situations), _USED)
    return np.concatenate(
        [np.ones((len(seen), 1)), seen, seen * seen[:, _TIME : _TIME + 1], seen * seen[:, _HEALTH : _HEALTH + 1]], 1
    )


def labels(situations: Sequence[Situation], lived_s: float, *, died: bool, won: bool) -> Array:
    """Of each situation whether it was survived, [N, 2] as `TARGETS`: 1 or 0, NaN where it is not known."""
    at = np.array([s.at_s for s in situations], np.float64)
    found = np.full((len(at), len(TARGETS)), 1.0 if won else 0.0 if died else np.nan)
    found[lived_s - at >= ALIVE_S, 0] = 1.0
    if lived_s >= BOSS_AT_S:
        found[:, 1] = 1.0
    found[at >= BOSS_AT_S, 1] = np.nan
    return found


def calibration_of(chances: Array, outcomes: Array) -> Calibration:
    """How well chances [N] were calibrated, in `BINS` bins of equal width (Naeini, Cooper & Hauskrecht 2015)."""
    if not len(chances):
        return Calibration(float("nan"), float("nan"), float("nan"), 0)
    at = np.minimum((chances * BINS).astype(np.int64), BINS - 1)
    gaps = np.bincount(at, weights=chances - outcomes, minlength=BINS)
    brier, mean = float(np.mean((chances - outcomes) ** 2)), float(outcomes.mean())
    return Calibration(float(np.abs(gaps).sum() / len(chances)), brier, mean * (1.0 - mean), len(chances))


def fit_logistic(rows: Array, outcomes: Array, start: Array | None = None) -> Array:
    """Coefficients of a logistic regression on standardised rows [N, D], outcomes [N] in 0 … 1; raw coefficients."""
    mean, spread = rows.mean(0), rows.std(0)
    mean[0], spread[spread < 1e-9] = 0.0, 1.0
    scaled = (rows - mean) / spread
    found = np.zeros(rows.shape[1])
    penalty = np.full(rows.shape[1], _RIDGE)
    penalty[0] = 1e-3
    for _ in range(_STEPS):
        chances = sigmoid(scaled @ found)
        weights = np.maximum(chances * (1.0 - chances), 1e-6)
        slope = scaled.T @ (outcomes - chances) - penalty * found
        step = np.linalg.solve((scaled * weights[:, None]).T @ scaled + np.diag(penalty), slope)
        found += step
        if float(np.abs(step).max()) < 1e-6:
            break
    raw: Array = found / spread
    raw[0] -= float((found / spread * mean).sum())
    return raw


def sigmoid(x: Array) -> Array:
    """1 / (1 + e^−x), without overflow."""
    out: Array = 1.0 / (1.0 + np.exp(-np.clip(x, -_LIMIT, _LIMIT)))
    return out


class Survival:
    """Learns from one run after the other; foretells none before `MIN_RUNS` runs and `MIN_DEATHS` deaths."""

    def __init__(self) -> None:
        self.runs = self.deaths = 0
        self.coefficients: list[Array | None] = [None] * len(TARGETS)
        self._rows, self._labels = np.zeros((0, 1 + 3 * _USED)), np.zeros((0, len(TARGETS)))
        self._told: list[list[Array]] = [[] for _ in TARGETS]
        self._fitted_at = 0

    def add_run(self, situations: Sequence[Situation], lived_s: float, *, died: bool, won: bool) -> None:
        """Foretell a run that ended, then learn from it."""
        if not situations:
            return
        rows, found = features(situations), labels(situations, lived_s, died=died, won=won)
        for target, coefficients in enumerate(self.coefficients):
            known = np.isfinite(found[:, target])
            if coefficients is not None and known.any():
                told = sigmoid(rows[known] @ coefficients)
                self._told[target].append(np.stack([told, found[known, target]]))
                del self._told[target][:-MAX_ROWS]
        self._rows = np.concatenate([self._rows, rows])[-MAX_ROWS:]
        self._labels = np.concatenate([self._labels, found])[-MAX_ROWS:]
        self.runs += 1
        self.deaths += died
        if self.runs - self._fitted_at > self._fitted_at // 10:
            self.fit()

    def fit(self) -> None:
        """Fit what there is, where it is enough."""
        self._fitted_at = self.runs
        if self.runs < MIN_RUNS or self.deaths < MIN_DEATHS:
            return
        for target in range(len(TARGETS)):
            known = np.isfinite(self._labels[:, target])
            if known.any():
                self.coefficients[target] = fit_logistic(self._rows[known], self._labels[known, target])

    def chances(self, situation: Situation) -> dict[str, float | None]:
        """The chance to survive the next minute, and to the boss; None: not known yet, or the boss's time has come."""
        rows = features([situation])
        found: dict[str, float | None] = {}
        for target, coefficients in zip(TARGETS, self.coefficients, strict=True):
            is_over = target == TARGETS[1] and situation.at_s >= BOSS_AT_S
            known = coefficients if not is_over else None
            found[target] = float(sigmoid(rows @ known)[0]) if known is not None else None
        return found

    def calibration(self) -> dict[str, Calibration]:
        """Of each target, over runs that were foretold before they were learned from."""
        found = {}
        for target, told in zip(TARGETS, self._told, strict=True):
            both = np.concatenate(told, 1) if told else np.zeros((2, 0))
            found[target] = calibration_of(both[0], both[1])
        return found
