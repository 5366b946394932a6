"""The stack of frames: oldest first, pictures by channels, and nothing of the episode before."""

from __future__ import annotations

import numpy as np

from agent.core.types import EnvObservation
from agent.models.frame_stack import FrameStack


def seen(value: int) -> EnvObservation:
    return EnvObservation(np.full((2, 1, 1), value, np.uint8), np.array([-value], np.float32))


def test_the_last_observations_are_one_row_and_an_episode_begins_with_its_first() -> None:
    stack = FrameStack(3)
    assert stack.push(seen(1), is_first=True).tolist() == [1, 1, 1, 1, 1, 1, -1, -1, -1]
    stack.push(seen(2), is_first=False)
    assert stack.push(seen(3), is_first=False).tolist() == [1, 2, 3, 1, 2, 3, -1, -2, -3]
    assert stack.push(seen(4), is_first=False)[:3].tolist() == [2, 3, 4]
    assert stack.push(seen(9), is_first=True)[:3].tolist() == [9, 9, 9]


def test_one_frame_is_the_observation_itself() -> None:
    stack = FrameStack(1)
    assert [stack.push(seen(v), is_first=v == 1).tolist() for v in (1, 2)] == [[1, 1, -1], [2, 2, -2]]
