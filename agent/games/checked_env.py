"""What Gymnasium environments return, checked where it enters: nothing behind this sees a reward that is no number."""

from __future__ import annotations

import math
import reprlib
from typing import Any, Final

import gymnasium
import numpy as np

from agent.core.errors import NumberError, UserCodeError
from agent.core.user_code import Calling

LARGEST: Final = float(np.finfo(np.float32).max)
"""Rewards travel and are learned from as float32."""


def checked_reward(reward: Any, where: str) -> float:
    """A reward as a number; raises NumberError where it is none, or is beyond float32."""
    try:
        number = float("none" if isinstance(reward, str | bytes) else reward)
    except (TypeError, ValueError, OverflowError) as error:
        raise NumberError(f"{where}: step returned the reward {reprlib.repr(reward)}; a number is needed") from error
    if not math.isfinite(number):
        raise NumberError(f"{where}: step returned the reward {number}; a finite number is needed")
    if abs(number) > LARGEST:
        raise NumberError(f"{where}: step returned the reward {number:g}, beyond ±{LARGEST:.2g}")
    return number


class CheckedEnv(gymnasium.Wrapper[Any, Any, Any, Any]):
    """An environment that returns what Gymnasium says, with rewards that are finite numbers.

    What it raises or returns wrongly becomes a UserCodeError of one line, a reward that is no number a NumberError.
    """

    def __init__(self, env: Any, where: str) -> None:
        super().__init__(env)
        self._where = where
        self._resetting, self._stepping = Calling(where, "reset"), Calling(where, "step")

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """The first observation of an episode, and further facts."""
        with self._resetting:
            returned: Any = self.env.reset(seed=seed, options=options)
        if not (isinstance(returned, tuple) and len(returned) == 2):
            raise UserCodeError(f"{self._where}: reset returned {reprlib.repr(returned)}; observation, info are needed")
        observation, info = returned
        return observation, info

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """One step: observation, reward, terminated, truncated, further facts."""
        with self._stepping:
            returned: Any = self.env.step(action)
        if not (isinstance(returned, tuple) and len(returned) == 5):
            raise UserCodeError(
                f"{self._where}: step returned {reprlib.repr(returned)}; "
                "observation, reward, terminated, truncated, info are needed"
            )
        observation, reward, terminated, truncated, info = returned
        return observation, checked_reward(reward, self._where), bool(terminated), bool(truncated), info
