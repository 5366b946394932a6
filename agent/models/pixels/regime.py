"""A switching variable that is learned without labels: which kind of screen this is, such as play or a menu.

q(r_t | x_{t−1}, x_t) from two pictures, and a sticky prior p(r_t | r_{t−1}); the dynamics of picture t are told r_t.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

STICKY: Final = 0.95
"""Of the prior at first: the chance to stay."""
_SIDE: Final = 16


class RegimeLoss(NamedTuple):
    """KL(q ‖ p) of a step, and the entropy of the batch's mean of q: high where all regimes are in use."""

    divergence: Float[Tensor, ""]
    usage: Float[Tensor, ""]


class Regime(nn.Module):
    """Posterior and prior of `count` regimes."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.count = count
        self.posterior = nn.Sequential(
            nn.Linear(2 * 3 * _SIDE * _SIDE, 96), nn.LayerNorm(96), nn.SiLU(), nn.Linear(96, count)
        )
        stay = torch.full((count, count), (1 - STICKY) / max(1, count - 1))
        stay.fill_diagonal_(STICKY)
        self.prior = nn.Parameter(stay.log())

    def logits(self, frames: Float[Tensor, "B T 3 S S"]) -> Float[Tensor, "B T K"]:
        """Of each picture, from it and the one before; the first stands for the one before itself."""
        batch, length = frames.shape[:2]
        small = F.adaptive_avg_pool2d(frames.flatten(0, 1), _SIDE).reshape(batch, length, -1) * 2 - 1
        before = torch.cat([small[:, :1], small[:, :-1]], 1)
        found: Tensor = self.posterior(torch.cat([small, small - before], -1))
        return found

    def draw(self, logits: Float[Tensor, "B T K"], temperature: float) -> Float[Tensor, "B T K"]:
        """One-hot samples whose gradient is that of a soft one."""
        return F.gumbel_softmax(logits, temperature, hard=True)

    def losses(self, logits: Float[Tensor, "B T K"], drawn: Float[Tensor, "B T K"]) -> RegimeLoss:
        """What keeps the posterior near the prior, and the regimes in use."""
        log_q = logits.log_softmax(-1)
        log_p = (drawn[:, :-1] @ self.prior.log_softmax(-1)).log_softmax(-1)
        divergence = (log_q[:, 1:].exp() * (log_q[:, 1:] - log_p)).sum(-1).mean()
        mean = log_q.exp().mean((0, 1))
        return RegimeLoss(divergence, -(mean * mean.clamp_min(1e-8).log()).sum())

    def next(self, regime: Float[Tensor, "B K"]) -> Float[Tensor, "B K"]:
        """The likeliest regime after one, one-hot."""
        likeliest = (regime @ self.prior).argmax(-1)
        return F.one_hot(likeliest, self.count).to(regime.dtype)
