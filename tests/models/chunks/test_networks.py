"""Networks over chunks: where a flow ends, members that share nothing, and the lower bound."""

from __future__ import annotations

import torch

from agent.models.chunks.networks import ChunkCritics, ChunkFlow, lower_bound
from agent.models.sizes import CpqeSizes

SIZES = CpqeSizes(features=3, action=2, chunk=4, executed=2, hidden=16)


def test_the_velocity_leads_to_where_the_network_says_on_a_straight_line() -> None:
    flow = ChunkFlow(SIZES, 16)
    with torch.no_grad():
        flow.net.out.weight.zero_()
        flow.net.out.bias.fill_(0.5)
        x, condition, nothing = torch.randn(5, 8), torch.randn(5, 3), torch.zeros(5, 8)
        for time in (0.0, 0.25, 0.75):
            moved = flow(condition, x, torch.full((5, 1), time), nothing, torch.zeros(5, 4))
            assert torch.allclose(x + (1.0 - time) * moved, torch.full((5, 8), 0.5), atol=1e-5)


def test_members_share_no_parameter_and_differ_from_the_start() -> None:
    critics = ChunkCritics(SIZES)
    values = critics(torch.randn(6, 3), torch.randn(6, 4))
    assert values.shape == (5, 6) and float(values.detach().std(0).min()) > 0
    values[2].sum().backward()
    moved = [any(p.grad is not None and bool(p.grad.any()) for p in member.parameters()) for member in critics.members]
    assert moved == [False, False, True, False, False]


def test_the_lower_bound_takes_the_spread_off_the_mean() -> None:
    values = torch.tensor([[1.0, 2.0], [3.0, 2.0]])
    assert torch.allclose(lower_bound(values, 1.0), torch.tensor([2.0 - 2.0**0.5, 2.0]))
    assert torch.allclose(lower_bound(values, 0.0), torch.tensor([2.0, 2.0]))
