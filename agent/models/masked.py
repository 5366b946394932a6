"""A flat policy some of whose choices are forbidden at some steps.

A row of its observations is the policy's own features, then one number for each choice: 1 where it is allowed.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from agent.models.heads import NEVER, Heads
from agent.models.policies import TrainablePolicy


class MaskedPolicy(TrainablePolicy):
    """`inner` with forbidden choices at `NEVER`; a branch with no choice allowed is free."""

    def __init__(self, inner: TrainablePolicy) -> None:
        super().__init__()
        self.inner = inner
        self.spec, self.units = inner.spec, inner.units
        self.choices = sum(inner.spec.branches)
        self.features = inner.features + self.choices

    def forward(
        self,
        obs: Float[Tensor, "S L D"],
        carry: Float[Tensor, "S U"],
        is_first: Bool[Tensor, "S L"],
        elapsed: Float[Tensor, "S L"],
    ) -> tuple[Heads, Float[Tensor, "S U"]]:
        """Distributions of every step, and the memory after the last."""
        features, allowed = torch.split(obs, [self.inner.features, self.choices], -1)
        heads, carry = self.inner(features, carry, is_first, elapsed)
        logits = []
        masks = torch.split(allowed, list(self.spec.branches), -1) if self.spec.branches else ()
        for logit, mask in zip(heads.logits, masks, strict=True):
            free = (mask > 0) | (mask.sum(-1, keepdim=True) == 0)
            logits.append(torch.where(free, logit, NEVER))
        return Heads(heads.mean, heads.log_std, tuple(logits), heads.value, heads.playing), carry

    def observe(self, obs: Float[Tensor, "B D"]) -> None:
        """The features are normalised, the masks are not."""
        self.inner.observe(obs[:, : self.inner.features])
