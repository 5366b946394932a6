"""The search of merge weights: CMA-ES (Hansen 2016, `cma`), which may be shown to another for a share of its trials.

Who is asked sees the search's own state, mean, step size, covariance, the best trials and the last ones, and may answer
weights in place of the drawn ones. Owns no episodes and no clock.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
import numpy as np

from agent.core.errors import SettingsError

SHARE: Final = 0.3
"""Of the trials that another may propose."""
BEST, RECENT = 5, 20
SIGMA: Final = 0.4
LOW, HIGH = 0.0, 2.0


class Trial(msgspec.Struct, frozen=True):
    """Weights that were tried, what they were worth, and who proposed them."""

    weights: tuple[float, ...]
    value: float
    by: str


class SearchState(msgspec.Struct, frozen=True):
    """What whoever proposes is shown."""

    names: tuple[str, ...]
    mean: tuple[float, ...]
    sigma: float
    covariance: tuple[tuple[float, ...], ...]
    best: tuple[Trial, ...]
    recent: tuple[Trial, ...]


Propose = Callable[[SearchState], Sequence[float] | None]
"""Weights in 0 … 2 for a state; None where there is no answer, so that the search's own are tried."""


def search(
    value: Callable[[tuple[float, ...]], float], names: Sequence[str], *, trials: int, seed: int,
    propose: Propose | None = None, share: float = SHARE, by: str = "llm",
    on_trial: Callable[[Trial], None] = lambda trial: None,
) -> list[Trial]:  # fmt: skip
    """Try so many weights of the named sources, best first; the first are 1 each.

    value: what weights are worth, higher is better. Raises SettingsError where the package is missing.
    """
    try:
        import cma
    except ImportError as error:
        raise SettingsError(
            "the search of weights needs the package cma: pip install 'metabonk-apex[merge]'"
        ) from error
    count = len(names)
    start = (1.0,) * count
    done = [Trial(start, value(start), "uniform")]
    on_trial(done[0])
    # CMA-ES needs two dimensions; a lone source gets one that counts nothing.
    strategy = cma.CMAEvolutionStrategy(
        [1.0] * max(2, count), SIGMA, {"bounds": [LOW, HIGH], "seed": seed + 1, "verbose": -9, "maxiter": 10**6}
    )
    random = np.random.default_rng(seed)
    while len(done) < trials:
        drawn = strategy.ask()
        told: list[Any] = []
        values: list[float] = []
        foreign: list[int] = []
        for row in drawn[: trials - len(done)]:
            weights, who = tuple(float(w) for w in row[:count]), "cma"
            if propose is not None and random.random() < share:
                asked = propose(_state(names, strategy, count, done))
                if asked is not None:
                    weights, who = tuple(float(min(max(w, LOW), HIGH)) for w in asked), by
                    foreign.append(len(told))
            trial = Trial(weights, value(weights), who)
            done.append(trial)
            on_trial(trial)
            told.append(np.concatenate([np.array(weights), row[count:]]))
            values.append(-trial.value)
        if len(told) == len(drawn):
            strategy.tell(told, values, check_points=foreign or False)
    return sorted(done, key=lambda trial: trial.value, reverse=True)


def _state(names: Sequence[str], strategy: Any, count: int, done: Sequence[Trial]) -> SearchState:
    covariance = strategy.sm.covariance_matrix[:count, :count]
    return SearchState(
        tuple(names), tuple(float(x) for x in strategy.mean[:count]), float(strategy.sigma),
        tuple(tuple(float(x) for x in row) for row in covariance),
        tuple(sorted(done, key=lambda t: t.value, reverse=True)[:BEST]), tuple(done[-RECENT:]),
    )  # fmt: skip
