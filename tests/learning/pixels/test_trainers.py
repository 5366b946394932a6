"""Dynamics follow true actions on episodes they never saw; those that are not told actions do not."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from agent.core.errors import WeightsError
from agent.learning.pixels.measures import action_report, roll_out_report
from agent.learning.pixels.trainers import DynamicsTrainer, TokenizerTrainer
from agent.models.pixels.sizes import DynamicsSizes, PixelWorldSizes, TokenizerSizes
from agent.models.pixels.tokenizer import Tokenizer
from agent.models.pixels.world import PixelWorld
from tests.learning.pixels.files import dots, dots_world

CPU = torch.device("cpu")
TOKENIZER = TokenizerSizes(16, (16,))


def trained(steps: int, *, blind: bool = False, delay: int = 0) -> tuple[PixelWorld, DynamicsTrainer]:
    torch.manual_seed(0)
    world = PixelWorld(PixelWorldSizes(TOKENIZER, DynamicsSizes(5, channels=(24,), blocks=1)))
    trainer = DynamicsTrainer(world, dots(size_px=16, delay=delay), seed=0, device=CPU, blind=blind)
    for step in range(steps):
        trainer.advance(0.6 * step / steps)
    return world.eval(), trainer


def test_it_follows_actions_even_delayed_ones() -> None:
    held_out = dots(6, size_px=16, seed=9, delay=2)
    world = dots_world().world
    ahead = roll_out_report(world, held_out, windows=32)
    assert ahead["changed_psnr_1_db"] > ahead["copy_last_changed_psnr_1_db"] + 3
    ratio = action_report(world, held_out, windows=64)["loss_ratio_shuffled"]
    assert ratio > 1.5


def test_a_blind_one_is_told_no_actions() -> None:
    other = dots(size_px=16)
    turned = replace(other, items=tuple(replace(e, actions=4 - e.actions) for e in other.items))  # type: ignore[operator]
    made = {}
    for blind in (True, False):
        for name, episodes in (("own", other), ("turned", turned)):
            torch.manual_seed(0)
            world = PixelWorld(PixelWorldSizes(TOKENIZER, DynamicsSizes(5, channels=(24,), blocks=1)))
            trainer = DynamicsTrainer(world, episodes, seed=0, device=CPU, blind=blind)
            made[blind, name] = [trainer.advance(0.0)["loss"] for _ in range(10)]
    assert made[True, "own"] == made[True, "turned"] and made[False, "own"] != made[False, "turned"]


def test_a_resumed_training_goes_on_as_if_it_had_not_stopped() -> None:
    _, whole = trained(6)
    _, half = trained(3)
    state = {name: tensor.clone() for name, tensor in half.tensors().items()}
    _, resumed = trained(0)
    resumed.load_tensors(state)
    for step in range(3, 6):
        resumed.advance(0.6 * step / 6)
    _, again = trained(3)
    for step in range(3, 6):
        again.advance(0.6 * step / 6)
    assert all(torch.equal(a, b) for a, b in zip(resumed.tensors().values(), again.tensors().values(), strict=True))
    assert resumed.steps == whole.steps == 6
    with pytest.raises(WeightsError, match="steps missing"):
        resumed.load_tensors({})


def test_a_transformer_does_not_move_its_tokenizer() -> None:
    torch.manual_seed(0)
    sizes = PixelWorldSizes(TOKENIZER, DynamicsSizes(5, "maskgit", 2, units=32, layers=1, heads=2, window=4))
    world = PixelWorld(sizes)
    assert world.tokenizer is not None and world.regime is not None
    before = {name: t.clone() for name, t in world.state_dict().items()}
    trainer = DynamicsTrainer(world, dots(size_px=16), seed=0, device=CPU)
    metrics = [trainer.advance(share) for share in (0.0, 0.5, 0.9)]
    moved = {name.split(".")[0] for name, t in world.state_dict().items() if not torch.equal(t, before[name])}
    assert moved == {"dynamics", "regime", "outcome"}
    assert metrics[0].keys() == {"loss", "outcome_loss", "regime_kl", "regime_entropy"}


def test_a_tokenizer_learns() -> None:
    torch.manual_seed(0)
    trainer = TokenizerTrainer(Tokenizer(TOKENIZER), dots(size_px=16), seed=0, device=CPU)
    losses = [trainer.advance(0.0)["loss"] for _ in range(60)]
    assert sum(losses[-5:]) < 0.5 * sum(losses[:5])
