"""Intervals that hold at every look: against `ville`, by hand, and e-BH against its definition."""

from __future__ import annotations

import math

import numpy as np
import pytest

from agent.learning.causal.sequences import (
    MIN_OFFERS,
    e_benjamini_hochberg,
    log_e_value,
    mixture_scale,
    offers_needed,
    radius,
)

VILLE = (
    (10, -0.10467899999999991, 2.167598621591726), (100, -0.04586002, 0.5483358183649426),
    (250, -0.015268232000000048, 0.34740839581680655), (600, 0.032540523333333016, 0.23176507489448683),
)  # fmt: skip
"""Numbers, mean, and half the width of `AsymptoticCS(alpha=0.05, t_opt=250)` of ville 0.1.0 on the numbers below."""


def test_intervals_are_those_of_ville() -> None:
    x = np.round(np.random.default_rng(7).normal(0.3, 2.0, 600), 6)
    scale = mixture_scale(250, 0.05)
    assert scale == pytest.approx(0.18123975247584417, abs=1e-7), "ville looks for it by a bounded search"
    for n, mean, half in VILLE:
        assert x[:n].mean() == pytest.approx(mean, abs=1e-12), "numpy draws other numbers; make the golden ones anew"
        found = radius(n, x[:n].var(ddof=1), alpha=0.05, scale=0.18123975247584417)
        assert float(found) == pytest.approx(half, abs=1e-9)
        assert float(radius(n, x[:n].var(ddof=1), alpha=0.05, scale=scale)) == pytest.approx(half, rel=1e-6)


def test_the_evidence_leaves_out_zero_exactly_where_the_interval_does() -> None:
    rng, scale = np.random.default_rng(0), mixture_scale(250, 0.05)
    n = rng.integers(MIN_OFFERS, 3000, 200).astype(float)
    means, variances = rng.normal(0, 0.2, 200), rng.uniform(0.5, 5.0, 200)
    outside = np.abs(means) > radius(n, variances, alpha=0.05, scale=scale)
    assert (outside == (log_e_value(n, means, variances, scale=scale) > math.log(1 / 0.05))).all()
    assert 20 < outside.sum() < 180, "nothing is tried"


def test_the_interval_is_narrowest_against_the_plain_one_where_it_was_tuned() -> None:
    n = np.arange(10, 5000)
    wider = radius(n, 1.0, alpha=0.05, scale=mixture_scale(250, 0.05)) * np.sqrt(n)
    assert abs(int(n[wider.argmin()]) - 250) <= 30
    assert radius(0, 1.0, alpha=0.05, scale=0.1) == np.inf


def test_few_offers_are_no_evidence() -> None:
    assert log_e_value(MIN_OFFERS - 1, 9.0, 1.0, scale=0.2) == 0.0 and log_e_value(MIN_OFFERS, 9.0, 1.0, scale=0.2) > 50
    assert log_e_value(MIN_OFFERS, 9.0, 0.0, scale=0.2) == 0.0


def test_what_is_rejected_is_what_the_definition_says() -> None:
    rng = np.random.default_rng(1)
    for _ in range(300):
        log_e = rng.normal(1.5, 2.0, 7)
        e = np.exp(log_e)
        passing = [k for k in range(1, 8) if np.sort(e)[::-1][k - 1] >= 7 / (0.1 * k)]
        expected = e >= np.sort(e)[::-1][max(passing) - 1] if passing else np.zeros(7, np.bool_)
        assert (e_benjamini_hochberg(log_e, alpha=0.1) == expected).all()
    both = e_benjamini_hochberg(np.array([[9.0, 0.0], [0.0, 0.0]]), alpha=0.1)
    assert both.tolist() == [[True, False], [False, False]]
    assert not e_benjamini_hochberg(np.array([3.5]), alpha=0.1, hypotheses=4).any()


def test_offers_needed_are_the_first_at_which_the_bar_is_reached() -> None:
    needed = offers_needed(0.3, 2.0, scale=0.2, bar=5.0)
    assert needed is not None
    assert float(log_e_value(needed, 0.3, 2.0, scale=0.2)) >= 5.0 > float(log_e_value(needed - 1, 0.3, 2.0, scale=0.2))
    assert offers_needed(1e-9, 1.0, scale=0.2, bar=5.0) is None and offers_needed(0.0, 1.0, scale=0.2, bar=5.0) is None
