"""Pictures to 8 x 8 codes and back, by finite scalar quantization (Mentzer et al., ICLR 2024).

A code has four digits, each of a few levels; every combination is a code, so none can die. Pictures are f32 in 0 … 1.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional as F

from agent.models.pixels.sizes import TokenizerSizes


class Residual(nn.Module):
    """Two 3 x 3 convolutions beside the input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(8, channels)
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        nn.init.zeros_(self.second.weight)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        """The same shape."""
        return x + self.second(F.silu(self.first(F.silu(self.norm(x)))))  # type: ignore[no-any-return]


class Quantizer(nn.Module):
    """Rounds each of the digits' numbers to a level; gradients go straight through."""

    span: Tensor
    offset: Tensor
    shift: Tensor
    reach: Tensor

    def __init__(self, levels: tuple[int, ...]) -> None:
        super().__init__()
        self.levels = levels
        counts = torch.tensor(levels, dtype=torch.float32)
        half = (counts - 1) * (1 + 1e-3) / 2
        offset = torch.where(counts % 2 == 0, 0.5, 0.0)
        for name, value in (
            ("span", half), ("offset", offset), ("shift", torch.atanh(offset / half)), ("reach", counts // 2)
        ):  # fmt: skip
            self.register_buffer(name, value[:, None, None], persistent=False)

    @property
    def codes(self) -> int:
        """How many codes there are."""
        return math.prod(self.levels)

    def forward(self, z: Float[Tensor, "B D H W"]) -> Float[Tensor, "B D H W"]:
        """The nearest level of each number, −1 … 1."""
        bounded = torch.tanh(z + self.shift) * self.span - self.offset
        rounded = bounded + (bounded.round() - bounded).detach()
        return rounded / self.reach

    def digits(self, codes: Float[Tensor, "*B D H W"]) -> Int64[Tensor, "*B D H W"]:
        """Each number's level, from 0."""
        return (codes * self.reach + self.reach).round().long()

    def from_digits(self, digits: Int64[Tensor, "*B D H W"]) -> Float[Tensor, "*B D H W"]:
        """The numbers of levels."""
        return (digits - self.reach) / self.reach

    def indices(self, codes: Float[Tensor, "*B D H W"]) -> Int64[Tensor, "*B H W"]:
        """One number for each code, 0 … codes − 1."""
        digits, index = self.digits(codes), torch.zeros_like(codes[..., 0, :, :], dtype=torch.long)
        for i, count in enumerate(self.levels):
            index = index * count + digits[..., i, :, :]
        return index


class Tokenizer(nn.Module):
    """Encoder, quantizer and decoder."""

    def __init__(self, sizes: TokenizerSizes) -> None:
        super().__init__()
        self.sizes = sizes
        down: list[nn.Module] = []
        before = 3
        for channels in sizes.channels:
            down += [nn.Conv2d(before, channels, 4, 2, 1), nn.SiLU()]
            before = channels
        out = nn.Conv2d(before, len(sizes.levels), 1)
        nn.init.normal_(
            out.weight, std=before**-0.5
        )  # behind the norm: the digits use their levels from the first step
        self.encoder = nn.Sequential(*down, Residual(before), nn.GroupNorm(8, before), out)
        self.quantizer = Quantizer(sizes.levels)
        up: list[nn.Module] = [nn.Conv2d(len(sizes.levels), before, 3, padding=1), Residual(before)]
        for channels in (*sizes.channels[-2::-1], 3):
            up += [nn.SiLU(), nn.Conv2d(before, channels * 4, 3, padding=1), nn.PixelShuffle(2)]
            before = channels
        self.decoder = nn.Sequential(*up)

    def encode(self, frames: Float[Tensor, "B 3 S S"]) -> Float[Tensor, "B D 8 8"]:
        """Codes of pictures."""
        codes: Tensor = self.quantizer(self.encoder(frames * 2 - 1))
        return codes

    def decode(self, codes: Float[Tensor, "B D 8 8"]) -> Float[Tensor, "B 3 S S"]:
        """Pictures of codes, not bounded."""
        frames: Tensor = self.decoder(codes) * 0.5 + 0.5
        return frames

    def forward(self, frames: Float[Tensor, "B 3 S S"]) -> Float[Tensor, "B 3 S S"]:
        """Pictures that went through codes."""
        return self.decode(self.encode(frames))
