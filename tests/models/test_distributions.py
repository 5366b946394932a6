"""Numbers as two-hot targets, divergences, mixed and squashed distributions, each against its definition."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.core.rollout import ActionSpec
from agent.models import distributions as d
from agent.models.dreamer import Actor, ActorOutput, Choice, entropy, log_prob
from agent.models.squashed import normal_log_prob

BINS = d.two_hot_bins(255)


@given(st.floats(-1e6, 1e6, width=32))
@settings(max_examples=200, deadline=None)
def test_symexp_undoes_symlog(x: float) -> None:
    value = torch.tensor(x, dtype=torch.float64)
    assert torch.allclose(d.symexp(d.symlog(value)), value, rtol=1e-9, atol=1e-9)


@given(st.floats(-1e4, 1e4, width=32))
@settings(max_examples=200, deadline=None)
def test_a_two_hot_target_is_a_distribution_whose_mean_is_the_number(x: float) -> None:
    target = d.two_hot(torch.tensor([x]), BINS)
    assert float(target.sum()) == pytest.approx(1.0, abs=1e-6) and int((target > 0).sum()) <= 2
    assert float((target.double() * BINS.double()).sum()) == pytest.approx(x, rel=1e-4, abs=1e-4)


def test_the_nearest_bin_alone_does_not_keep_the_number() -> None:
    x = torch.linspace(-50, 50, 101)
    nearest = BINS[(x[:, None] - BINS).abs().argmin(1)]
    assert (nearest - x).abs().max() > 1.0
    assert torch.allclose((d.two_hot(x, BINS) * BINS).sum(-1), x, atol=1e-3)


def test_an_untrained_prediction_is_exactly_zero_and_a_sharp_one_is_its_bin() -> None:
    assert torch.equal(d.two_hot_mean(torch.zeros(7, 255), BINS), torch.zeros(7))
    sharp = torch.full((1, 255), -1e4)
    sharp[0, 140] = 0.0
    assert float(d.two_hot_mean(sharp, BINS)[0]) == pytest.approx(float(BINS[140]))


def test_the_two_hot_loss_is_least_where_the_mean_is_the_target() -> None:
    logits = torch.zeros(1, 255, requires_grad=True)
    optimiser = torch.optim.Adam([logits], 0.3)
    for _ in range(300):
        optimiser.zero_grad()
        d.two_hot_loss(logits, torch.tensor([3.7]), BINS).sum().backward()
        optimiser.step()
    assert float(d.two_hot_mean(logits.detach(), BINS)[0]) == pytest.approx(3.7, abs=0.05)


@pytest.mark.parametrize("seed", range(4))
def test_the_divergence_is_that_of_sampling_and_never_negative(seed: int) -> None:
    torch.manual_seed(seed)
    p, q = (d.unimix(torch.randn(6, 8) * 2, 0.01) for _ in range(2))
    divergence = d.categorical_kl(p, q)
    index = d.sample_index(p.unsqueeze(0).expand(40_000, -1, -1))
    ratio = (p - q).expand(40_000, -1, -1).gather(-1, index.unsqueeze(-1)).squeeze(-1)
    error = 4 * ratio.std(0) / math.sqrt(40_000)
    assert (divergence >= 0).all() and ((ratio.mean(0) - divergence).abs() < error).all()
    assert ((ratio.mean(0) - divergence / 2).abs() > error).any()
    assert d.categorical_kl(p, p).abs().max() < 1e-6


def test_the_divergence_of_a_known_pair_is_the_known_number() -> None:
    p, q = torch.tensor([0.5, 0.5]).log(), torch.tensor([0.9, 0.1]).log()
    assert float(d.categorical_kl(p, q)) == pytest.approx(0.5 * math.log(0.5 / 0.9) + 0.5 * math.log(0.5 / 0.1))


def test_the_mixture_keeps_every_class_possible_and_without_it_a_class_dies() -> None:
    logits = torch.tensor([[100.0, 0.0, 0.0, -100.0]])
    mixed = d.unimix(logits, 0.01).exp()
    assert float(mixed.min()) == pytest.approx(0.0025) and float(mixed.sum()) == pytest.approx(1.0)
    assert float(d.unimix(logits, 0.0).exp().min()) == 0.0


def test_samples_have_the_frequencies_of_their_distribution_and_pass_gradients() -> None:
    torch.manual_seed(0)
    log_p = torch.tensor([0.1, 0.2, 0.7]).log()
    share = d.sample_one_hot(log_p.expand(60_000, -1)).mean(0)
    assert torch.allclose(share, log_p.exp(), atol=0.01)
    logits = torch.zeros(5, 3, requires_grad=True)
    sample = d.sample_one_hot(d.unimix(logits, 0.01))
    assert set(sample.detach().round(decimals=5).flatten().tolist()) <= {0.0, 1.0}
    (gradient,) = torch.autograd.grad(sample[:, 0].sum(), logits)
    assert gradient.abs().sum() > 0


def one_axis(mean: float, log_std: float, count: int) -> ActorOutput:
    return ActorOutput(torch.full((count, 1), mean), torch.full((count, 1), log_std), [])


def test_the_density_of_a_squashed_axis_integrates_to_one_and_needs_the_slope() -> None:
    action = torch.linspace(-0.99999, 0.99999, 400_001, dtype=torch.float64).unsqueeze(1)
    out = ActorOutput(torch.full_like(action, 0.3), torch.full_like(action, -0.5), [])
    choice = Choice(torch.atanh(action), torch.zeros(len(action), 0, dtype=torch.int64))
    width = float(action[1, 0] - action[0, 0])
    assert float(log_prob(out, choice).exp().sum() * width) == pytest.approx(1.0, abs=1e-3)
    unsquashed = normal_log_prob(choice.u, out.mean, out.log_std).squeeze(-1)
    assert abs(float(unsquashed.exp().sum() * width) - 1.0) > 0.2


def test_the_entropy_of_axes_and_branches_is_that_of_sampling() -> None:
    torch.manual_seed(0)
    actor = Actor(4, ActionSpec(2, (3, 2)), 16, 1)
    for layer in actor.net[-1:]:
        torch.nn.init.normal_(layer.weight, 0.0, 0.5)  # type: ignore[arg-type]
    with torch.no_grad():
        out = actor(torch.randn(1, 4).expand(40_000, -1))
        sampled = -log_prob(out, actor.sample(out))
        assert float(entropy(out).mean()) == pytest.approx(float(sampled.mean()), abs=0.03)


def test_a_forbidden_choice_is_never_taken_even_with_noise() -> None:
    torch.manual_seed(0)
    actor = Actor(4, ActionSpec(1, (3, 2)), 16, 1)
    allowed = torch.tensor([True, False, True, False, True]).expand(5000, -1)
    with torch.no_grad():
        for noise in (0.0, 0.5):
            choice = actor.sample(actor(torch.randn(5000, 4), allowed), noise)
            assert set(choice.picks[:, 0].tolist()) == {0, 2} and set(choice.picks[:, 1].tolist()) == {1}
        free = actor.sample(actor(torch.randn(5000, 4)))
        assert set(free.picks[:, 0].tolist()) == {0, 1, 2}
        nothing = actor.sample(actor(torch.randn(5000, 4), torch.zeros(5000, 5, dtype=torch.bool)))
        assert set(nothing.picks[:, 0].tolist()) == {0, 1, 2}


def test_an_action_is_written_out_as_the_model_sees_it() -> None:
    choice = Choice(torch.zeros(2, 1), torch.tensor([[2, 0], [0, 1]]))
    written = choice.written_out(ActionSpec(1, (3, 2)))
    assert written.tolist() == [[0, 0, 0, 1, 1, 0], [0, 1, 0, 0, 0, 1]]
