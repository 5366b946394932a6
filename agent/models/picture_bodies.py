"""Convolutions that read a picture: bodies of `models.policies.FramePolicy`. Owns no heads."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from agent.models.sizes import SMALL_PX, FrameSizes

RESIDUAL_CHANNELS = (16, 32, 32)


def linear(inputs: int, outputs: int, gain: float = math.sqrt(2.0)) -> nn.Linear:
    """A layer with orthogonal weights and no bias at its beginning."""
    layer = nn.Linear(inputs, outputs)
    nn.init.orthogonal_(layer.weight, gain)
    nn.init.zeros_(layer.bias)
    return layer


def picture_body(sizes: FrameSizes) -> nn.Sequential:
    """From pictures [B, C, H, W], 0 … 1, to [B, hidden].

    `small`: one layer of convolutions; `nature`: the three of Mnih et al. 2015, which need 36 pixels a side;
    `residual`: the blocks of Espeholt et al. 2018; `by-size`: `small` for pictures of less than `SMALL_PX`.
    """
    kind = sizes.body
    if kind == "by-size":
        kind = "small" if min(sizes.height, sizes.width) < SMALL_PX else "nature"
    if kind == "residual":
        body = _residual(sizes)
    elif kind == "small":
        body = _convolutions([(sizes.channels, sizes.filters, 3, 1)])
    else:
        body = _convolutions([(sizes.channels, 32, 8, 4), (32, 64, 4, 2), (64, 64, 3, 1)])
    with torch.no_grad():
        places = int(nn.Sequential(*body)(torch.zeros(1, sizes.channels, sizes.height, sizes.width)).numel())
    return nn.Sequential(*body, nn.Flatten(), linear(places, sizes.hidden), nn.ReLU())


def _convolution(inputs: int, outputs: int, size: int, stride: int = 1, padding: int = 0) -> nn.Conv2d:
    layer = nn.Conv2d(inputs, outputs, size, stride, padding)
    nn.init.orthogonal_(layer.weight, math.sqrt(2.0))
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


def _convolutions(layers: list[tuple[int, int, int, int]]) -> list[nn.Module]:
    return [part for layer in layers for part in (_convolution(*layer), nn.ReLU())]


class ResidualBlock(nn.Module):
    """Two convolutions whose sum with their input goes on."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = _convolution(channels, channels, 3, padding=1)
        self.second = _convolution(channels, channels, 3, padding=1)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        """The input, and what two layers add to it."""
        out: Tensor = x + self.second(F.relu(self.first(F.relu(x))))
        return out


def _residual(sizes: FrameSizes) -> list[nn.Module]:
    body: list[nn.Module] = []
    inputs = sizes.channels
    for outputs in RESIDUAL_CHANNELS:
        body += [
            _convolution(inputs, outputs, 3, padding=1), nn.MaxPool2d(3, 2, 1), ResidualBlock(outputs),
            ResidualBlock(outputs),
        ]  # fmt: skip
        inputs = outputs
    return [*body, nn.ReLU()]
