"""Returns and advantages of stretches of play; owns no network."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor


def advantages(
    rewards: Float[Tensor, "T N"],
    values: Float[Tensor, "T N"],
    next_values: Float[Tensor, "T N"],
    terminated: Bool[Tensor, "T N"],
    cut: Bool[Tensor, "T N"],
    gamma: float,
    lam: float,
) -> Float[Tensor, "T N"]:
    """Generalised advantages (Schulman et al. 2016).

    A_t = Σ_k (γλ)^k δ_{t+k} up to the first step that is `cut`, with δ = r + γ·V' − V and V' = 0 where terminated.
    next_values[t] is the value of what was seen after step t: of the final observation where the episode ends, so
    that a truncated one is bootstrapped. The last row counts as cut.
    """
    delta = rewards + gamma * next_values * (~terminated) - values
    kept = gamma * lam * (~cut).to(rewards.dtype)
    result = torch.empty_like(rewards)
    running = torch.zeros_like(rewards[0])
    for t in range(len(rewards) - 1, -1, -1):
        running = delta[t] + kept[t] * running if t + 1 < len(rewards) else delta[t]
        result[t] = running
    return result
