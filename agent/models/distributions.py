"""Distributions of the world model: one-hot latents and two-hot numbers.

Owns no parameters. Conventions as in DreamerV3 (Hafner et al., Nature 2025): `unimix` mixes 1 % of the uniform
distribution into every categorical one, numbers are regressed as a two-hot target over bins at symexp(−20 … 20).
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

BIN_LIMIT = 20.0


def symlog(x: Float[Tensor, "*S"]) -> Float[Tensor, "*S"]:
    """sign(x)·ln(1 + |x|)."""
    return torch.sign(x) * torch.log1p(torch.abs(x))


def symexp(x: Float[Tensor, "*S"]) -> Float[Tensor, "*S"]:
    """The inverse of `symlog`."""
    return torch.sign(x) * torch.expm1(torch.abs(x))


def two_hot_bins(count: int) -> Float[Tensor, " K"]:
    """Positions of the bins: symexp of −20 … 20, an odd number, symmetric to the bit."""
    half = symexp(torch.linspace(-BIN_LIMIT, 0.0, count // 2 + 1))
    return torch.cat([half, -half[:-1].flip(0)])


def two_hot(x: Float[Tensor, "*B"], bins: Float[Tensor, " K"]) -> Float[Tensor, "*B K"]:
    """Weights of the two bins beside each number, in proportion to nearness, so that their mean is the number."""
    x = x.clamp(bins[0], bins[-1])
    above = torch.searchsorted(bins, x.contiguous()).clamp(1, len(bins) - 1)
    low, high = bins[above - 1], bins[above]
    share = ((x - low) / (high - low)).unsqueeze(-1)
    target = x.new_zeros((*x.shape, len(bins)))
    target.scatter_(-1, (above - 1).unsqueeze(-1), 1.0 - share)
    return target.scatter_(-1, above.unsqueeze(-1), share)


def two_hot_loss(
    logits: Float[Tensor, "*B K"], x: Float[Tensor, "*B"], bins: Float[Tensor, " K"]
) -> Float[Tensor, "*B"]:
    """Cross-entropy between the two-hot target of x and the prediction."""
    return -(two_hot(x, bins) * F.log_softmax(logits, -1)).sum(-1)


def two_hot_mean(logits: Float[Tensor, "*B K"], bins: Float[Tensor, " K"]) -> Float[Tensor, "*B"]:
    """Expected number; bins of opposite sign are summed in pairs, so that a uniform prediction gives exactly 0."""
    weighted = torch.softmax(logits, -1) * bins
    half = len(bins) // 2
    return (weighted[..., :half] + weighted[..., half + 1 :].flip(-1)).sum(-1) + weighted[..., half]


def unimix(logits: Float[Tensor, "*B K"], share: float) -> Float[Tensor, "*B K"]:
    """Log-probabilities with `share` of the uniform distribution mixed in."""
    if share == 0.0:
        return F.log_softmax(logits, -1)
    return torch.log(torch.softmax(logits, -1) * (1.0 - share) + share / logits.shape[-1])


def categorical_kl(log_p: Float[Tensor, "*B K"], log_q: Float[Tensor, "*B K"]) -> Float[Tensor, "*B"]:
    """KL(p ‖ q) of normalised log-probabilities, at least 0."""
    return (log_p.exp() * (log_p - log_q)).sum(-1).clamp_min(0.0)


def sample_index(log_p: Float[Tensor, "*B K"], generator: torch.Generator | None = None) -> Int[Tensor, "*B"]:
    """One index from each distribution (by the race of exponentials)."""
    return (log_p - torch.empty_like(log_p).exponential_(generator=generator).log()).argmax(-1)


def sample_one_hot(log_p: Float[Tensor, "*B K"], generator: torch.Generator | None = None) -> Float[Tensor, "*B K"]:
    """A one-hot sample whose gradient is that of the probabilities (straight through)."""
    hot = F.one_hot(sample_index(log_p.detach(), generator), log_p.shape[-1]).to(log_p.dtype)
    if not log_p.requires_grad:
        return hot
    p = log_p.exp()
    return hot + p - p.detach()
