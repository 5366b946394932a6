"""Actions as distributions: squashed normal axes (`models.squashed`) and masked choices, with exact log-probabilities.

Owns no parameters.
"""

from __future__ import annotations

import msgspec
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.nn import functional as F

from agent.models.squashed import squashed_entropy, squashed_log_prob, unsquash

NEVER = -1e9


class Heads(msgspec.Struct, frozen=True, eq=False):
    """What a policy says: mean, log_std [..., C] before tanh, logits of each branch [..., n], value [...].

    `playing` [...] is 1 where the axes count and 0 where they do nothing; absent where they always count. A choice
    that is not allowed has a logit of `NEVER`.
    """

    mean: Float[Tensor, "*B C"]
    log_std: Float[Tensor, "*B C"]
    logits: tuple[Float[Tensor, "*B n"], ...]
    value: Float[Tensor, "*B"]
    playing: Float[Tensor, "*B"] | None = None


def forbid(heads: Heads, allowed: Bool[Tensor, "*B M"]) -> Heads:
    """The same heads where choices that are not `allowed` are never made; M counts the choices of all branches.

    A branch with no choice allowed is free.
    """
    logits = []
    masks = torch.split(allowed, [logit.shape[-1] for logit in heads.logits], -1)
    for logit, mask in zip(heads.logits, masks, strict=True):
        logits.append(torch.where(mask | ~mask.any(-1, keepdim=True), logit, NEVER))
    return Heads(heads.mean, heads.log_std, tuple(logits), heads.value, heads.playing)


def log_prob(heads: Heads, axes: Float[Tensor, "*B C"], choices: Int64[Tensor, "*B N"]) -> Float[Tensor, "*B"]:
    """Log-probability of actions as executed: axes in −1 … 1 (cut at ±(1 − 1e-6)) and one index a branch."""
    total = torch.zeros(heads.value.shape, dtype=heads.value.dtype, device=heads.value.device)
    if heads.mean.shape[-1]:
        each = squashed_log_prob(unsquash(axes), heads.mean, heads.log_std)
        total = total + _counted(heads, each.sum(-1))
    for branch, logits in enumerate(heads.logits):
        chosen = F.log_softmax(logits, -1).gather(-1, choices[..., branch : branch + 1])
        total = total + chosen.squeeze(-1)
    return total


def entropy(heads: Heads, noise: Float[Tensor, "*B C"] | None = None) -> Float[Tensor, "*B"]:
    """Entropy of the action; that of the axes is estimated from one sample, whose gradient is unbiased."""
    total = torch.zeros(heads.value.shape, dtype=heads.value.dtype, device=heads.value.device)
    if heads.mean.shape[-1]:
        noise = torch.randn_like(heads.mean) if noise is None else noise
        u = heads.mean + noise * torch.exp(heads.log_std)
        total = total + _counted(heads, squashed_entropy(u, heads.log_std).sum(-1))
    for logits in heads.logits:
        logs = F.log_softmax(logits, -1)
        total = total - (logs.exp() * logs).sum(-1)
    return total


def sample(heads: Heads) -> tuple[Float[Tensor, "*B C"], Int64[Tensor, "*B N"]]:
    """Axes and choices, drawn from torch's generator."""
    axes = torch.tanh(heads.mean + torch.randn_like(heads.mean) * torch.exp(heads.log_std))
    picks = [torch.argmax(logits + _gumbel(logits), -1) for logits in heads.logits]
    return axes, _stacked(heads, picks)


def likeliest(heads: Heads) -> tuple[Float[Tensor, "*B C"], Int64[Tensor, "*B N"]]:
    """tanh of the axes' means, and the likeliest choices."""
    return torch.tanh(heads.mean), _stacked(heads, [torch.argmax(logits, -1) for logits in heads.logits])


def _stacked(heads: Heads, picks: list[Int64[Tensor, "*B"]]) -> Int64[Tensor, "*B N"]:
    if not picks:
        return torch.zeros((*heads.value.shape, 0), dtype=torch.int64, device=heads.value.device)
    return torch.stack(picks, -1)


def _gumbel(like: Float[Tensor, "*S"]) -> Float[Tensor, "*S"]:
    return -torch.log(torch.empty_like(like).exponential_().clamp_min(1e-20))


def _counted(heads: Heads, x: Float[Tensor, "*B"]) -> Float[Tensor, "*B"]:
    return x if heads.playing is None else x * heads.playing
