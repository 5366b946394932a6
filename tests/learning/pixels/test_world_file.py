"""A world comes back from its file as it was; another file is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from agent.core.errors import WeightsError
from agent.learning.pixels.layout import Control
from agent.learning.pixels.world_file import (
    WorldLayout,
    load_tokenizer,
    load_world,
    save_tokenizer,
    save_world,
    starts_of,
)
from agent.models.pixels.sizes import DynamicsSizes, PixelWorldSizes, TokenizerSizes
from agent.models.pixels.tokenizer import Tokenizer
from agent.models.pixels.world import PixelWorld
from tests.learning.pixels.files import dots

LAYOUT = WorldLayout(controls=(Control("action", "choice", 5),), dt_s=0.1, has_outcomes=True, game="dots")


def test_worlds_and_tokenizers_come_back(tmp_path: Path) -> None:
    torch.manual_seed(0)
    sizes = PixelWorldSizes(
        TokenizerSizes(32, (16, 32)), DynamicsSizes(5, "maskgit", 2, units=32, layers=1, heads=2, window=4)
    )
    world, starts = PixelWorld(sizes), starts_of(dots(), 4, 0)
    save_world(tmp_path / "world.safetensors", world, LAYOUT, starts, created_by="test", notes={"steps": 3})
    found = load_world(tmp_path / "world.safetensors")
    assert found.layout == LAYOUT and found.notes == {"steps": 3} and found.action_layout.width == 5
    assert all(
        torch.equal(a, b) for a, b in zip(found.world.state_dict().values(), world.state_dict().values(), strict=True)
    )
    assert np.array_equal(found.frames, starts[0]) and found.frames.shape == (32, 4, 32, 32, 3)
    assert not found.world.training
    tokenizer = Tokenizer(sizes.tokenizer)
    save_tokenizer(tmp_path / "tokenizer.safetensors", tokenizer, created_by="test", notes={})
    again = load_tokenizer(tmp_path / "tokenizer.safetensors")
    frames = torch.rand(1, 3, 32, 32)
    assert torch.equal(again(frames), tokenizer.eval()(frames))
    with pytest.raises(WeightsError, match="holds pixel-tokenizer, not a world"):
        load_world(tmp_path / "tokenizer.safetensors")
    with pytest.raises(WeightsError, match="holds pixel-world, not a tokenizer"):
        load_tokenizer(tmp_path / "world.safetensors")
