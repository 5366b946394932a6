"""Pictures as bytes and as numbers; a world has the parts that its sizes name."""

from __future__ import annotations

import torch

from agent.models.pixels.sizes import DynamicsSizes, PixelWorldSizes, TokenizerSizes
from agent.models.pixels.world import PixelWorld, to_bytes, to_unit


def test_bytes_come_back() -> None:
    frames = torch.randint(0, 256, (2, 3, 8, 8, 3), dtype=torch.uint8)
    assert to_unit(frames).shape == (2, 3, 3, 8, 8) and torch.equal(to_bytes(to_unit(frames)), frames)
    assert to_bytes(torch.full((1, 3, 2, 2), 7.0)).max() == 255


def test_parts_follow_the_sizes() -> None:
    cnn = PixelWorld(PixelWorldSizes(TokenizerSizes(32, (16, 32)), DynamicsSizes(2, channels=(16, 32))))
    masked = PixelWorld(
        PixelWorldSizes(TokenizerSizes(32, (16, 32)), DynamicsSizes(2, "maskgit", 3, units=32, layers=1))
    )
    assert cnn.tokenizer is None and cnn.regime is None and cnn.length == 4
    assert masked.tokenizer is not None and masked.regime is not None and masked.length == 7
    reward, end = cnn.outcome(torch.rand(5, 3, 32, 32), torch.rand(5, 3, 32, 32))
    assert reward.shape == end.shape == (5,)
