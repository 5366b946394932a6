"""The bench of System 2 on and off: what it calls a gain, and what must fail."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tools.bench.planner import on_off
from tools.bench.planner.on_off import CASES, Bench, checks, figures, runs_of


def runs(measure: str, values: list[float]) -> dict[int, dict[str, Any]]:
    return {seed: {"gained": {measure: value}} for seed, value in enumerate(values)}


def arms(measure: str, **means: float) -> dict[str, dict[int, dict[str, Any]]]:
    return {arm: runs(measure, [mean + 0.1 * (k % 3) for k in range(30)]) for arm, mean in means.items()}


@pytest.mark.parametrize(
    ("means", "failed"),
    [
        ({"off": 1.0, "oracle": 2.0, "builtin": 1.8, "drawn": 1.1}, ()),
        ({"off": 1.0, "oracle": 1.1, "builtin": 1.8, "drawn": 1.1}, ("the oracle gains a fifth",)),
        ({"off": 1.0, "oracle": 2.0, "builtin": 1.0, "drawn": 0.9}, ("the builtin gains, intervals disjoint",)),
        ({"off": 1.0, "oracle": 2.0, "builtin": 1.8, "drawn": 1.8}, ("control: drawn subgoals gain less",)),
    ],
)
def test_a_goal_that_a_script_gains_on_needs_disjoint_intervals(means: dict[str, float], failed: tuple[str]) -> None:
    found = checks(figures(CASES["shrines"], arms("shrines", **means)))
    assert tuple(name for name, held in found.items() if not held) == failed


@pytest.mark.parametrize(("builtin", "held"), [(99.0, True), (97.0, False)])
def test_a_goal_that_no_script_gains_on_may_cost_two_percent(builtin: float, held: bool) -> None:
    found = checks(figures(CASES["survive"], arms("seconds", off=100.0, oracle=101.0, builtin=builtin)))
    assert found["the oracle gains less than a fifth"] and found["the builtin loses at most 2 %"] is held


def test_what_nobody_reaches_without_a_planner_is_gained_by_whoever_reaches_it() -> None:
    arms_of = {"off": runs("bosses", [0.0] * 30), "oracle": runs("bosses", [0.0, 0.5, 1.0] * 10)}
    found = figures(CASES["boss"], arms_of | {"builtin": arms_of["oracle"]})
    assert found["oracle"]["share"] is None and all(checks(found).values())
    nothing = figures(CASES["boss"], arms_of | {"builtin": arms_of["off"], "oracle": arms_of["off"]})
    assert not any(checks(nothing).values())


def test_runs_that_are_kept_are_not_played_again(tmp_path: Path) -> None:
    played: list[tuple[int, str]] = []

    class Counted(Bench):
        def __init__(self) -> None:
            pass

        def run(self, seed: int, goal: str, arm: str) -> dict[str, Any]:
            played.append((seed, arm))
            return {"gained": {"shrines": float(seed)}}

    first = runs_of(Counted, tmp_path, "shrines", "oracle", range(2))
    assert runs_of(Counted, tmp_path, "shrines", "oracle", range(3)) | first == {**first, 2: {**first[1], **{
        "seed": 2, "gained": {"shrines": 2.0}
    }}}  # fmt: skip
    assert played == [(0, "oracle"), (1, "oracle"), (2, "oracle")]


def test_a_run_with_the_builtin_pursues_what_it_plans_and_without_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(on_off, "PLAYED_S", 6.0)
    bench = Bench(None)
    told: list[str | None] = []
    pursue = bench.motor.pursue

    def heard(game: int, pursuit: Any, judged: Any) -> None:
        told.append(pursuit.subgoal.describe() if pursuit is not None else None)
        pursue(game, pursuit, judged)

    bench.motor.pursue = heard  # type: ignore[method-assign]
    off = bench.run(5, "shrines", "off")
    assert set(told) == {None} and 6.0 <= off["gained"]["seconds"] < 6.1 and "told" not in off
    assert bench.run(5, "shrines", "off") == off, "the same seed gives the same run"
    told.clear()
    found = bench.run(5, "level", "builtin")
    assert "collect(xp, 1)" in told and found["told"]["plans"] >= 1
