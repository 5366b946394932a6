"""No action of a chunk is executed twice or skipped, however long the next one takes to be made."""

from __future__ import annotations

import random

import numpy as np
import pytest

from agent.control.chunks.seams import Running

LENGTH = 8
TICKS = 1_000_000


def test_in_a_million_ticks_no_action_is_executed_twice_or_skipped() -> None:
    """Every action is the number of the decision that it was planned for; delays are drawn anew for each chunk."""
    draw = random.Random(0)
    numbers = np.arange(LENGTH, dtype=np.float64)[:, None]
    running = Running(numbers)
    tick = seams = 0
    while tick < TICKS:
        delay = draw.randrange(5)
        for _ in range(draw.randrange(running.left - delay + 1)):
            assert running.take()[0] == tick
            tick += 1
        begun, (actions, known) = tick, running.ahead(delay)
        for ahead in range(delay):
            assert actions[ahead] == running.take()[0] == tick
            tick += 1
        assert known.sum() == delay
        running.follow(begun + numbers, tick - begun)
        seams += 1
    assert seams > TICKS / LENGTH


def test_what_nobody_knows_is_not_said_to_be_certain() -> None:
    running = Running(np.arange(LENGTH, dtype=np.float32)[:, None])
    for _ in range(LENGTH - 2):
        running.take()
    assert running.ahead(2)[0][:3].tolist() == [6.0, 7.0, 0.0]
    assert running.rest().tolist() == [6.0, 7.0, 7.0, 7.0, 7.0, 7.0, 7.0, 7.0]
    with pytest.raises(ValueError, match="3 decisions ahead, 2 actions are left"):
        running.ahead(3)
    running.take(), running.take()
    with pytest.raises(IndexError):
        running.take()
