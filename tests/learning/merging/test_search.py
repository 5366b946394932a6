"""The search of weights: CMA-ES finds an optimum, and whoever proposes sees its state and gets three in ten trials."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from agent.core.errors import SettingsError
from agent.learning.merging.search import SearchState, search

OPTIMUM = np.array([0.4, 1.6, 1.0])


def _value(weights: tuple[float, ...]) -> float:
    return -float(np.square(np.array(weights) - OPTIMUM).sum())


def test_it_gets_near_an_optimum_within_the_bounds_and_begins_with_ones() -> None:
    trials = search(_value, ["a", "b", "c"], trials=80, seed=3)
    assert len(trials) == 80 and trials[0].value > -0.02 and trials[0].value >= trials[1].value
    assert {t.by for t in trials} == {"uniform", "cma"} and (1.0, 1.0, 1.0) in {t.weights for t in trials}
    assert all(0.0 <= w <= 2.0 for t in trials for w in t.weights)
    assert [t.weights for t in search(_value, ["a", "b", "c"], trials=20, seed=3)] != [
        t.weights for t in search(_value, ["a", "b", "c"], trials=20, seed=4)
    ]


def test_whoever_proposes_sees_the_state_and_gets_about_three_in_ten() -> None:
    seen: list[SearchState] = []

    def propose(state: SearchState) -> list[float]:
        seen.append(state)
        return [5.0, -1.0, 1.0]

    trials = search(_value, ["a", "b", "c"], trials=100, seed=0, propose=propose)
    theirs = [t for t in trials if t.by == "llm"]
    assert 18 <= len(theirs) == len(seen) <= 42 and {t.weights for t in theirs} == {(2.0, 0.0, 1.0)}
    last = seen[-1]
    assert last.names == ("a", "b", "c") and len(last.mean) == 3 and last.sigma > 0
    assert np.array(last.covariance).shape == (3, 3) and len(last.best) == 5 and len(last.recent) == 20
    assert list(last.best) == sorted(last.best, key=lambda t: -t.value)


def test_a_good_proposal_is_found_sooner_and_none_leaves_the_search_alone() -> None:
    good = search(_value, ["a", "b", "c"], trials=30, seed=1, propose=lambda state: OPTIMUM.tolist())
    alone = search(_value, ["a", "b", "c"], trials=30, seed=1)
    silent = search(_value, ["a", "b", "c"], trials=30, seed=1, propose=lambda state: None)
    assert good[0].by == "llm" and good[0].value == 0.0 and alone[0].value < 0.0
    assert {t.by for t in silent} == {"uniform", "cma"}


def test_one_source_is_searched_too() -> None:
    assert search(lambda w: -abs(w[0] - 1.5), ["a"], trials=25, seed=0)[0].weights[0] == pytest.approx(1.5, abs=0.1)


def test_without_the_package_it_says_which_extra_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cma", None)
    with pytest.raises(SettingsError, match=r"pip install 'metabonk-apex\[merge\]'"):
        search(_value, ["a", "b", "c"], trials=3, seed=0)
