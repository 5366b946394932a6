"""A world is played: its own pictures behind one another, true ones taken up, surprise where they differ."""

from __future__ import annotations

import pytest
import torch

from agent.learning.pixels.generate import Generator
from agent.models.pixels.sizes import Arm, DynamicsSizes, PixelWorldSizes, TokenizerSizes
from agent.models.pixels.world import PixelWorld


def world(arm: Arm, regimes: int = 2) -> PixelWorld:
    torch.manual_seed(0)
    dynamics = DynamicsSizes(3, arm, regimes, units=32, layers=1, heads=2, window=5, channels=(16, 32), blocks=1)
    made = PixelWorld(PixelWorldSizes(TokenizerSizes(32, (16, 32)), dynamics))
    for parameter in made.dynamics.parameters():
        if parameter.dim() > 1 and not parameter.abs().sum():
            torch.nn.init.normal_(parameter, std=0.05)
    return made


@pytest.mark.parametrize("arm", ["cnn", "maskgit"])
def test_pictures_follow_actions_and_seeds(arm: Arm) -> None:
    made = world(arm)
    frames = torch.randint(0, 256, (2, 7, 32, 32, 3), dtype=torch.uint8)
    actions = torch.rand(2, 6, 3)

    def play(action: float, seed: int = 0, temperature: float = 0.0) -> torch.Tensor:
        generator = Generator(made, temperature=temperature, seed=seed)
        generator.start(frames, actions)
        return torch.stack([generator.step(torch.full((2, 3), action)) for _ in range(3)])

    base = play(0.0)
    assert base.shape == (3, 2, 32, 32, 3) and base.dtype == torch.uint8
    assert torch.equal(play(0.0), base) and not torch.equal(play(3.0), base)
    if arm == "maskgit":
        assert torch.equal(play(0.0, 1, 1.0), play(0.0, 1, 1.0))
        assert not torch.equal(play(0.0, 1, 1.0), play(0.0, 2, 1.0))


@pytest.mark.parametrize("arm", ["cnn", "maskgit"])
def test_what_was_foreseen_is_no_surprise(arm: Arm) -> None:
    generator = Generator(world(arm))
    frames = torch.randint(0, 256, (1, 3, 32, 32, 3), dtype=torch.uint8)
    generator.start(frames, torch.zeros(1, 2, 3))
    action = torch.ones(1, 3)
    foreseen = (generator.expect(action).clamp(0, 1) * 255).round().to(torch.uint8).movedim(1, -1)
    quiet = generator.observe(foreseen, action)
    loud = generator.observe(torch.randint(0, 256, (1, 32, 32, 3), dtype=torch.uint8), action)
    assert float(quiet) < 1e-4 < 0.05 < float(loud)
    assert generator.regime is not None and generator.regime.sum() == 1
    reward, end = generator.outcome(frames[:, 0], frames[:, 1])
    assert reward.shape == (1,) and 0 < float(end) < 1


def test_a_short_beginning_is_taken() -> None:
    generator = Generator(world("cnn", 0))
    first = torch.full((1, 1, 32, 32, 3), 90, dtype=torch.uint8)
    generator.start(first, torch.zeros(1, 0, 3))
    assert torch.equal(generator.latest, first[:, 0]) and generator.regime is None
    assert generator.step(torch.zeros(1, 3)).shape == (1, 32, 32, 3)


def test_a_small_thing_that_was_not_foreseen_surprises() -> None:
    sizes = PixelWorldSizes(TokenizerSizes(32, (16, 32)), DynamicsSizes(3, channels=(16, 32), blocks=1))
    generator = Generator(PixelWorld(sizes))  # untrained: it foresees the last picture
    seen = torch.full((1, 1, 32, 32, 3), 40, dtype=torch.uint8)
    generator.start(seen, torch.zeros(1, 0, 3))
    assert float(generator.observe(seen[:, 0], torch.zeros(1, 3))) == 0.0
    other = seen[:, 0].clone()
    other[:, 3:5, 3:5] = 240
    assert float(generator.observe(other, torch.zeros(1, 3))) == pytest.approx((200 / 255) ** 2, rel=0.02)
