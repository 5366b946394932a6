"""Reduced cases of the benches with known answers; each has a control that fails."""

from __future__ import annotations

import pytest

from tools.bench.learning import a4_coin, d1_irregular


@pytest.mark.campaign
@pytest.mark.timeout(1800)
def test_a_cell_that_is_told_the_time_foresees_a_signal_that_others_cannot() -> None:
    result = d1_irregular.run([0], True)
    assert result["passed"], result["checks"]


@pytest.mark.campaign
@pytest.mark.timeout(1800)
def test_the_prior_keeps_both_sides_of_a_coin_and_the_mean_keeps_neither() -> None:
    result = a4_coin.summarise([a4_coin.one_seed(0, True)], True)
    assert result["passed"], result["rows"]
