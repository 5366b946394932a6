"""Confidence intervals: their draws, their coverage, and what is drawn together."""

from __future__ import annotations

import numpy as np
import pytest

from agent.core.statistics import RESAMPLES, bootstrap, interquartile_mean, paired_difference, summary


def test_the_draws_are_those_that_reports_were_made_with() -> None:
    values = np.random.default_rng(3).normal(size=31)
    drawn = values[np.random.default_rng(0).integers(0, 31, (2000, 31))].mean(axis=1)
    assert RESAMPLES == 2000
    assert bootstrap(values) == (values.mean(), *np.percentile(drawn, (2.5, 97.5)))
    assert bootstrap(values, seed=1) != bootstrap(values)
    assert summary([1.0, 2.0, 4.0, 8.0]) == {
        "mean": 3.75, "mean_low": 1.5, "mean_high": 6.5, "iqm": 3.0, "iqm_low": 1.0, "iqm_high": 8.0,
    }  # fmt: skip
    assert summary([]) == {}


def test_what_is_drawn_in_steps_is_what_is_drawn_at_once() -> None:
    values = np.random.default_rng(3).normal(size=701)
    drawn = values[np.random.default_rng(7).integers(0, 701, (2000, 701))]
    assert bootstrap(values, seed=7) == (values.mean(), *np.percentile(drawn.mean(axis=1), (2.5, 97.5)))
    rows = [interquartile_mean(row) for row in drawn]
    low, high = np.percentile(rows, (2.5, 97.5))
    found = summary(values.tolist(), seed=7)
    assert (found["iqm_low"], found["iqm_high"]) == (round(low, 4), round(high, 4))


def test_the_middle_half_is_averaged() -> None:
    assert interquartile_mean(np.array([100.0, 1, 2, 3, 4, 5, 6, -50])) == pytest.approx(3.5)


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    found = [bootstrap(rng.normal(5.0, 2.0, 40)) for _ in range(100)]
    assert 88 <= sum(low <= 5.0 <= high for _, low, high in found) <= 99


def test_numbers_that_belong_together_are_drawn_together() -> None:
    base = np.random.default_rng(0).normal(10.0, 3.0, 50)
    ratio = bootstrap(np.stack([2.0 * base, base], 1), lambda drawn: drawn[:, :, 0].mean(1) / drawn[:, :, 1].mean(1))
    assert ratio == pytest.approx((2.0, 2.0, 2.0))


def test_pairs_remove_what_both_have_in_common() -> None:
    rng = np.random.default_rng(0)
    common = rng.normal(0.0, 50.0, 40)
    paired = paired_difference(common + 1.0 + rng.normal(0.0, 0.1, 40), common)
    assert 0.9 < paired.low < 1.0 < paired.high < 1.1
    apart = paired_difference(common + 1.0, rng.permutation(common))
    assert apart.low < 0.0 < apart.high
    with pytest.raises(ValueError, match="paired"):
        paired_difference([1.0, 2.0], [1.0])
