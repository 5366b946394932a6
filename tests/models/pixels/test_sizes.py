"""One configuration of each size, 64 for a processor and 128 for a card; both are built."""

from __future__ import annotations

import pytest
import torch

from agent.models.pixels.sizes import Arm, PixelWorldSizes, dynamics_for, tokenizer_for
from agent.models.pixels.world import PixelWorld


@pytest.mark.parametrize(("size_px", "arm"), [(64, "cnn"), (128, "cnn"), (64, "maskgit"), (128, "maskgit")])
def test_each_configuration_predicts_pictures_of_its_size(size_px: int, arm: Arm) -> None:
    torch.manual_seed(0)
    world = PixelWorld(PixelWorldSizes(tokenizer_for(size_px), dynamics_for(size_px, 3, arm)))
    if world.tokenizer is None:
        context = world.length
        made = world.dynamics(torch.rand(1, context, 3, size_px, size_px), torch.zeros(1, context, 3))
        assert made.shape == (1, 3, size_px, size_px)
    else:
        assert world.tokenizer.encode(torch.rand(1, 3, size_px, size_px)).shape == (1, 4, 8, 8)
        assert sum(p.numel() for p in world.tokenizer.parameters()) < 3_000_000
