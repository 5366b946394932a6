"""The squashed normal distribution of continuous actions: a = tanh(u), u ~ N(mean, exp(log_std)).

log p(a) = log N(u; mean, std) − log(1 − tanh²u). Every function works on one axis at a time, elementwise; the caller
sums over axes. Follows Haarnoja et al. (2018), appendix C.
"""

from __future__ import annotations

import math
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

MAX_ACTION: Final = 1.0 - 1e-6
"""Actions are cut at ± this before `atanh`, which is infinite at ±1."""
_LOG_2PI: Final = math.log(2.0 * math.pi)


def unsquash(action: Float[Tensor, "*B C"]) -> Float[Tensor, "*B C"]:
    """The u of an executed action in −1 … 1."""
    return torch.atanh(action.clamp(-MAX_ACTION, MAX_ACTION))


def log_slope(u: Float[Tensor, "*B C"]) -> Float[Tensor, "*B C"]:
    """log(d tanh(u) / du) = log(1 − tanh²u), exact for large |u|."""
    return 2.0 * (math.log(2.0) - u - F.softplus(-2.0 * u))


def normal_log_prob(
    u: Float[Tensor, "*B C"], mean: Float[Tensor, "*B C"], log_std: Float[Tensor, "*B C"]
) -> Float[Tensor, "*B C"]:
    """Log-density of the normal distribution at u, before tanh."""
    return -0.5 * (((u - mean) * torch.exp(-log_std)).square() + _LOG_2PI) - log_std


def squashed_log_prob(
    u: Float[Tensor, "*B C"], mean: Float[Tensor, "*B C"], log_std: Float[Tensor, "*B C"]
) -> Float[Tensor, "*B C"]:
    """Log-density of the action tanh(u)."""
    return normal_log_prob(u, mean, log_std) - log_slope(u)


def squashed_entropy(u: Float[Tensor, "*B C"], log_std: Float[Tensor, "*B C"]) -> Float[Tensor, "*B C"]:
    """Entropy estimated from one sample u, which must be drawn as mean + noise · std; its gradient is unbiased."""
    return 0.5 * (1.0 + _LOG_2PI) + log_std + log_slope(u)
