"""The world model's network: what a state may depend on, and what it may not."""

from __future__ import annotations

import pytest
import torch

from agent.models.distributions import categorical_kl
from agent.models.rssm import BlockLinear, Latent, WorldModel
from agent.models.sizes import WorldSizes

SIZES = WorldSizes(obs=3, action=2, deter=16, blocks=2, hidden=16, stoch=3, classes=4, units=16, bins=31)


def observe(model: WorldModel, obs: torch.Tensor, actions: torch.Tensor, first: torch.Tensor) -> Latent:
    torch.manual_seed(7)
    with torch.no_grad():
        return model.observe(model.rssm.initial(len(obs)), obs, actions, first).latent


def example() -> tuple[WorldModel, torch.Tensor, torch.Tensor, torch.Tensor]:
    torch.manual_seed(1)
    first = torch.zeros(4, 8, dtype=torch.bool)
    return WorldModel(SIZES), torch.randn(4, 8, 3), torch.randn(4, 8, 2), first


def test_where_an_episode_begins_nothing_before_it_is_left() -> None:
    model, obs, actions, first = example()
    first[:, 5] = True
    other_obs, other_actions = obs.clone(), actions.clone()
    other_obs[:, :5] = torch.randn(4, 5, 3)
    other_actions[:, :6] = torch.randn(4, 6, 2)
    one, other = observe(model, obs, actions, first), observe(model, other_obs, other_actions, first)
    assert torch.equal(one.deter[:, 5:], other.deter[:, 5:]) and torch.equal(one.stoch[:, 5:], other.stoch[:, 5:])
    first[:, 5] = False
    one, other = observe(model, obs, actions, first), observe(model, other_obs, other_actions, first)
    assert (one.deter[:, 5:] - other.deter[:, 5:]).abs().max() > 1e-4


def test_a_state_depends_on_the_action_that_led_to_it_and_not_on_the_next() -> None:
    model, obs, actions, first = example()
    changed = actions.clone()
    changed[:, 4] += 1.0
    one, other = observe(model, obs, actions, first), observe(model, obs, changed, first)
    assert torch.equal(one.deter[:, :4], other.deter[:, :4])
    assert (one.deter[:, 4] - other.deter[:, 4]).abs().max() > 1e-4


def test_an_imagined_step_has_the_deterministic_part_of_the_observed_one() -> None:
    model, obs, actions, first = example()
    seen = observe(model, obs, actions, first)
    before = Latent(seen.deter[:, 3], seen.stoch[:, 3])
    with torch.no_grad():
        assert torch.allclose(model.rssm.imagine_step(before, actions[:, 4]).deter, seen.deter[:, 4], atol=1e-6)
        assert not torch.allclose(model.rssm.imagine_step(before, actions[:, 3]).deter, seen.deter[:, 4], atol=1e-4)


def test_an_acting_step_is_the_observed_sequence_one_by_one() -> None:
    model, obs, actions, first = example()
    first[:, 0] = first[2, 4] = True
    torch.manual_seed(3)
    with torch.no_grad():
        whole = model.observe(model.rssm.initial(4), obs, actions, first).latent
    torch.manual_seed(3)
    latent = model.rssm.initial(4)
    model.norm.mean.zero_()
    model.norm.var.fill_(1.0 - 1e-4)
    for t in range(8):
        latent = model.act_step(latent, obs[:, t], actions[:, t], first[:, t])
        assert torch.allclose(latent.deter, whole.deter[:, t], atol=1e-5)


def test_no_class_of_prior_or_posterior_is_impossible_and_latents_are_one_hot() -> None:
    model, obs, actions, first = example()
    seen = model.observe(model.rssm.initial(4), obs * 100, actions, first)
    for log_p in (seen.prior, seen.posterior):
        assert log_p.exp().min() >= 0.01 / 4 - 1e-6
        assert torch.allclose(log_p.exp().sum(-1), torch.ones(4, 8, 3), atol=1e-5)
    assert torch.allclose(seen.latent.stoch.detach().sum(-1), torch.ones(4, 8, 3), atol=1e-5)
    assert (categorical_kl(seen.posterior, seen.prior) >= 0).all()


def test_a_block_layer_is_a_matrix_with_blocks_on_its_diagonal() -> None:
    torch.manual_seed(0)
    layer, x = BlockLinear(2, 3, 5), torch.randn(7, 6)
    expected = x @ torch.block_diag(*layer.weight)
    got = layer(x.view(7, 2, 3).transpose(0, 1)).transpose(0, 1).flatten(1)
    assert torch.allclose(got, expected, atol=1e-6)
    with pytest.raises(ValueError, match="no multiple"):
        WorldModel(WorldSizes(obs=1, action=1, deter=10, blocks=4))
