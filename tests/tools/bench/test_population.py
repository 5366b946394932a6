"""Benches of populations and of throughput: what passes, and what does not."""

from __future__ import annotations

from typing import Any

from tools.bench.population import minatar
from tools.bench.population._side import GAMES, SAME
from tools.bench.population.throughput import SIDES, passed, summarised


def rows(speed: float, returns: float, seeds: int = 5) -> list[dict[str, Any]]:
    """As many seeds, at so many steps a second."""
    return [
        {"returns": [returns + seed] * 30, "steps": 1000, "cpu_s": 1000 / speed, "wall_s": 2000 / speed}
        for seed in range(seeds)
    ]


def test_three_times_as_quick_at_a_return_that_is_not_below_passes() -> None:
    good = {("cartpole", "ours"): rows(6000, 490), ("cartpole", "sb3"): rows(1990, 491)}
    found = summarised(good)
    assert found["cartpole"]["sb3"]["ours_is_times"] == 3.02 and passed(found)
    assert not passed(summarised(good | {("cartpole", "sb3"): rows(2100, 491)}))
    assert not passed(summarised(good | {("cartpole", "ours"): rows(6000, 300)}))
    rlox = good | {("cartpole", "rlox"): rows(7000, 300)}
    assert not passed(summarised(rlox | {("cartpole", "ours-as-rlox"): rows(6900, 300)}))
    assert passed(summarised(rlox | {("cartpole", "ours-as-rlox"): rows(7100, 300)}))
    assert not passed({})
    short = good | {("cartpole", "ours"): rows(6000, 300)}
    assert passed(summarised(short, reduced=True)), "returns of reduced trainings say nothing"


def test_every_game_has_its_sides() -> None:
    assert GAMES.keys() == SAME.keys() == SIDES.keys()
    assert GAMES["breakout"].spec == "gym:minatar.gym:MinAtar/Breakout-v1"


def test_a_constant_model_that_wins_does_not_pass() -> None:
    scores = {
        "two periods": 6.0, "one period": 5.0, "random search": 4.0, "nothing": 3.0, "constant model": 5.0,
        "tenfold": 5.5,
    }  # fmt: skip

    def table(**changed: float) -> dict[str, Any]:
        of = scores | {name.replace("_", " "): score for name, score in changed.items()}
        run = {"fitness": [1.0], "copies": 1, "by_model": 0}
        return minatar.summarised({arm: [{**run, "score": score}] for arm, score in of.items()})

    assert table()["passed"]
    for worse in ({"constant_model": 9.0}, {"tenfold": 9.0}, {"one_period": 3.0}, {"two_periods": 4.5}):
        assert not table(**worse)["passed"]
    assert not minatar.summarised({"two periods": [{"score": 1.0, "fitness": [1.0], "copies": 0, "by_model": 0}]})[
        "passed"
    ]
