"""Actions of games as numbers, and joined between two pictures."""

from __future__ import annotations

import numpy as np
import pytest

from agent.core.types import Action, EnvAction, Shown
from agent.learning.pixels.actions import joined, layout_for, numbers_of
from agent.learning.pixels.layout import STANDARD


def test_actions_as_numbers() -> None:
    shown = Shown((8, 8, 3), 0, 1, (3,))
    assert layout_for(None) == STANDARD and [c.kind for c in layout_for(shown).controls] == ["axis", "choice"]
    assert numbers_of(Action(env=EnvAction((0.5,), (2,))), shown, (8, 8)).tolist() == [0.5, 2.0]
    click = numbers_of(Action(click=(79, 0), fire=True), None, (160, 90))
    assert click.tolist() == pytest.approx([0, 0, 0, 0, 1, 0, 0, 1, 79.5 / 160, 1 - 0.5 / 90])


def test_a_row_has_all_that_was_done() -> None:
    none = np.zeros(10, np.float32)
    turn, click = none.copy(), none.copy()
    turn[[2, 4]] = (1.0, 1.0)
    click[7:] = (1.0, 0.25, 0.75)
    row = joined([none, turn, click, none], STANDARD)
    assert row.tolist() == [0, 0, 0.25, 0, 1, 0, 0, 1, 0.25, 0.75]
    assert joined([none], STANDARD).tolist() == none.tolist()
