"""Bringing dreams into the policy that is served: it is drawn towards what the dreaming actor would do.

On the steps of each rollout, the served policy minimises KL(dreaming actor ‖ served policy); the axes' distributions
are compared before tanh. Begins once the actor has dreamt enough to be worth imitating.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Shaped
from torch import Tensor
from torch.nn import functional as F

from agent.core.rollout import Rollout
from agent.learning.dreamer.dream import DreamLearner, Targets
from agent.learning.ppo.learner import PPOLearner
from agent.learning.ppo.update import RolloutSequences
from agent.models.heads import NEVER, Heads


class DreamDistiller:
    """Draws the policy of `ppo` towards the actor of `dream`, with `coefficient`, after `wait` steps of dreaming."""

    name = "distill"

    def __init__(self, ppo: PPOLearner, dream: DreamLearner, *, coefficient: float, wait: int = 200) -> None:
        self._ppo, self._dream = ppo, dream
        self._coefficient, self._wait = coefficient, wait
        self._dreamt = 0

    def update(self, rollout: Rollout) -> dict[str, float]:
        """One pass over a rollout; the divergence before it, 0 while it waits."""
        self._dreamt += self._dream.world.config.steps_per_update
        if self._dreamt < self._wait:
            return {"dream_distill_loss": 0.0, "dream_distill_waits": float(self._wait - self._dreamt)}
        data, targets = self._ppo.sequences(rollout), self._dream.targets(rollout)
        length = self._ppo.length
        shaped = Targets(*(rows_of(t, length) for t in targets))
        sums, parts = [], min(4, data.obs.shape[0])
        for index in torch.randperm(data.obs.shape[0]).chunk(parts):
            part, wanted = data.rows(index), Targets(*(t[index] for t in shaped))
            loss = self._loss(part, wanted)
            sums.append(float(loss.detach()))
            self._ppo.ppo.step(self._coefficient * loss)
        return {"dream_distill_loss": sum(sums) / len(sums), "dream_distill_waits": 0.0}

    def _loss(self, part: RolloutSequences, wanted: Targets) -> Float[Tensor, ""]:
        each = divergence(wanted, self._ppo.ppo.heads(part))
        return (each * part.weight).sum() / part.weight.sum().clamp_min(1.0)

    def tensors(self) -> dict[str, Tensor]:
        """How far it has waited."""
        return {"distill.dreamt": torch.tensor(self._dreamt)}

    def load_tensors(self, tensors: dict[str, Tensor]) -> None:
        """Take up what `tensors` gave."""
        self._dreamt = int(tensors["distill.dreamt"])


def rows_of(x: Shaped[Tensor, "T ..."], length: int) -> Shaped[Tensor, "S {length} ..."]:
    """Steps as sequences of `length`, the last padded with zeros."""
    short = -len(x) % length
    if short:
        x = torch.cat([x, torch.zeros(short, *x.shape[1:], dtype=x.dtype)])
    return x.reshape(len(x) // length, length, *x.shape[1:])


def divergence(wanted: Targets, heads: Heads) -> Float[Tensor, "*B"]:
    """KL(wanted ‖ heads) of every step; what is forbidden to both counts for nothing."""
    total = torch.zeros_like(heads.value)
    if heads.mean.shape[-1]:
        ratio = torch.exp(2.0 * (wanted.log_std - heads.log_std))
        apart = (wanted.mean - heads.mean).square() * torch.exp(-2.0 * heads.log_std)
        axes = (0.5 * (ratio + apart - 1.0) + heads.log_std - wanted.log_std).sum(-1)
        total = total + (axes if heads.playing is None else axes * heads.playing)
    at = 0
    for logits in heads.logits:
        log_p = F.log_softmax(wanted.logits[..., at : at + logits.shape[-1]], -1)
        log_q = F.log_softmax(logits, -1)
        counted = (log_q > NEVER / 2) & (log_p > NEVER / 2)
        total = total + torch.where(counted, log_p.exp() * (log_p - log_q), 0.0).sum(-1)
        at += logits.shape[-1]
    return total
