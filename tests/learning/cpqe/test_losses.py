"""Losses of a motor against known answers."""

from __future__ import annotations

import pytest
import torch

from agent.learning.cpqe.losses import (
    Doubts,
    doubt_loss,
    drawn_prefix,
    quantile_loss,
    soonest,
    student_loss,
    taught,
    value_target,
)
from agent.models.chunks.networks import ChunkCritics, ChunkFlow, ChunkStudent
from agent.models.sizes import CpqeSizes

SIZES = CpqeSizes(features=3, action=2, chunk=4, executed=2, hidden=16, low=-1.0, high=3.0)


def test_a_number_becomes_a_distribution_with_it_as_the_mean() -> None:
    critics = ChunkCritics(SIZES)
    numbers = torch.tensor([-0.4, 0.0, 1.234, 2.5])
    target = value_target(numbers, critics)
    assert torch.allclose(target.sum(1), torch.ones(4))
    assert torch.allclose(target @ critics.bins, numbers, atol=1e-3)
    assert float((value_target(torch.tensor([50.0]), critics) @ critics.bins)[0]) == pytest.approx(3.0, abs=0.1)


@pytest.mark.parametrize("share", [0.5, 0.9])
def test_the_quantile_settles_where_the_share_lies_below(share: float) -> None:
    numbers, estimate = torch.randn(20_000, generator=torch.Generator().manual_seed(0)), torch.zeros(1)
    estimate.requires_grad_()
    for _ in range(300):
        (slope,) = torch.autograd.grad(quantile_loss(numbers - estimate, share), estimate)
        estimate.data -= 0.2 * slope
    assert float((numbers < estimate).float().mean()) == pytest.approx(share, abs=0.02)


def test_each_critic_learns_a_number_of_its_own_for_chunks_that_nobody_played() -> None:
    torch.manual_seed(0)
    critics, random = ChunkCritics(SIZES), torch.Generator().manual_seed(0)
    doubts = Doubts(critics, 0)
    optimiser = torch.optim.Adam(critics.parameters(), 1e-2)
    for _ in range(150):
        optimiser.zero_grad()
        doubt_loss(critics, doubts, torch.randn(64, 3, generator=random), random).backward()
        optimiser.step()
    drawn = 2.0 * torch.rand(500, critics.width, generator=random) - 1.0
    with torch.no_grad():
        said, told = critics(torch.randn(500, 3, generator=random), drawn), doubts.of(drawn)
    own = (said - told).abs().mean()
    anothers = (said - told.roll(1, 0)).abs().mean()
    print(own, anothers, said.std(0).mean(), told.min(), told.max())
    assert own < 0.6 * anothers and float(said.std(0).mean()) > 0.5
    assert float(told.min()) >= SIZES.low and float(told.max()) <= SIZES.high


def test_what_is_certain_keeps_its_place_in_the_flow_and_in_the_student_s_chunk() -> None:
    random = torch.Generator().manual_seed(0)
    chunks, condition = torch.rand(32, 8, generator=random) * 2 - 1, torch.randn(32, 3, generator=random)
    prefix = drawn_prefix(chunks, 4, 3, random)
    assert prefix.known.sum(1).unique().tolist() == [0, 1, 2, 3]
    sure = prefix.spread() > 0
    made = taught(ChunkFlow(SIZES, 16), condition, torch.randn(32, 8, generator=random), prefix, 5)
    _, student = student_loss(ChunkStudent(SIZES), condition, made, made, prefix)
    for found in (made, student):
        assert torch.equal(found[sure], chunks[sure]) and not torch.equal(found[~sure], chunks[~sure])


def test_actions_that_are_executed_count_four_times() -> None:
    weights = soonest(8, 4, 2)
    assert weights.tolist() == pytest.approx([1.6] * 4 + [0.4] * 4) and float(weights.mean()) == pytest.approx(1.0)
