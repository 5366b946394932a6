"""Bodies that read pictures: by size, by name, and learning in every layer."""

from __future__ import annotations

import pytest
import torch

from agent.models.picture_bodies import picture_body
from agent.models.sizes import FrameBody, FrameSizes


@pytest.mark.parametrize(("px", "body", "layers"), [
    (10, "by-size", 1), (36, "by-size", 3), (84, "nature", 3), (10, "residual", 15), (36, "small", 1),
])  # fmt: skip
def test_every_layer_of_a_body_gets_a_gradient(px: int, body: FrameBody, layers: int) -> None:
    torch.manual_seed(0)
    network = picture_body(FrameSizes(px, px, (2,), channels=4, hidden=16, body=body))
    out = network(torch.rand(2, 4, px, px))
    assert out.shape == (2, 16) and float(out.detach().max()) > 0
    out.sum().backward()
    convolutions = [part for part in network.modules() if isinstance(part, torch.nn.Conv2d)]
    assert len(convolutions) == layers
    assert all(part.weight.grad is not None and part.weight.grad.abs().sum() > 0 for part in convolutions)
