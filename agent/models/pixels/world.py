"""A world of pictures: the networks that predict the next one, the regime, and what it earned.

Pictures are f32 [.., 3, S, S] in 0 … 1. `actions[t]` is what was done at picture t, and leads to picture t + 1.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from agent.models.pixels.masked import Masked
from agent.models.pixels.one_pass import OnePass
from agent.models.pixels.regime import Regime
from agent.models.pixels.sizes import PixelWorldSizes
from agent.models.pixels.tokenizer import Tokenizer

_SIDE = 16


class Outcome(nn.Module):
    """What a step earned, and whether it ended the run, from the pictures before and after it."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(2 * 3 * _SIDE * _SIDE, 128), nn.LayerNorm(128), nn.SiLU(), nn.Linear(128, 2))

    def forward(
        self, before: Float[Tensor, "B 3 S S"], after: Float[Tensor, "B 3 S S"]
    ) -> tuple[Float[Tensor, " B"], Float[Tensor, " B"]]:
        """The reward's signed logarithm, and the logit of an end."""
        seen = F.adaptive_avg_pool2d(torch.cat([before, after - before], 1), _SIDE).flatten(1)
        reward, end = self.net(seen).unbind(-1)
        return reward, end


class PixelWorld(nn.Module):
    """Tokenizer (of the transformer), dynamics, regime and outcome of one world."""

    def __init__(self, sizes: PixelWorldSizes) -> None:
        super().__init__()
        self.sizes = sizes
        is_masked = sizes.dynamics.arm == "maskgit"
        self.tokenizer = Tokenizer(sizes.tokenizer) if is_masked else None
        self.dynamics: Masked | OnePass = (
            Masked(sizes.dynamics, sizes.tokenizer.levels) if is_masked else OnePass(sizes.dynamics)
        )
        self.regime = Regime(sizes.dynamics.regimes) if sizes.dynamics.regimes else None
        self.outcome = Outcome()

    @property
    def size_px(self) -> int:
        """Sides of a picture."""
        return self.sizes.tokenizer.size_px

    @property
    def length(self) -> int:
        """Pictures that are seen before the next one."""
        dynamics = self.sizes.dynamics
        return dynamics.context if dynamics.arm == "cnn" else dynamics.window - 1


def to_unit(frames: Tensor) -> Tensor:
    """Pictures u8 [.., S, S, 3] as f32 [.., 3, S, S] in 0 … 1."""
    return frames.movedim(-1, -3).float() / 255


def to_bytes(frames: Tensor) -> Tensor:
    """Pictures f32 [.., 3, S, S] as u8 [.., S, S, 3]."""
    return (frames.clamp(0, 1) * 255).round().to(torch.uint8).movedim(-3, -1).contiguous()
