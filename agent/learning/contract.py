"""What a learner is to the lane that runs it."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

from agent.core.rollout import Rollout


class Learner(Protocol):
    """One of the learners that take a rollout in turn. All state is in `tensors()`; no thread, no file, no clock."""

    @property
    def name(self) -> str:
        """Short and fixed: `ppo`, `world_model`, `dream`, `active_inference`."""
        ...

    def update(self, rollout: Rollout) -> dict[str, float]:
        """Learn from one rollout and report losses by name; raises where it cannot."""
        ...

    def tensors(self) -> dict[str, Tensor]:
        """Everything that a restart needs, by name: weights, optimiser moments, running statistics."""
        ...

    def load_tensors(self, tensors: dict[str, Tensor]) -> None:
        """Take up what `tensors()` gave; raises WeightsError where names, shapes or types differ."""
        ...
