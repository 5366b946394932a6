"""The squashed normal distribution against torch's own, and both policies' use of it."""

from __future__ import annotations

import pytest
import torch
from torch.distributions import Normal, TanhTransform, TransformedDistribution

from agent.models import dreamer, heads
from agent.models.squashed import MAX_ACTION, log_slope, squashed_entropy, squashed_log_prob, unsquash


def test_densities_are_those_of_torch() -> None:
    g = torch.Generator().manual_seed(0)
    mean, log_std, u = (torch.randn(500, generator=g, dtype=torch.float64) for _ in range(3))
    expected = TransformedDistribution(Normal(mean, log_std.exp()), [TanhTransform(cache_size=1)])
    assert torch.allclose(squashed_log_prob(u, mean, log_std), expected.log_prob(torch.tanh(u)), atol=1e-9)


def test_the_slope_is_exact_where_tanh_is_flat() -> None:
    u = torch.tensor([-30.0, -1.0, 0.0, 1.0, 30.0], requires_grad=True)
    slope = log_slope(u)
    assert slope.tolist() == pytest.approx([-58.6137, -0.8676, 0.0, -0.8676, -58.6137], abs=1e-3)
    (gradient,) = torch.autograd.grad(slope.sum(), u)
    assert gradient.tolist() == pytest.approx([2.0, 1.5232, 0.0, -1.5232, -2.0], abs=1e-3)


def test_executed_actions_are_undone_and_the_ends_are_finite() -> None:
    u = torch.linspace(-3.0, 3.0, 101)
    assert torch.allclose(unsquash(torch.tanh(u)), u, atol=1e-4)
    assert torch.equal(unsquash(torch.tensor([1.0, -1.0])), torch.atanh(torch.tensor([MAX_ACTION, -MAX_ACTION])))


def test_the_mean_of_the_estimates_is_the_entropy_of_the_samples() -> None:
    g = torch.Generator().manual_seed(1)
    log_std = torch.full((200_000,), -0.4)
    u = 0.7 + torch.randn(200_000, generator=g) * log_std.exp()
    sampled = -squashed_log_prob(u, torch.full_like(u, 0.7), log_std).mean()
    assert float(squashed_entropy(u, log_std).mean()) == pytest.approx(float(sampled), abs=5e-3)


def test_both_kinds_of_policy_say_the_same_of_the_same_action() -> None:
    g = torch.Generator().manual_seed(2)
    mean, log_std, u = (torch.randn(40, 3, generator=g) * 0.5 for _ in range(3))
    none = torch.zeros(40, 0, dtype=torch.int64)
    one = heads.log_prob(heads.Heads(mean, log_std, (), torch.zeros(40)), torch.tanh(u), none)
    two = dreamer.log_prob(dreamer.ActorOutput(mean, log_std, []), dreamer.Choice(u, none))
    assert torch.allclose(one, two, atol=1e-4)
