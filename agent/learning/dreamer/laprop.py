"""LaProp with adaptive gradient clipping and a linear warm-up: the optimiser of the world model and its actor.

LaProp (Ziyin et al., 2020): v ← β₂v + (1−β₂)g², m ← β₁m + (1−β₁)·g/√v̂, θ ← θ − lr·m̂. Clipping (Brock et al., 2021):
a tensor's gradient is at most `clip`·max(‖θ‖, 1e-3) long. All state is in `tensors()`.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from agent.learning.tensors import OptimiserState, moment_tensors

BETAS = (0.9, 0.999)


class LaProp:
    """Updates the named parameters that it was given."""

    def __init__(
        self, parameters: Iterable[tuple[str, nn.Parameter]], lr: float, *, clip: float = 0.3, warm_up: int = 0
    ) -> None:
        self.named = [(name, p) for name, p in parameters if p.requires_grad]
        self.lr, self.clip, self.warm_up = lr, clip, warm_up
        self.first = [torch.zeros_like(p) for _, p in self.named]
        self.second = [torch.zeros_like(p) for _, p in self.named]
        self.steps = torch.zeros((), dtype=torch.int64)

    def gradients(self, loss: Tensor) -> list[Tensor]:
        """The loss's gradients, in the order of the parameters."""
        return list(torch.autograd.grad(loss, [p for _, p in self.named]))

    @torch.no_grad()
    def step(self, gradients: list[Tensor]) -> None:
        """Descend once; the gradients are changed."""
        parameters: list[Tensor] = [p for _, p in self.named]
        lengths = torch._foreach_norm(gradients)
        bounds = torch._foreach_clamp_min(torch._foreach_norm(parameters), 1e-3)
        scale = [(self.clip * b / (n + 1e-12)).clamp_max(1.0) for b, n in zip(bounds, lengths, strict=True)]
        torch._foreach_mul_(gradients, scale)
        self.steps += 1
        step = int(self.steps)
        torch._foreach_lerp_(self.second, torch._foreach_mul(gradients, gradients), 1.0 - BETAS[1])
        deviation = torch._foreach_sqrt(torch._foreach_div(self.second, 1.0 - BETAS[1] ** step))
        torch._foreach_add_(deviation, 1e-12)
        torch._foreach_lerp_(self.first, torch._foreach_div(gradients, deviation), 1.0 - BETAS[0])
        rate = self.lr * min(1.0, step / self.warm_up if self.warm_up else 1.0) / (1.0 - BETAS[0] ** step)
        torch._foreach_add_(parameters, self.first, alpha=-rate)

    def reset(self) -> None:
        """Begin anew, with the warm-up."""
        for moment in (*self.first, *self.second, self.steps):
            moment.zero_()

    def tensors(self, prefix: str) -> dict[str, Tensor]:
        """Moments and the count of steps, by name; views, not copies."""
        parts = zip(self.named, self.first, self.second, strict=True)
        state: OptimiserState = {p: {"first": first, "second": second} for (_, p), first, second in parts}
        return moment_tensors(f"{prefix}{{moment}}.{{name}}", self.named, state) | {f"{prefix}steps": self.steps}
