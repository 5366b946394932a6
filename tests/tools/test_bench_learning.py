"""The door to the learning benches: every test offers what the door calls, and results say what they are."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import pytest

from tools.bench.learning import __main__ as bench_learning
from tools.bench.learning import _gather, _parts, a1_cartpole, a3_honesty, dreams_onoff


@pytest.mark.parametrize("name", bench_learning.NAMES)
def test_every_bench_says_how_it_is_run_and_names_its_control(name: str) -> None:
    module: Any = importlib.import_module(f"tools.bench.learning.{name}")
    assert module.DEFAULT_SEEDS >= 3
    assert hasattr(module, "run") or hasattr(module, "one_seed") or (hasattr(module, "one_arm") and module.ARMS)
    assert hasattr(module, "run") or hasattr(module, "summarise")
    assert "ontrol" in module.__doc__ or name == "a1_ppo"


def test_a_bench_that_fails_ends_with_1_and_writes_its_result(tmp_path: Path, monkeypatch: Any) -> None:
    module: Any = importlib.import_module("tools.bench.learning.d1_irregular")
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
    return [{"with_continue": {"last_ten_mean": good}, "without_continue": {"last_ten_mean": bad},
             "random": {"mean": 22.0}}] * 3  # fmt: skip


def test_cartpole_passes_by_the_mean_of_all_seeds_and_only_with_a_control_that_fails() -> None:
    assert a1_cartpole.summarise(a1_rows(200.0, 20.0), False)["passed"]
    assert not a1_cartpole.summarise(a1_rows(150.0, 20.0), False)["passed"]
    assert not a1_cartpole.summarise(a1_rows(200.0, 40.0), False)["passed"]


def test_dreams_pass_only_with_intervals_apart_five_seeds_and_a_control_no_better_than_off() -> None:
    def rows(on: float, shuffled: float, count: int) -> list[dict[str, Any]]:
        def arm(score: float) -> dict[str, float]:
            return {"score": score}

        return [
            {
                f"{way} {task}": arm(score)
                for task in dreams_onoff.TASKS
                for way, score in (("on", on + 0.1 * k), ("off", 1.0 + 0.1 * k), ("shuffled", shuffled))
            }
            for k in range(count)
        ]

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


class Counting:
    """A test whose arms say how often they ran."""

    __name__ = "bench.counting"
    ARMS = ("left", "right/er")

    def __init__(self) -> None:
        self.ran: list[tuple[int, str]] = []

    def one_arm(self, seed: int, arm: str, reduced: bool) -> dict[str, Any]:
        self.ran.append((seed, arm))
        if seed == 2 and arm == "right/er" and len(self.ran) == 4:
            raise KeyboardInterrupt
        return {"score": seed}


def test_a_campaign_that_was_cut_off_goes_on_and_a_changed_source_begins_anew(tmp_path: Path, monkeypatch: Any) -> None:
    test = Counting()
    monkeypatch.setattr(_parts, "load", lambda name: test)
    with pytest.raises(KeyboardInterrupt):
        _parts.rows("counting", [1, 2], False, 1, tmp_path)
    rows = _parts.rows("counting", [1, 2, 3], False, 1, tmp_path)
    assert [row["seed"] for row in rows] == [1, 2, 3] and rows[2]["right/er"] == {"score": 3}
    assert test.ran == [(1, "left"), (1, "right/er"), (2, "left"), (2, "right/er"), (2, "right/er"), (3, "left"),
                        (3, "right/er")]  # fmt: skip
    monkeypatch.setenv("BENCH_STEPS", "7")
    _parts.rows("counting", [1], False, 1, tmp_path)
    assert test.ran[-2:] == [(1, "left"), (1, "right/er")]


@pytest.mark.slow
@pytest.mark.campaign
def test_parts_at_once_are_the_parts_one_after_the_other() -> None:
    one, two = (_parts.rows("a1_ppo", [0], True, jobs, None) for jobs in (1, 2))
    assert one[0]["last_ten_mean"] == two[0]["last_ten_mean"]


def test_the_scenario_repeats_by_its_seed_and_pays_for_what_is_picked_up() -> None:
    def run(seed: int, action: int) -> tuple[list[float], bool]:
        env = _gather.Gather()
        env.reset(seed=seed)
        rewards, cut = [], False
        while not cut:
            seen, reward, over, cut, _ = env.step(action)
            assert seen.shape == env.observation_space.shape and not over
            rewards.append(reward)
        return rewards, cut

    walked, again, stood = run(3, 0), run(3, 0), run(3, _gather.DIRECTIONS)
    assert walked == again and len(walked[0]) == 100
    assert sum(walked[0]) > 1.5 * sum(stood[0]) > 0


@pytest.mark.campaign
def test_dreams_and_ppo_are_scored_as_policies_that_learn_no_more(monkeypatch: Any) -> None:
    monkeypatch.setattr(dreams_onoff, "REDUCED_STEPS", 560)
    dreamt, learnt = (dreams_onoff.one_arm(0, f"{way} gather", True)["score"] for way in ("on", "off"))
    assert 3.0 < dreamt < 40.0 and 3.0 < learnt < 40.0
