"""How well the learner's values foresee what episodes return; the actor waits until they do."""

from __future__ import annotations

from collections import deque
from typing import Final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from agent.core.errors import WeightsError
from agent.core.rollout import Rollout

JUDGED: Final = 8192
"""Decisions of finished episodes over which explained variance is measured."""


class Judgement:
    """How much of finished episodes' discounted returns the values predicted."""

    def __init__(self, gamma: float) -> None:
        self._gamma = gamma
        self._running: dict[str, list[tuple[float, float]]] = {}
        self._pairs: deque[tuple[float, float]] = deque(maxlen=JUDGED)

    def add(self, instance: str, values: Float[Tensor, " T"], rollout: Rollout) -> None:
        """Take in a rollout's values and rewards; episodes that a time limit cut are left out."""
        running = self._running.setdefault(instance, [])
        rows = zip(values.tolist(), rollout.rewards.tolist(), rollout.is_first, rollout.terminated, strict=True)
        for value, reward, first, ended in rows:
            if first:
                running.clear()
            running.append((value, reward))
            if ended:
                total = 0.0
                for predicted, got in reversed(running):
                    total = got + self._gamma * total
                    self._pairs.append((predicted, total))
                running.clear()

    def tensors(self) -> dict[str, Tensor]:
        """What was predicted and came, [JUDGED, 2], and how many rows of it count."""
        pairs = torch.zeros(JUDGED, 2)
        if self._pairs:
            pairs[: len(self._pairs)] = torch.tensor(list(self._pairs), dtype=torch.float32)
        return {"judged": pairs, "judged_count": torch.tensor(len(self._pairs))}

    def load_tensors(self, tensors: dict[str, Tensor]) -> None:
        """Take up what `tensors()` gave; raises WeightsError where it does not fit."""
        pairs, count = tensors.get("judged", torch.zeros(0)), int(tensors.get("judged_count", torch.tensor(-1)))
        if pairs.shape != (JUDGED, 2) or not 0 <= count <= JUDGED:
            raise WeightsError("judged is missing or not of its shape")
        self._pairs.clear()
        self._pairs.extend((float(a), float(b)) for a, b in pairs[:count].tolist())

    @property
    def explained(self) -> float:
        """1 − variance of the error / variance of the returns; 0 before anything is known."""
        if len(self._pairs) < 2:
            return 0.0
        values, returns = np.array(self._pairs).T
        spread = float(returns.var())
        return 1.0 - float((returns - values).var()) / spread if spread > 0 else 0.0
