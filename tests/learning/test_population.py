"""Hyper-parameters of a population stay in bounds, and copies go from better members to worse ones alone."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from agent.core.errors import SettingsError
from agent.learning.population import Copy, Range, Standing, Switch, begin, check_spaces, clip, copy_for, perturb

SPACES: Any = {
    "lr": Range(1e-4, 1e-2), "gamma": Range(0.9, 0.999, "discount"), "beta": Range(0.0, 1.0, "linear"),
    "is_on": Switch(),
}  # fmt: skip


def test_values_stay_in_bounds_and_booleans_stay_booleans() -> None:
    rng = np.random.default_rng(0)
    values = begin(SPACES, rng)
    seen = []
    for _ in range(500):
        values = perturb(values, SPACES, rng)
        seen.append(dict(values))
    for name in ("lr", "gamma", "beta"):
        column = [v[name] for v in seen]
        assert SPACES[name].low <= min(column) and max(column) <= SPACES[name].high
        assert len(set(column)) > 50, f"{name} hardly changes"
    assert {v["is_on"] for v in seen} == {True, False}
    assert all(isinstance(v["is_on"], bool) for v in seen)


def test_a_discount_is_perturbed_by_its_distance_from_1() -> None:
    spaces = {"gamma": Range(0.9, 0.9999, "discount")}
    found = {perturb({"gamma": 0.99}, spaces, np.random.default_rng(k), resample=0.0)["gamma"] for k in range(20)}
    assert sorted(found) == pytest.approx([0.9875, 0.992])


def test_starts_are_begun_with() -> None:
    assert begin({"lr": Range(1e-4, 1e-2, start=3e-3), "on": Switch(True)}, np.random.default_rng(0)) == {
        "lr": 3e-3, "on": True,
    }  # fmt: skip


def test_what_others_propose_is_cut() -> None:
    values: Any = {"lr": 1e-3, "gamma": 0.99, "beta": 0.5, "is_on": False}
    found = clip({"lr": 5.0, "gamma": math.nan, "is_on": 1.0, "unknown": 3.0}, values, SPACES)
    assert found == {"lr": 1e-2, "gamma": 0.99, "beta": 0.5, "is_on": True}


@pytest.mark.parametrize(
    ("name", "space", "said"),
    [("learning_rate", Range(1e-4, 1e-2), "there are"), ("lr", Range(1e-2, 1e-4), "is possible"),
     ("gamma", Range(0.9, 1.0, "discount"), "is possible"), ("lr", Range(0.0, 0.1), "linear"),
     ("lr", Range(1e-4, 1e-2, start=1.0), "start")],
)  # fmt: skip
def test_ranges_that_cannot_be_are_refused(name: str, space: Range, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        check_spaces({name: space}, {"lr": (0.0, 1.0), "gamma": (0.0, 1.0)})


def _standings(fast: list[float | None], slow: list[float | None]) -> list[Standing]:
    found = [Standing(k, 0, 1, fitness) for k, fitness in enumerate(fast)]
    return found + [Standing(len(fast) + k, 1, 8, fitness) for k, fitness in enumerate(slow)]


def copied(member: int, fast: list[float | None], slow: list[float | None]) -> Copy | None:
    return copy_for(member, _standings(fast, slow), np.random.default_rng(0))


def test_the_worst_copies_the_best_of_its_group_and_nobody_else_does() -> None:
    assert copied(0, [1.0, 2.0, 3.0, 4.0], [0.0, 0.0, 0.0, 0.0]) == Copy(0, 3, 3)
    assert copied(1, [1.0, 2.0, 3.0, 4.0], [0.0, 0.0, 0.0, 0.0]) is None


def test_a_slow_group_takes_weights_of_a_fast_one_but_keeps_its_own_values() -> None:
    assert copied(4, [1.0, 2.0, 3.0, 9.0], [1.0, 2.0, 3.0, 4.0]) == Copy(4, 3, 7)


def test_a_fast_group_takes_weights_and_values_of_a_slow_one() -> None:
    assert copied(0, [1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0, 9.0]) == Copy(0, 7, 7)


def test_who_was_not_measured_neither_copies_nor_is_copied() -> None:
    assert copied(0, [None, 2.0, 3.0, 4.0], [None] * 4) is None
    assert copied(0, [1.0, None, None, None], [None] * 4) is None
    found = copied(0, [1.0, 2.0, None, None], [None] * 4)
    assert found == Copy(0, 1, 1)


def test_equals_are_not_copied() -> None:
    assert copied(0, [2.0, 2.0], [2.0, 2.0]) is None


def test_who_broke_down_copies_whoever_did_not() -> None:
    assert copied(3, [1.0, 2.0, 3.0, -math.inf], [0.0] * 4) == Copy(3, 2, 2)
