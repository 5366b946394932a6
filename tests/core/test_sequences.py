"""Confidence sequences: known answers, their chance of error when looked at after every value, and their power."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from agent.core.statistics import ALPHA, BETS, SHARES, ConfidenceSequence, LastPlaces, log_capital, scaled

LOOKS = 2000
REPEATS = 800


def _scores(rng: np.random.Generator, shape: tuple[int, ...], mean: float, sd: float) -> NDArray[np.float64]:
    """Scores of runs in seconds, 0 to 1200, of two kinds: those that die early and those that reach the cap."""
    return np.clip(rng.normal(mean, sd, shape), 0.0, 1200.0)


def _ever(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which rows [R, N] are ever shown to be above 0, by the same capital as the class."""
    wealth = np.cumsum(np.log1p(BETS * values[..., None]), axis=1)
    capital = np.log((SHARES * np.exp(wealth - wealth.max(-1, keepdims=True))).sum(-1)) + wealth.max(-1)
    found: NDArray[np.bool_] = (capital >= -math.log(ALPHA)).any(axis=1)
    return found


def _peeked(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which rows are ever above 0 by the usual 95 % interval, looked at after every value from the tenth on."""
    n = np.arange(1, values.shape[1] + 1)
    mean = np.cumsum(values, axis=1) / n
    spread = np.sqrt(np.maximum(np.cumsum(values**2, axis=1) / n - mean**2, 1e-12) / n)
    found: NDArray[np.bool_] = (mean - 1.96 * spread > 0.0)[:, 9:].any(axis=1)
    return found


@pytest.mark.parametrize(("worse_s", "sd_s"), [(0.0, 150.0), (0.0, 400.0), (20.0, 300.0)])
def test_false_promotions_of_equal_or_worse_are_at_most_one_in_twenty(worse_s: float, sd_s: float) -> None:
    """Looked at after every run, up to 2,000 runs, in blocks of three; the control is the usual interval."""
    rng = np.random.default_rng(1)
    blocks = LOOKS // 3
    champion = _scores(rng, (REPEATS, blocks, 2), 800.0, sd_s).mean(-1)
    values = scaled(_scores(rng, (REPEATS, blocks), 800.0 - worse_s, sd_s), champion, 1200.0)

    wrong, peeking = _ever(values).mean(), _peeked(values).mean()

    print(f"worse by {worse_s} s, sd {sd_s} s: {wrong:.3f} promoted; the usual interval, peeked at: {peeking:.3f}")
    assert wrong <= ALPHA
    assert worse_s > 0 or peeking > 3 * ALPHA  # the control fails, so the test can


def test_equal_bernoulli_scores_are_the_hardest_case_and_hold() -> None:
    """Scores of 0 or the cap: the largest variance that there is."""
    rng = np.random.default_rng(2)
    values = rng.integers(0, 2, (REPEATS, 700)) - rng.integers(0, 2, (REPEATS, 700)) * 1.0

    assert _ever(values).mean() <= ALPHA


@pytest.mark.parametrize(("sd_s", "within"), [(180.0, 360), (360.0, 330)])
def test_better_by_half_a_standard_deviation_is_shown_within_a_stated_number_of_runs(sd_s: float, within: int) -> None:
    """At a share of one in three; four in five challengers are promoted within this many runs."""
    rng = np.random.default_rng(3)
    champion = rng.normal(500.0, sd_s, (400, 400, 2)).mean(-1)
    values = scaled(rng.normal(500.0 + 0.5 * sd_s, sd_s, (400, 400)), champion, 1200.0)

    shown = np.array([_ever(values[:, : within // 3]).mean(), _ever(values).mean()])

    print(f"sd {sd_s}: {shown[0]:.2f} within {within} runs, {shown[1]:.2f} within 1200")
    assert shown[0] >= 0.8


def test_the_class_decides_as_the_formula_says() -> None:
    rng = np.random.default_rng(4)
    for mean in (-0.1, 0.0, 0.15):
        values = np.clip(rng.normal(mean, 0.2, (20, 60)), -1.0, 1.0)
        for row in values:
            sequence = ConfidenceSequence(row)
            assert sequence.is_above == bool(_ever(row[None])[0])
            assert sequence.is_below == bool(_ever(-row[None])[0])


def test_the_capital_of_one_value_is_the_mixture_of_its_bets() -> None:
    assert log_capital(np.array([0.5]), 0.0) == pytest.approx(math.log(float((SHARES * (1 + BETS * 0.5)).sum())))
    assert float(SHARES.sum()) == pytest.approx(1.0)


def test_the_interval_holds_the_mean_and_agrees_with_the_decision() -> None:
    rng = np.random.default_rng(5)
    outside = 0
    for _ in range(60):
        sequence = ConfidenceSequence(np.clip(rng.normal(0.1, 0.3, 120), -1.0, 1.0))
        _, low, high = sequence.interval()
        outside += not low <= 0.1 <= high
        assert low <= 0.0 or sequence.is_above
    assert outside <= 6
    assert ConfidenceSequence().interval() == (0.0, -1.0, 1.0)


def test_a_large_loss_is_seen_after_seven_values_and_what_is_still_needed_is_told() -> None:
    sequence = ConfidenceSequence([-0.83] * 3)

    assert sequence.still_needed() in (3, 4)
    for _ in range(3):
        sequence.add(-0.83)
    assert not sequence.is_below
    sequence.add(-0.83)
    assert sequence.is_below
    assert not sequence.is_above
    assert ConfidenceSequence([0.0]).still_needed() is None


def test_a_value_out_of_range_is_refused() -> None:
    with pytest.raises(ValueError, match="not within"):
        ConfidenceSequence([1.5])


def test_being_the_worst_by_chance_decides_rarely_and_more_often_than_that_soon() -> None:
    rng = np.random.default_rng(7)
    for runs in (3, 20):
        blocks = np.where(rng.random((300, 40)) < 1 / runs, runs, 0)
        decided = [LastPlaces(row.tolist()).is_worse for row in blocks]
        assert 0 < sum(decided) <= 0.05 * len(decided), (runs, sum(decided))
    for runs, needed in ((3, 4), (6, 2), (12, 2), (20, 2)):
        assert LastPlaces([runs] * needed).is_worse and not LastPlaces([runs] * (needed - 1)).is_worse
    kept = LastPlaces([6] * 2)
    kept.add(0)
    assert kept.is_worse  # what was shown once stays shown
