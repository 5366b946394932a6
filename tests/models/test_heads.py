"""Distributions of actions against numerical integration and torch's own."""

from __future__ import annotations

import math

import pytest
import torch
from torch.distributions import Bernoulli, Categorical, Normal, TanhTransform, TransformedDistribution

from agent.models.heads import NEVER, Heads, entropy, likeliest, log_prob, sample


def heads(
    mean: torch.Tensor, log_std: torch.Tensor, *logits: torch.Tensor, playing: torch.Tensor | None = None
) -> Heads:
    return Heads(mean, log_std, tuple(logits), torch.zeros(mean.shape[:-1]), playing)


@pytest.mark.parametrize(("mean", "log_std"), [(0.0, -0.5), (1.3, -1.2), (-2.0, 0.4)])
def test_the_density_of_an_axis_integrates_to_one(mean: float, log_std: float) -> None:
    a = torch.linspace(-1.0, 1.0, 400_001, dtype=torch.float64)[1:-1]
    one = torch.ones(len(a), 1, dtype=torch.float64)
    density = log_prob(heads(mean * one, log_std * one), a[:, None], torch.zeros(len(a), 0, dtype=torch.int64)).exp()
    assert float(torch.trapezoid(density, a)) == pytest.approx(1.0, abs=2e-3)


def test_log_probabilities_equal_those_of_torch() -> None:
    torch.manual_seed(0)
    mean, log_std = torch.randn(50, 4), torch.randn(50, 4) * 0.3 - 0.5
    button, card = torch.randn(50), torch.randn(50, 3)
    policy = heads(mean, log_std, torch.stack([torch.zeros(50), button], 1), card)
    axes, choices = sample(policy)
    expected = TransformedDistribution(Normal(mean, log_std.exp()), [TanhTransform()]).log_prob(axes).sum(1)
    expected += Bernoulli(logits=button).log_prob(choices[:, 0].float()) + Categorical(logits=card).log_prob(
        choices[:, 1]
    )
    assert torch.allclose(log_prob(policy, axes, choices), expected, atol=1e-3)


def test_saturated_axes_have_finite_log_probabilities_and_gradients() -> None:
    mean = torch.full((1, 2), 12.0, requires_grad=True)
    said = log_prob(heads(mean, torch.zeros(1, 2)), torch.ones(1, 2), torch.zeros(1, 0, dtype=torch.int64))
    said.sum().backward()
    assert torch.isfinite(said).all()
    assert mean.grad is not None and torch.isfinite(mean.grad).all()


def test_the_entropy_is_that_of_the_density() -> None:
    torch.manual_seed(0)
    mean, log_std = torch.full((200_000, 1), 0.4), torch.full((200_000, 1), -0.3)
    estimated = float(entropy(heads(mean, log_std)).mean())
    a = torch.linspace(-1.0, 1.0, 200_001, dtype=torch.float64)[1:-1]
    one = torch.ones(len(a), 1, dtype=torch.float64)
    logs = log_prob(heads(0.4 * one, -0.3 * one), a[:, None], torch.zeros(len(a), 0, dtype=torch.int64))
    assert estimated == pytest.approx(float(torch.trapezoid(-logs.exp() * logs, a)), abs=5e-3)


def test_a_choice_that_is_not_allowed_is_never_sampled_and_a_single_one_costs_nothing() -> None:
    torch.manual_seed(0)
    logits = torch.tensor([0.0, NEVER, 1.0]).expand(4000, 3)
    policy = heads(torch.zeros(4000, 0), torch.zeros(4000, 0), logits)
    _, choices = sample(policy)
    assert set(choices.flatten().tolist()) == {0, 2}
    only = heads(torch.zeros(1, 0), torch.zeros(1, 0), torch.tensor([[0.3, NEVER, NEVER]]))
    assert float(log_prob(only, torch.zeros(1, 0), torch.tensor([[0]]))) == 0.0
    assert float(entropy(only)) == pytest.approx(0.0, abs=1e-6)


def test_axes_that_do_nothing_do_not_count() -> None:
    playing = torch.tensor([1.0, 0.0])
    policy = heads(torch.zeros(2, 3), torch.zeros(2, 3), playing=playing)
    said = log_prob(policy, torch.full((2, 3), 0.5), torch.zeros(2, 0, dtype=torch.int64))
    assert said[1] == 0.0
    assert said[0] != 0.0
    assert entropy(policy)[1] == 0.0


def test_without_sampling_the_likeliest_action_is_taken() -> None:
    policy = heads(torch.tensor([[0.5]]), torch.zeros(1, 1), torch.tensor([[0.0, 2.0, 1.0]]))
    axes, choices = likeliest(policy)
    assert float(axes) == pytest.approx(math.tanh(0.5))
    assert choices.tolist() == [[1]]
