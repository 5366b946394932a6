"""The bench of cards by active inference: what passes, what must not, and its reduced case with the shipped model."""

from __future__ import annotations

from typing import Any

import pytest

from agent.training.arena.batch import EndedRun
from agent.training.arena.choices import Scored
from tools.bench.learning import aif_arena
from tools.bench.learning.aif_arena import Compared

NOTES = {"efe_held_loss": 0.9, "efe_held_frequencies": 1.6}


def run_of(score_s: float) -> EndedRun:
    return EndedRun(score_s, False, 100, 20, 9000)


def played(on_s: float, *, shuffled_tells: bool = False, like_motor: bool = False, tells: bool = True) -> Any:
    """30 runs of 20 choices: in every fifth the gain moves the choice from card 1 to card 0, which tells more."""

    def note(k: int, j: int) -> Compared:
        moved = tells and (k + j) % 5 == 0
        gains = (0.05, 0.02, 0.01) if (k + j) % 3 else (0.04, 0.02, 0.03)
        on = 0 if moved else 1
        shuffled = on if shuffled_tells else (0 if (7 * k + j) % 97 == 0 else 1)
        return Compared(on if like_motor else 2, on, 1, shuffled, gains)

    notes = [[note(k, j) for j in range(20)] for k in range(30)]
    ended = {arm: [run_of(1000.0 + 5 * k) for k in range(30)] for arm in aif_arena.ARMS}
    ended["on"] = [run_of(on_s + 5 * k + (-1) ** k * 60) for k in range(30)]
    return {arm: Scored(ended[arm], notes if arm == "on" else [[] for _ in range(30)]) for arm in aif_arena.ARMS}


def test_it_passes_only_where_choices_differ_scores_hold_and_exchanged_gains_have_no_effect() -> None:
    good = aif_arena.summarised(played(1000.0), NOTES, False)
    assert good["passed"], good["checks"]
    assert good["on_runs"]["choices"] == 600 and good["on_runs"]["changed_by_gain"]["mean"] == pytest.approx(0.2)
    for bad in (
        played(900.0), played(1000.0, shuffled_tells=True), played(1000.0, like_motor=True), played(1000.0, tells=False)
    ):  # fmt: skip
        assert not aif_arena.summarised(bad, NOTES, False)["passed"]
    assert not aif_arena.summarised(played(1000.0), NOTES | {"efe_held_loss": 1.7}, False)["passed"]


def test_intervals_are_of_runs_and_weigh_choices_alike() -> None:
    found = aif_arena.interval([[1.0] * 9, [0.0]])
    assert found["mean"] == pytest.approx(0.9) and found["low"] == 0.0 and found["high"] == 1.0


@pytest.mark.campaign
@pytest.mark.timeout(1800)
def test_the_shipped_model_moves_choices_towards_information_and_the_control_does_not() -> None:
    result = aif_arena.run([0], True)
    assert result["passed"], result
    assert result["on_runs"]["choices"] > 80
