"""First lessons of a pilot in the arena: it plays, the teacher says what he would have done, it imitates that.

DAgger (Ross et al. 2011): the share of the teacher's own actions falls from one to nothing, so that the pilot learns
on the situations that it gets into itself. The value learns from the same play.
"""

from __future__ import annotations

from typing import Final, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from agent.core.types import FloatArray
from agent.learning.adam import Adam
from agent.learning.tensors import load_adam, moment_tensors
from agent.models.heads import NEVER, log_prob
from agent.models.policies import PilotPolicy
from agent.training.arena.batch import ArenaBatch
from agent.training.arena.stretch import Player, Stretch
from agent.training.arena.teacher import Teacher

EPOCHS: Final = 2
MOMENTS: Final = "lessons.{name}.{moment}"


class Teaches(Protocol):
    """Whoever says what is to be done in a batch of runs."""

    def act(self, batch: ArenaBatch) -> tuple[FloatArray, NDArray[np.int32], NDArray[np.int32]]:
        """Axes [N, 4], buttons [N, 3] and cards [N]."""
        ...


class Lessons:
    """Imitation of the teacher on a player's runs; `share` is how often the teacher plays himself.

    cards: how much a decision counts that chooses a card, which few do.
    """

    def __init__(
        self, player: Player, policy: PilotPolicy, *, lr: float, parts: int = 4, seed: int = 0,
        teacher: Teaches | None = None, cards: float = 1.0,
    ) -> None:  # fmt: skip
        self.player, self.policy = player, policy
        self.share = 1.0
        self.optimiser = Adam(policy.parameters(), lr, eps=1e-5)
        self._teacher = teacher or Teacher()
        self._random = torch.Generator().manual_seed(seed)
        self._parts, self._cards = parts, cards

    def _script(self, batch: ArenaBatch, axes: Tensor, choices: Tensor) -> tuple[Tensor, Tensor]:
        a, b, c = self._teacher.act(batch)
        wanted_axes, wanted = torch.from_numpy(a), torch.from_numpy(np.concatenate([b, c[:, None]], 1).astype(np.int64))
        leads = (torch.rand(batch.count, generator=self._random) < self.share)[:, None]
        axes.copy_(torch.where(leads, wanted_axes, axes))
        choices.copy_(torch.where(leads, wanted, choices))
        return wanted_axes, wanted

    def lesson(self, steps: int) -> tuple[Stretch, dict[str, float]]:
        """Play and imitate once."""
        stretch = self.player.stretch(steps, self._script)
        data = stretch.sequences
        self.policy.observe(data.obs.flatten(0, 1))
        metrics = []
        for _ in range(EPOCHS):
            parts = torch.randperm(data.obs.shape[0], generator=self._random).chunk(self._parts)
            metrics += [self._step(stretch, index) for index in parts]
        names = ("imitation_axes", "imitation_choices", "value_loss")
        return stretch, dict(zip(names, torch.stack(metrics).mean(0).tolist(), strict=True))

    def _step(self, stretch: Stretch, index: Tensor) -> Tensor:
        part, axes, choices = stretch.sequences.rows(index), stretch.script_axes[index], stretch.script_choices[index]
        heads, _ = self.policy(part.obs, part.carry, part.is_first, part.elapsed_s)
        assert heads.playing is not None
        played = torch.tanh(heads.mean)
        move, wanted = played[..., :2], axes[..., :2]
        short = F.relu(1.0 - move.norm(dim=-1))
        far = 1.0 - F.cosine_similarity(move, wanted, dim=-1, eps=1e-3) + short.square()
        far = far + 0.5 * (played[..., 2:] - axes[..., 2:]).square().sum(-1)
        away = (far * heads.playing).sum() / heads.playing.sum().clamp_min(1.0)
        no_axes = heads.__class__(heads.mean[..., :0], heads.log_std[..., :0], heads.logits, heads.value)
        told = log_prob(no_axes, axes[..., :0], choices)
        if self._cards != 1.0:
            told = torch.where(heads.logits[3][..., 1] > 0.5 * NEVER, self._cards * told, told)
        unlikely = -told.mean()
        error = 0.5 * (heads.value - part.returns).square().mean()
        loss = away + unlikely + 0.05 * error
        self.optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.policy.parameters(), 1.0)
        self.optimiser.step()
        return torch.stack([away, unlikely, error]).detach()

    def tensors(self) -> dict[str, Tensor]:
        """Everything that a restart needs, but for the policy."""
        moments = moment_tensors(MOMENTS, list(self.policy.named_parameters()), self.optimiser.state)
        return {"lessons.random": self._random.get_state(), **moments}

    def load_tensors(self, tensors: dict[str, Tensor]) -> None:
        """Take up what `tensors()` gave; raises KeyError or WeightsError where it does not fit."""
        random = tensors["lessons.random"]
        load_adam(MOMENTS, list(self.policy.named_parameters()), self.optimiser, tensors)
        self._random.set_state(random)
