"""Rewards of Gymnasium environments, checked where they enter: nothing behind this sees one that is no number."""

from __future__ import annotations

import reprlib
from typing import Any, Final

import gymnasium
import numpy as np

from agent.core.errors import NumberError

LARGEST: Final = float(np.finfo(np.float32).max)
"""Rewards travel and are learned from as float32."""


def checked_reward(reward: Any, where: str) -> float:
    """A reward as a number; raises NumberError where it is none, or is beyond float32."""
    try:
        number = float(reward)
    except (TypeError, ValueError, OverflowError) as error:
        raise NumberError(f"{where}: step returned the reward {reprlib.repr(reward)}; a number is needed") from error
    if not np.isfinite(number):
        raise NumberError(f"{where}: step returned the reward {number}; a finite number is needed")
    if abs(number) > LARGEST:
        raise NumberError(f"{where}: step returned the reward {number:g}, beyond ±{LARGEST:.2g}")
    return number


class CheckedEnv(gymnasium.Wrapper[Any, Any, Any, Any]):
    """An environment whose rewards are finite numbers; `step` raises NumberError for another."""

    def __init__(self, env: Any, where: str) -> None:
        super().__init__(env)
        self._where = where

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """One step of the environment."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        return observation, checked_reward(reward, self._where), bool(terminated), bool(truncated), info
