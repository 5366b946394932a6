"""Scores are balanced: who copies a held key is found out by the beginnings of presses."""

from __future__ import annotations

import numpy as np

from agent.learning.inverse_dynamics.scores import Tally, copied, onset_matches
from agent.learning.pixels.layout import ActionLayout, Control


def test_a_held_key_flatters_copying_but_its_beginning_does_not() -> None:
    layout = ActionLayout((Control("jump", "key"),))
    done = np.repeat(np.array([0, 1, 0, 1, 0], np.float32), 10)[:, None]
    tally, shuffled = Tally(layout, slack=0), Tally(layout, slack=0)
    tally.add(done, copied(done))
    shuffled.add(done, done[np.random.default_rng(0).permutation(50)])
    assert tally.figures()["macro_f1"] > 0.85
    assert tally.figures()["onset_f1"] == 0.0
    assert shuffled.figures()["macro_f1"] < 0.7


def test_each_beginning_matches_once_and_within_the_slack() -> None:
    wanted, found = np.zeros(20, bool), np.zeros(20, bool)
    wanted[[5, 6, 12]], found[[4, 10, 13]] = True, True
    assert onset_matches(found, wanted) == (2, 3, 2)
    assert onset_matches(found, wanted, slack=0) == (0, 3, 2)
