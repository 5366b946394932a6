"""Widths of a world's networks: what builds them, and what travels with their weights. Imports no torch."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

WORLD_KIND: Final = "pixel-world"
"""The kind of a world's file."""
GRID: Final = 8
"""Codes along a side of a picture."""
PACK: Final = 2
"""Codes along a side of a token of the transformer."""
TOKENS: Final = (GRID // PACK) ** 2
Arm = Literal["cnn", "maskgit"]


class TokenizerSizes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A picture of size_px, the channels of each halving down to 8 x 8 codes, and the levels of a code's digits."""

    size_px: int = 64
    channels: tuple[int, ...] = (32, 64, 128)
    levels: tuple[int, ...] = (8, 5, 5, 5)


class DynamicsSizes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """action_width: numbers of an encoded action. window: pictures that the transformer sees; context: the CNN.

    passes: in which MaskGIT fills a picture's tokens. regimes: 0 for none.
    """

    action_width: int
    arm: Arm = "cnn"
    regimes: int = 0
    units: int = 192
    layers: int = 4
    heads: int = 4
    window: int = 8
    passes: int = 4
    context: int = 4
    channels: tuple[int, ...] = (32, 64, 128)
    blocks: int = 3


class PixelWorldSizes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Both halves of a world."""

    tokenizer: TokenizerSizes
    dynamics: DynamicsSizes


def tokenizer_for(size_px: int) -> TokenizerSizes:
    """The one configuration of a size: 64 for a processor, 128 for a card."""
    return TokenizerSizes(size_px, (32, 64, 128) if size_px <= 64 else (32, 64, 128, 128))


def dynamics_for(size_px: int, action_width: int, arm: Arm, regimes: int = 0) -> DynamicsSizes:
    """The one configuration of a size."""
    if size_px <= 64:
        return DynamicsSizes(action_width, arm, regimes)
    return DynamicsSizes(
        action_width, arm, regimes, units=256, layers=6, window=16, channels=(32, 64, 128, 192), blocks=4
    )
