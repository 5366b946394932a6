"""One member that trains on a Gymnasium environment: PPO whose hyper-parameters and rewards an order sets.

What is learned from is the game's reward times `reward_scale`, and `curiosity_beta` times what an ensemble of models
cannot foretell yet; `imitation_beta` weighs the loss of imitating recordings. What it is judged by is the game's own
return, which none of these change. Owns the training.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec
import numpy as np
import torch
from torch import Tensor

from agent.core.errors import NumberError, SettingsError
from agent.core.rollout import Rollout
from agent.learning.curiosity import Curiosity
from agent.learning.imitation import Imitation
from agent.learning.population import Value
from agent.training.gym import GymTraining
from agent.training.options import EnvironmentOptions
from agent.training.population.config import OF_PPO
from agent.training.population.demonstrations import read_demonstrations
from agent.training.presets.preset import named

CURIOSITY: Final = "curiosity."


class Task(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What members train on. total_steps: of each, over which its learning rate falls; searched: names of what is set.

    demos: recordings to imitate. preset: in place of the one that fits the game. begin: in the arena, the file of a
    pilot's weights in place of the shipped one's. runs: in the arena, that are played at once.
    """

    game: str
    total_steps: int
    searched: tuple[str, ...] = ()
    demos: tuple[str, ...] = ()
    preset: str | None = None
    profile: str | None = None
    begin: str | None = None
    runs: int = 32


class TrainsAndMeasures(Protocol):
    """What a member is, whatever it plays."""

    @property
    def steps(self) -> int:
        """Steps of the weights, from their beginning."""
        ...

    def configure(self, values: dict[str, Value]) -> None:
        """Go on with these hyper-parameters."""
        ...

    def train(self, steps: int) -> dict[str, float]:
        """At least so many steps; raises NumberError where the training broke down."""
        ...

    def evaluate(self, first_seed: int, episodes: int) -> list[float]:
        """The game's own score of so many episodes."""
        ...

    def tensors(self) -> dict[str, Tensor]:
        """Everything that a copy needs."""
        ...

    def load_tensors(self, tensors: dict[str, Tensor]) -> None:
        """Take up what `tensors()` gave, of this member or another; raises WeightsError."""
        ...

    def sealed(self) -> dict[str, Any]:
        """The arguments of `save_sealed` for the weights."""
        ...


def check_finite(tensors: dict[str, Tensor]) -> None:
    """Raise NumberError where a training has broken down."""
    broken = [n for n, t in tensors.items() if t.is_floating_point() and not bool(torch.isfinite(t).all())]
    if broken:
        raise NumberError(f"{broken[0]} has values that are not finite")


class GymMember:
    """A training, and the parts of its reward."""

    def __init__(self, task: Task, seed: int) -> None:
        profile = Path(task.profile) if task.profile is not None else None
        preset = named(task.preset) if task.preset is not None else None
        self.training = GymTraining(
            task.game, seed=seed, total_steps=task.total_steps, profile=profile, preset=preset,
            options=EnvironmentOptions(),
        )  # fmt: skip
        policy = self.training.policy
        self._curiosity: Curiosity | None = None
        if "curiosity_beta" in task.searched:
            self._curiosity = Curiosity(policy.features, policy.spec, seed=seed)
        self._imitation: Imitation | None = None
        if task.demos:
            paths = [Path(path) for path in task.demos]
            shown = read_demonstrations(paths, policy.features, policy.spec, self.training.preset.frame_stack)
            self._imitation = Imitation(policy, shown, seed=seed)
        elif "imitation_beta" in task.searched:
            raise SettingsError("search.imitation_beta: imitates recordings; name them with --demos")
        self._scale, self._beta, self._paid = 1.0, 0.0, 0.0
        self.training.pays = self._pay

    @property
    def steps(self) -> int:
        """Steps of the weights, from their beginning."""
        return self.training.steps

    def configure(self, values: dict[str, Value]) -> None:
        """Go on with these hyper-parameters; what they do not name is as the preset says."""
        learner = self.training.learner
        config = {name: float(values[name]) for name in OF_PPO if name in values}
        learner.configure(msgspec.structs.replace(learner.config, **config))
        self._scale, self._beta = float(values.get("reward_scale", 1.0)), float(values.get("curiosity_beta", 0.0))
        beta = float(values.get("imitation_beta", 0.0))
        imitation = self._imitation
        learner.ppo.beside = None if imitation is None or not beta else lambda: beta * imitation.loss()

    def _pay(self, rollouts: list[Rollout]) -> list[Rollout]:
        paid: Sequence[Any] = [0.0] * len(rollouts)
        if self._curiosity is not None:
            paid = self._curiosity.pay(rollouts)
            self._paid = float(np.mean([np.mean(x) for x in paid]))
        return [
            msgspec.structs.replace(r, rewards=(self._scale * r.rewards + self._beta * x).astype(np.float32))
            for r, x in zip(rollouts, paid, strict=True)
        ]

    def train(self, steps: int) -> dict[str, float]:
        """At least so many steps; the figures of the last stretch. Raises NumberError where the training broke down."""
        until, metrics = self.training.steps + steps, dict[str, float]()
        while self.training.steps < until:
            metrics = self.training.advance()
        check_finite(self.tensors())
        if self._curiosity is not None:
            metrics["curiosity"] = self._paid
        if self._imitation is not None:
            metrics["imitation_loss"] = self._imitation.measured()
        return metrics

    def evaluate(self, first_seed: int, episodes: int) -> list[float]:
        """The game's own return of so many episodes."""
        return self.training.evaluate(range(first_seed, first_seed + episodes))

    def tensors(self) -> dict[str, Tensor]:
        """Everything that a copy needs; some are views."""
        found = self.training.tensors()
        if self._curiosity is not None:
            found |= {CURIOSITY + name: tensor for name, tensor in self._curiosity.tensors().items()}
        return found

    def load_tensors(self, tensors: dict[str, Tensor]) -> None:
        """Take up what `tensors()` gave, of this member or another; raises WeightsError."""
        own = {name: t for name, t in tensors.items() if not name.startswith(CURIOSITY)}
        self.training.load_tensors(own)
        if self._curiosity is not None:
            of = {name.removeprefix(CURIOSITY): t for name, t in tensors.items() if name.startswith(CURIOSITY)}
            self._curiosity.load_tensors(of)

    def sealed(self) -> dict[str, Any]:
        """The arguments of `save_sealed` for the weights."""
        return self.training.sealed()
