"""A loss in which few pixels count as much as all others."""

from __future__ import annotations

import torch

from agent.learning.adam import Adam
from agent.learning.pixels.losses import balanced, changed_pixels, led_to, masked_loss, picture_loss
from agent.models.pixels.masked import Masked
from agent.models.pixels.sizes import DynamicsSizes, TokenizerSizes
from agent.models.pixels.tokenizer import Tokenizer


def test_a_lost_player_costs_more_than_a_slightly_wrong_wall() -> None:
    before, after = torch.zeros(1, 3, 32, 32), torch.zeros(1, 3, 32, 32)
    after[:, :, 4:6, 4:6] = 1.0
    changed = changed_pixels(before, after)
    assert changed.sum() == 4
    without_player, dull = torch.zeros_like(after), after * 0.98 + 0.02
    assert balanced((without_player - after) ** 2, changed) == 1.0
    assert picture_loss(without_player, after, before) > 100 * picture_loss(dull, after, before)
    assert ((without_player - after) ** 2).mean() < 0.01


def test_actions_lead_to_the_next_picture() -> None:
    actions = torch.arange(4.0)[None, :, None]
    assert led_to(actions).flatten().tolist() == [0.0, 0.0, 1.0, 2.0]


def test_the_loss_of_a_transformer_falls_and_needs_what_is_masked() -> None:
    torch.manual_seed(0)
    model = Masked(DynamicsSizes(2, "maskgit", units=32, layers=1, heads=2, window=4), (8, 5, 5, 5))
    tokenizer = Tokenizer(TokenizerSizes(32, (16, 32)))
    codes = tokenizer.encode(torch.rand(8, 3, 32, 32)).reshape(2, 4, 4, 8, 8).detach()[:, :1].expand(-1, 4, -1, -1, -1)
    actions = torch.zeros(2, 4, 2)
    optimiser = Adam(model.parameters(), 1e-2)
    losses = []
    for _ in range(40):
        loss = masked_loss(model, tokenizer, codes, actions, None, ratio=(1.0, 1.0), corrupt=0.1, own=0.5)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.85 * losses[0]
    assert masked_loss(model, tokenizer, codes, actions, None, ratio=(0.0, 0.0)) == 0.0
