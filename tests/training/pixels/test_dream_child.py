"""The process of dreams: each number its own, and what was not begun is refused."""

from __future__ import annotations

import numpy as np
import pytest

from agent.core.errors import RequestError
from agent.games.dream.messages import Leave, Open, Opened, Reset, Shown, Step
from agent.training.pixels.dream_child import Dreams
from tests.learning.pixels.files import dots_world


def test_dreams_do_not_meet() -> None:
    dreams = Dreams(dots_world())
    opened, _ = dreams.answer(Open())
    assert isinstance(opened, Opened) and opened.size_px == 16 and opened.controls[0].choices == 5
    _, first = dreams.answer(Reset(number=1, seed=7))
    _, same = dreams.answer(Reset(number=2, seed=7))
    assert first == same
    for _ in range(5):
        shown, moved = dreams.answer(Step(number=1, values=[2.0]))
        _, other = dreams.answer(Step(number=2, values=[0.0]))
    assert isinstance(shown, Shown) and 0 <= shown.end < 0.5
    arrays = [np.frombuffer(each, np.uint8).astype(int) for each in (first, moved, other)]
    assert np.abs(arrays[1] - arrays[0]).mean() > 1.5 * np.abs(arrays[2] - arrays[0]).mean()
    dreams.answer(Leave(number=1))
    for message in (Step(number=1, values=[0.0]), Step(number=2, values=[0.0, 1.0])):
        with pytest.raises(RequestError, match="was not begun"):
            dreams.answer(message)
