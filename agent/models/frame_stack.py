"""The last observations of one game as one row: what a policy without memory knows of motion."""

from __future__ import annotations

from collections import deque

import numpy as np

from agent.core.types import EnvObservation, FloatArray


class FrameStack:
    """The last `frames` observations of one game, oldest first.

    A row is their pictures with the channels behind each other, then their numbers. At the beginning of an episode the
    first observation stands for those before it.
    """

    def __init__(self, frames: int) -> None:
        self._seen: deque[EnvObservation] = deque(maxlen=frames)

    def push(self, seen: EnvObservation, *, is_first: bool) -> FloatArray:
        """The row with this observation as its newest, f32 [frames · features]."""
        if is_first or not self._seen:
            self._seen.extend([seen] * (self._seen.maxlen or 1))
        else:
            self._seen.append(seen)
        if len(self._seen) == 1:
            return seen.row()
        numbers = np.concatenate([one.numbers for one in self._seen])
        pictures = [one.picture for one in self._seen if one.picture is not None]
        return EnvObservation(np.concatenate(pictures, 2) if pictures else None, numbers).row()
