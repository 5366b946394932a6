"""The ceiling of MinAtar's actions is what counting all that could have happened gives."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from tools.bench.labels._minatar import BOUNDS, Game

pytest.importorskip("minatar")
STEPS = 4


@pytest.mark.parametrize("seed", [0, 3, 5])
def test_the_ceiling_is_the_likeliest_of_all_that_could_have_happened(seed: int) -> None:
    game = Game("Breakout", sticky=0.1)
    stream = game.stream(40, seed)
    end = min(STEPS, int(np.flatnonzero(stream.is_last)[0]))
    places = stream.positions[: end + 1]
    low, high = (np.array(bounds) for bounds in zip(*BOUNDS["Breakout"], strict=True))
    odds = np.zeros((end, game.choices))
    for chosen in itertools.product(range(game.choices), repeat=end):
        for repeats in itertools.product((False, True), repeat=end):
            chance, before, at = 1.0, 0, places[0]
            for t in range(end):
                before = before if repeats[t] else chosen[t]
                chance *= (0.1 if repeats[t] else 0.9) / game.choices
                at = np.clip(at + np.array(game.moves[before]), low, high)
                if not np.array_equal(at, places[t + 1]):
                    chance = 0.0
                    break
            for t in range(end):
                odds[t, chosen[t]] += chance
    best = game._smoothed(places)
    reached = odds[np.arange(end), best]
    assert odds.sum() > 0
    assert np.allclose(reached, odds.max(1))
    assert not np.allclose(odds[np.arange(end), (best + 1) % game.choices], odds.max(1))
