"""Scores of menus by hand, and lives that are cut."""

from __future__ import annotations

import numpy as np
import pytest

from agent.learning.causal.scores import contrasts, doubly_robust, pseudo_value, restricted_mean


def test_a_score_by_hand() -> None:
    expected = np.array([[1.0, 2.0, 6.0]])
    scores = doubly_robust(expected, np.array([[0.5, 0.25, 0.25]]), np.array([1]), np.array([3.0]))
    assert scores.tolist() == [[1.0, 2.0 + (3.0 - 2.0) / 0.25, 6.0]] and expected[0, 1] == 2.0
    assert contrasts(scores, np.array([[True, True, True]])).tolist() == [[1.0 - 6.0, 6.0 - 3.5, 6.0 - 3.5]]
    assert contrasts(scores, np.array([[True, True, False]])).tolist() == [[-5.0, 5.0, 6.0 - 3.5]]
    assert np.isnan(contrasts(scores, np.array([[True, False, False]]))[0, 0])


def test_scores_have_the_effect_as_their_mean_whatever_is_expected() -> None:
    """The average over who could have been taken, weighted by the chances, is the true contrast."""
    truth, chances = np.array([4.0, 1.0, -2.0]), np.array([0.6, 0.3, 0.1])
    wrong = np.array([[9.0, -3.0, 0.5]])
    mean = sum(
        chance
        * contrasts(doubly_robust(wrong, chances[None], np.array([k]), truth[k : k + 1]), np.ones((1, 3), np.bool_))
        for k, chance in enumerate(chances)
    )
    assert mean[0] == pytest.approx([4.0 + 0.5, 1.0 - 1.0, -2.0 - 2.5])


def test_the_restricted_mean_by_hand_with_a_cut_time() -> None:
    # Deaths at 2 and 6, one cut at 4: alive 1 until 2, 3/4 until 6, then 3/4 · 1/2.
    times, died = np.array([2.0, 4.0, 6.0, 20.0]), np.array([True, False, True, True])
    assert restricted_mean(times, died, 10.0) == pytest.approx(2.0 + 0.75 * 4.0 + 0.375 * 4.0)
    assert restricted_mean(times, np.ones(4, np.bool_), 10.0) == pytest.approx(np.minimum(times, 10.0).mean())
    assert restricted_mean([], [], 10.0) == 10.0


def test_without_cut_times_a_pseudo_value_is_the_time_lived_and_with_them_their_mean_stays_true() -> None:
    times, died = np.array([5.0, 40.0, 12.0]), np.array([True, True, True])
    assert pseudo_value(times, died, 17.0, True, 30.0) == 17.0 and pseudo_value(times, died, 70.0, False, 30.0) == 30.0
    rng = np.random.default_rng(0)
    lived, until = rng.exponential(40.0, 1500), rng.exponential(60.0, 1500)
    seen, dead = np.minimum(lived, until), lived <= until
    found = [pseudo_value(seen[:k], dead[:k], float(seen[k]), bool(dead[k]), 30.0) for k in range(300, 1500, 3)]
    truth, naive = 40.0 * (1.0 - np.exp(-0.75)), np.minimum(seen, 30.0).mean()
    assert np.mean(found) == pytest.approx(truth, abs=1.5) and naive < truth - 3.0
