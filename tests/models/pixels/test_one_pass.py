"""The CNN begins as copy-last and is told actions and regime."""

from __future__ import annotations

import torch

from agent.models.pixels.one_pass import OnePass
from agent.models.pixels.sizes import DynamicsSizes


def test_it_begins_as_the_last_picture_and_hears_every_action_of_its_context() -> None:
    torch.manual_seed(0)
    model = OnePass(DynamicsSizes(3, regimes=2, channels=(16, 32), blocks=1))
    frames, actions = torch.rand(2, 4, 3, 32, 32), torch.rand(2, 4, 3)
    regime = torch.eye(2)
    assert torch.equal(model(frames, actions, regime), frames[:, -1])  # copy-last
    for part in (model.last, model.blocks[0].second):
        torch.nn.init.normal_(part.weight, std=0.1)
    base = model(frames, actions, regime)
    for t in range(4):
        other = actions.clone()
        other[:, t] += 1.0
        assert not torch.equal(model(frames, other, regime), base)
    assert not torch.equal(model(frames, actions, regime.flip(0)), base)
