"""Expectations: what ridge regression says, and only of rows before."""

from __future__ import annotations

import numpy as np
import pytest

from agent.learning.causal.nuisance import Ridge, fixed_columns, rows_of


def test_rows_say_what_where_and_which() -> None:
    rows = rows_of(np.array([[7.0, 8.0]]), np.array([[2, 0, -1]]), 3)
    assert rows.shape == (1, 3, fixed_columns(2) + 3)
    assert rows[0, 0].tolist() == [1, 7, 8, 0, 0, 0, 0, 1]
    assert rows[0, 1].tolist() == [1, 7, 8, 1, 0, 1, 0, 0]
    assert rows[0, 2].tolist() == [1, 7, 8, 0, 1, 0, 0, 0]


def test_predictions_do_not_change_before_the_next_fit() -> None:
    rng, ridge = np.random.default_rng(0), Ridge(3, 2)
    rows = np.concatenate([np.ones((200, 1)), rng.normal(0, 1, (200, 4))], 1)
    truth = np.array([2.0, 1.0, -1.0, 0.5, 0.0])
    ridge.add(rows[:100], rows[:100] @ truth)
    assert not ridge.predict(rows).any()
    ridge.fit()
    before = ridge.predict(rows)
    assert before == pytest.approx(rows @ truth, abs=0.3)
    ridge.add(rows[100:], 50.0 * np.ones(100))
    assert (ridge.predict(rows) == before).all()
    ridge.fit()
    assert not np.allclose(ridge.predict(rows), before, atol=1.0)


def test_units_of_covariates_do_not_matter_and_new_cards_are_drawn_to_the_mean() -> None:
    rng = np.random.default_rng(1)
    x, y = rng.normal(0, 1, (60, 1)), rng.normal(5, 1, 60)
    found = []
    for unit in (1.0, 1000.0):
        ridge = Ridge(2)
        ridge.widen(1)
        ridge.add(np.concatenate([np.ones((60, 1)), x * unit, np.zeros((60, 1))], 1), y)
        ridge.fit()
        ridge.widen(2)
        found.append(ridge.predict(np.array([1.0, 0.5 * unit, 0.0, 1.0])))
    assert found[0] == pytest.approx(found[1], rel=1e-6) and found[0] == pytest.approx(5.0, abs=0.6)
