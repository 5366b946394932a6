"""The next picture in one pass: a residual CNN on the last pictures, told the last actions and the regime."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from agent.models.pixels.sizes import DynamicsSizes


class Conditioned(nn.Module):
    """A residual block whose channels are scaled and shifted by what it is told."""

    def __init__(self, channels: int, told: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(8, channels)
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        self.told = nn.Linear(told, 2 * channels)
        nn.init.zeros_(self.second.weight)

    def forward(self, x: Float[Tensor, "B C H W"], told: Float[Tensor, "B F"]) -> Float[Tensor, "B C H W"]:
        """The same shape."""
        scale, shift = self.told(told)[:, :, None, None].chunk(2, 1)
        return x + self.second(F.silu(self.first(F.silu(self.norm(x) * (1 + scale) + shift))))  # type: ignore[no-any-return]


class OnePass(nn.Module):
    """From `context` pictures and the action taken at each to the picture after the last."""

    def __init__(self, sizes: DynamicsSizes) -> None:
        super().__init__()
        self.sizes = sizes
        told = 128
        self.told = nn.Sequential(
            nn.Linear(sizes.context * sizes.action_width + sizes.regimes, told),
            nn.SiLU(),
            nn.Linear(told, told),
            nn.SiLU(),
        )
        before, channels = 3 * sizes.context, sizes.channels
        self.down = nn.ModuleList()
        for count in channels:
            self.down.append(nn.Conv2d(before, count, 4, 2, 1))
            before = count
        self.blocks = nn.ModuleList(Conditioned(before, told) for _ in range(sizes.blocks))
        self.up = nn.ModuleList()
        for count in channels[-2::-1]:
            self.up.append(nn.Conv2d(before, count * 4, 3, padding=1))
            before = 2 * count  # what was seen on the way down stands beside it
        self.last = nn.Conv2d(before, 3 * 4, 3, padding=1)
        for parameter in self.last.parameters():
            nn.init.zeros_(parameter)

    def forward(
        self,
        frames: Float[Tensor, "B C 3 S S"],
        actions: Float[Tensor, "B C A"],
        regime: Float[Tensor, "B K"] | None = None,
    ) -> Float[Tensor, "B 3 S S"]:
        """The picture that follows the last, not bounded."""
        numbers = actions.flatten(1) if regime is None else torch.cat([actions.flatten(1), regime], 1)
        told = self.told(numbers)
        x = frames.flatten(1, 2) * 2 - 1
        seen: list[Tensor] = []
        for layer in self.down:
            x = F.silu(layer(x))
            seen.append(x)
        for block in self.blocks:
            x = block(x, told)
        for layer, beside in zip(self.up, seen[-2::-1], strict=True):
            x = torch.cat([F.silu(F.pixel_shuffle(layer(x), 2)), beside], 1)
        return frames[:, -1] + F.pixel_shuffle(self.last(x), 2)
