"""Empirical Bayes: how large effects are, and how far each is drawn to 0."""

from __future__ import annotations

import numpy as np
import pytest

from agent.learning.causal.shrinkage import draw, shrunk, spread_of


def test_the_spread_of_effects_is_found_beneath_their_noise() -> None:
    rng = np.random.default_rng(0)
    errors = rng.uniform(0.5, 1.5, 4000)
    assert spread_of(rng.normal(0, 2.0, 4000) + rng.normal(0, 1, 4000) * errors, errors) == pytest.approx(2.0, abs=0.1)
    assert spread_of(rng.normal(0, 0.9, 4000) * errors, errors) == 0.0


def test_believed_effects_are_nearer_to_the_truth_and_noisy_ones_are_drawn_farther() -> None:
    rng = np.random.default_rng(1)
    truth, errors = rng.normal(0, 1, 300), rng.uniform(0.3, 3.0, 300)
    seen = truth + rng.normal(0, 1, 300) * errors
    found = shrunk(tuple(map(str, range(300))), seen, errors)
    assert np.mean((found.means - truth) ** 2) < 0.5 * np.mean((seen - truth) ** 2)
    shares = found.means / seen
    assert shares[errors.argmin()] > 0.8 > 0.3 > shares[errors.argmax()]
    assert np.abs((found.means - truth) / found.deviations).std() < 1.0


def test_what_was_not_seen_keeps_the_prior_and_nothing_seen_draws_nothing() -> None:
    found = shrunk(("a", "b", "c"), np.array([3.0, -3.0, np.nan]), np.array([0.5, 0.5, np.inf]))
    assert found.means[2] == 0.0 and found.deviations[2] == found.spread > 2.0
    drawn = np.array([draw(found, np.random.default_rng(k)) for k in range(400)])
    assert drawn.mean(0) == pytest.approx(found.means, abs=0.4)
    assert drawn.std(0) == pytest.approx(found.deviations, rel=0.15)
    nothing = shrunk(("a", "b"), np.array([0.1, -0.1]), np.array([1.0, 1.0]))
    assert nothing.spread == 0.0 and not draw(nothing, np.random.default_rng(0)).any()
