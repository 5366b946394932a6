"""The benches of skills: what passes, that measurements are kept, and that random scales hardly pass the gate."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agent.learning.merging.recipe import Recipe
from agent.training.skills.task import SkillTask
from tools.bench.skills import _measured, merges, stub, swaps
from tools.bench.skills._measured import Kept

BASE = {"w": np.zeros(4, np.float32)}
SKILLS = {name: {"w": np.eye(4, dtype=np.float32)[k]} for k, name in enumerate("abcd")}
TASKS = {
    "a": SkillTask("weapon:Bow", "Bow"), "b": SkillTask("gold", "", "Robinette"), "c": SkillTask("shrines"),
    "d": SkillTask("chests"),
}  # fmt: skip


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Kept, list[Any]]:
    """Measurements that say a weight times 5, with luck of the seed."""
    asked: list[Any] = []

    def measure(tensors: Any, task: SkillTask, seeds: range) -> np.ndarray:
        asked.append((task.metric, len(seeds)))
        luck = np.random.default_rng(seeds[0]).normal(0, 0.5, len(seeds))
        return 5.0 * float(tensors["w"][list(TASKS.values()).index(task)]) + luck

    monkeypatch.setattr(_measured, "measure", measure)
    return Kept(TASKS, tmp_path), asked


def test_a_skill_is_shown_by_its_own_metric_and_not_by_anothers(kept: tuple[Kept, list[Any]]) -> None:
    found = swaps.compared(kept[0], BASE, SKILLS, 1, 20, 5)
    assert all(f["disjoint"] and max(map(abs, f["other_skills"].values())) < 1.0 for f in found.values())
    assert swaps.passed(found, TASKS)
    for gone in ("a", "b", "c"):
        assert not swaps.passed(found | {gone: found[gone] | {"disjoint": False}}, TASKS)
    same = swaps.compared(kept[0], BASE, dict.fromkeys(SKILLS, BASE), 1, 20, 0)
    assert not any(f["disjoint"] for f in same.values())


def test_what_the_manifests_say_is_recorded_and_gives_the_spreads() -> None:
    found, tasks = swaps.recorded()
    assert swaps.passed(found, tasks) and found["bow"]["episodes"] >= 20 and tasks["robinette"].character == "Robinette"
    assert (stub.spreads_of(list(found)) > 0.1).all() and (stub.spreads_of(list(found)) < 5.0).all()


def test_what_was_measured_is_read_again(kept: tuple[Kept, list[Any]]) -> None:
    one = kept[0].value(BASE, "a", 1, 6)
    assert np.array_equal(one, kept[0].value(BASE, "a", 1, 6)) and len(kept[1]) == 1
    kept[0].value(SKILLS["a"], "a", 1, 6)
    kept[0].value(BASE, "a", 2, 6)
    assert len(kept[1]) == 3


def test_merges_are_shares_of_the_skills_gains(kept: tuple[Kept, list[Any]]) -> None:
    recipes = {"all": Recipe(method="task-arithmetic", scale=1.0), "half": Recipe(method="retain", scale=0.5)}
    found = merges.rows_of(kept[0], BASE, SKILLS, 1, 20, recipes)
    assert found["all"]["shares"] == pytest.approx(dict.fromkeys("abcd", 1.0), abs=1e-6)
    assert found["half"]["shares"]["a"] == pytest.approx(0.125, abs=1e-6) and found["skill a"]["shares"]["b"] == 0.0
    assert merges.summarised(found, list("abcd"))["passed"]
    del found["all"]
    assert not merges.summarised(found, list("abcd"))["passed"]


def test_a_method_that_does_not_apply_says_so(kept: tuple[Kept, list[Any]]) -> None:
    same = dict.fromkeys(SKILLS, {"w": np.ones(4, np.float32)})
    found = merges.rows_of(kept[0], BASE, same, 1, 4, {"RAM": Recipe(method="ram")})
    assert "RAM does not apply" in found["RAM"]["refused"]


def test_random_scales_hardly_pass_and_the_best_often_do() -> None:
    found = stub.simulated(np.array([0.3, 0.4, 0.3, 0.4]), 60, 20, 5)
    assert found["random"] <= 3 and found["best"] > found["random"]
    sure = stub.simulated(np.full(4, 0.02), 40, 20, 5)
    assert sure["best"] >= 20, "with hardly any luck the best scales gain on uniform ones, where these differ"
