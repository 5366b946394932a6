"""Reward for what is not foretold yet: small models of the next observation that disagree (Pathak et al. 2019).

Members of the ensemble see the same transitions in different parts, so they agree where they have seen enough, also
where the next observation is noise: each foretells its mean then. Owns the models and their optimiser.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from agent.core.rollout import ActionSpec, Rollout
from agent.core.types import FloatArray
from agent.learning.adam import Adam
from agent.learning.tensors import load_adam, module_tensors, moment_tensors, take_up
from agent.models.encoder import RunningNorm

MODELS: Final = 5
HIDDEN: Final = 64
FEATURES: Final = 64
"""An observation is foretold as so many fixed random sums of its normalised numbers, or as it is where it has fewer."""
LR: Final = 1e-3
STEPS: Final = 8
BATCH: Final = 256
_MOMENTS: Final = "adam.{name}.{moment}"


class Ensemble(nn.Module):
    """Models of the next observation side by side."""

    projection: Float[Tensor, "D E"]
    moments: Float[Tensor, 2]

    def __init__(self, features: int, actions: int, seed: int) -> None:
        super().__init__()
        random = torch.Generator().manual_seed(seed)
        width = min(features, FEATURES)
        sums = torch.randn(features, width, generator=random) / math.sqrt(features)
        self.register_buffer("projection", torch.eye(features) if width == features else sums)
        self.register_buffer("moments", torch.zeros(2, dtype=torch.float64))
        self.norm = RunningNorm(features)

        def weights(inputs: int, outputs: int) -> nn.Parameter:
            return nn.Parameter(torch.randn(MODELS, inputs, outputs, generator=random) * math.sqrt(2.0 / inputs))

        self.first, self.last = weights(width + actions, HIDDEN), weights(HIDDEN, width)
        self.first_bias = nn.Parameter(torch.zeros(MODELS, 1, HIDDEN))
        self.last_bias = nn.Parameter(torch.zeros(MODELS, 1, width))

    def seen(self, obs: Float[Tensor, "B D"]) -> Float[Tensor, "B E"]:
        """An observation as it is foretold."""
        seen: Tensor = self.norm(obs) @ self.projection
        return seen

    def forward(self, obs: Float[Tensor, "B D"], actions: Float[Tensor, "B A"]) -> Float[Tensor, "M B E"]:
        """By each model, how the observation changes."""
        inputs = torch.cat([self.seen(obs), actions], -1).expand(MODELS, -1, -1)
        return torch.relu(inputs @ self.first + self.first_bias) @ self.last + self.last_bias


class Curiosity:
    """Pays for disagreement over transitions of rollouts, and learns from them."""

    def __init__(self, features: int, spec: ActionSpec, *, seed: int = 0) -> None:
        self.spec = spec
        self.models = Ensemble(features, spec.width, seed)
        self.optimiser = Adam(self.models.parameters(), LR, eps=1e-8)
        self._random = torch.Generator().manual_seed(seed)

    def pay(self, rollouts: Sequence[Rollout]) -> list[FloatArray]:
        """Disagreement over each step, in units of its running root mean square; then the models learn from it all."""
        data = [self._rows(rollout) for rollout in rollouts]
        with torch.no_grad():
            paid = [self.models(obs, acts).var(0).mean(-1) for obs, acts, _ in data]
            joined = torch.cat(paid).double()
            counts = torch.tensor([float(len(joined)), float(joined.square().sum())], dtype=torch.float64)
            self.models.moments += counts
            size = math.sqrt(float(self.models.moments[1] / self.models.moments[0])) + 1e-8
        self._learn(*(torch.cat(rows) for rows in zip(*data, strict=True)))
        return [(x / size).numpy().astype(np.float32) for x in paid]

    def _rows(self, rollout: Rollout) -> tuple[Tensor, Tensor, Tensor]:
        """Observations [T, D], actions written out [T, A], next observations [T, D]."""
        choices = torch.from_numpy(rollout.actions_disc)
        parts = [torch.from_numpy(rollout.actions_cont)]
        parts += [F.one_hot(choices[:, b], n).float() for b, n in enumerate(self.spec.branches)]
        return torch.from_numpy(rollout.obs), torch.cat(parts, -1), torch.from_numpy(rollout.next_obs())

    def _learn(self, obs: Tensor, actions: Tensor, after: Tensor) -> None:
        self.models.norm.update(obs)
        for _ in range(STEPS):
            index = torch.randint(len(obs), (min(BATCH, len(obs)),), generator=self._random)
            target = (self.models.seen(after[index]) - self.models.seen(obs[index])).detach()
            error = (self.models(obs[index], actions[index]) - target).square().mean(-1)
            counted = (torch.rand(error.shape, generator=self._random) < 0.5).float()
            self.optimiser.zero_grad()
            torch.autograd.backward((error * counted).sum() / counted.sum().clamp_min(1.0))
            self.optimiser.step()

    def tensors(self) -> dict[str, Tensor]:
        """Everything that a restart needs; some are views."""
        moments = moment_tensors(_MOMENTS, list(self.models.named_parameters()), self.optimiser.state)
        return module_tensors(self.models, "models.") | moments | {"random": self._random.get_state()}

    def load_tensors(self, tensors: dict[str, Tensor]) -> None:
        """Take up what `tensors()` gave; raises WeightsError."""
        take_up(module_tensors(self.models, "models."), {n: t for n, t in tensors.items() if n.startswith("models.")})
        load_adam(_MOMENTS, list(self.models.named_parameters()), self.optimiser, tensors)
        self._random.set_state(tensors["random"].to(torch.uint8))
