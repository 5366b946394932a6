"""Imitation beside another loss: how unlikely a policy finds what was done in recordings. Owns the rows."""

from __future__ import annotations

from typing import Final

import msgspec
import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from agent.core.rollout import IntArray
from agent.core.types import FloatArray
from agent.models.heads import log_prob
from agent.models.policies import TrainablePolicy

BATCH: Final = 64


class Demonstrations(msgspec.Struct, frozen=True, eq=False):
    """What was seen and done: obs f32 [N, D], axes f32 [N, C] in −1 … 1, choices i64 [N, B]."""

    obs: FloatArray
    axes: FloatArray
    choices: IntArray

    def __len__(self) -> int:
        return len(self.obs)


class Imitation:
    """The mean negative log-likelihood of some demonstrations, drawn anew each time; a memory begins at each row."""

    def __init__(self, policy: TrainablePolicy, shown: Demonstrations, *, seed: int = 0) -> None:
        self.policy = policy
        self._obs, self._axes = torch.from_numpy(shown.obs), torch.from_numpy(shown.axes)
        self._choices = torch.from_numpy(shown.choices)
        self._random = np.random.default_rng(seed)

    def loss(self) -> Float[Tensor, ""]:
        """Of a batch that is drawn."""
        return self._of(torch.from_numpy(self._random.integers(len(self._obs), size=BATCH)))

    @torch.no_grad()
    def measured(self) -> float:
        """Of the first rows, for people."""
        return float(self._of(torch.arange(min(len(self._obs), 1024))))

    def _of(self, rows: Tensor) -> Float[Tensor, ""]:
        count = len(rows)
        heads, _ = self.policy(
            self._obs[rows][:, None], self.policy.initial(count), torch.ones(count, 1, dtype=torch.bool),
            torch.zeros(count, 1),
        )  # fmt: skip
        return -log_prob(heads, self._axes[rows][:, None], self._choices[rows][:, None]).mean()
