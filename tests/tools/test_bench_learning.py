"""The door to the learning benches: every test offers what the door calls, and results say what they are."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import bench_learning
import pytest
from bench import a1_cartpole, a3_honesty, dreams_onoff


@pytest.mark.parametrize("name", bench_learning.NAMES)
def test_every_bench_says_how_it_is_run_and_names_its_control(name: str) -> None:
    module: Any = importlib.import_module(f"bench.{name}")
    assert module.DEFAULT_SEEDS >= 3
    assert hasattr(module, "run") or (hasattr(module, "one_seed") and hasattr(module, "summarise"))
    assert "ontrol" in module.__doc__ or name == "a1_ppo"


def test_a_bench_that_fails_ends_with_1_and_writes_its_result(tmp_path: Path, monkeypatch: Any) -> None:
    module: Any = importlib.import_module("bench.d1_irregular")
    out = tmp_path / "d1.json"
    for passed in (True, False):
        monkeypatch.setattr(module, "run", lambda seeds, reduced, p=passed: {"passed": p, "seen": [seeds, reduced]})
        monkeypatch.setattr(
            "sys.argv", ["bench_learning.py", "d1_irregular", "--seeds", "2", "--first-seed", "4", "--out", str(out)]
        )
        with pytest.raises(SystemExit) as ended:
            bench_learning.main()
        assert ended.value.code == (0 if passed else 1)
        result = json.loads(out.read_text())
        assert result["seen"] == [[4, 5], False] and {"commit", "machine", "utc", "wall_s", "seeds"} <= result.keys()


def a1_rows(good: float, bad: float) -> list[dict[str, Any]]:
    return [{"with_continue": {"last_ten_mean": good}, "without_continue": {"last_ten_mean": bad}, "random": 22.0}] * 3


def test_cartpole_passes_by_the_mean_of_all_seeds_and_only_with_a_control_that_fails() -> None:
    assert a1_cartpole.summarise(a1_rows(200.0, 20.0), False)["passed"]
    assert not a1_cartpole.summarise(a1_rows(150.0, 20.0), False)["passed"]
    assert not a1_cartpole.summarise(a1_rows(200.0, 40.0), False)["passed"]


def test_dreams_pass_only_with_intervals_apart_five_seeds_and_a_control_no_better_than_off() -> None:
    def rows(on: float, shuffled: float, count: int) -> list[dict[str, Any]]:
        return [{"seed": k, "on": on + 0.1 * k, "off": 1.0 + 0.1 * k, "shuffled": shuffled} for k in range(count)]

    assert dreams_onoff.summarise(rows(3.0, 1.0, 5), False)["passed"]
    assert not dreams_onoff.summarise(rows(1.1, 1.0, 5), False)["passed"]
    assert not dreams_onoff.summarise(rows(3.0, 9.0, 5), False)["passed"]
    assert not dreams_onoff.summarise(rows(3.0, 1.0, 2), False)["passed"]


def test_the_area_under_the_curve_is_the_share_of_pairs_in_order() -> None:
    import numpy as np

    rng = np.random.default_rng(0)
    scores, positive = rng.normal(size=60), rng.random(60) < 0.4
    pairs = scores[positive][:, None] > scores[~positive][None]
    assert a3_honesty.area(scores, positive) == pytest.approx(pairs.mean())
