"""Reduced cases of the benches of the motor; each has a control that fails."""

from __future__ import annotations

import pytest

from tools.bench.learning.motor import bimodal, delayed, seams


@pytest.mark.campaign
@pytest.mark.timeout(1800)
def test_a_student_keeps_both_ways_of_two_players_and_a_mean_keeps_neither() -> None:
    result = bimodal.summarise([bimodal.one_seed(0, True)], True)
    assert result["passed"], result


@pytest.mark.campaign
@pytest.mark.timeout(1800)
def test_critics_that_look_ahead_reach_what_pays_later() -> None:
    result = delayed.summarise([delayed.one_seed(0, True)], True)
    assert result["passed"], result


@pytest.mark.campaign
@pytest.mark.timeout(1800)
def test_a_chunk_that_knows_what_is_executed_meanwhile_goes_on_more_smoothly() -> None:
    result = seams.run([0], True)
    assert result["passed"], result
