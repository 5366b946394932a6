"""The parts of one policy's learner: their order, what masks and carries do, and what distillation draws towards."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from torch import distributions as D

from agent.core.rollout import Rollout
from agent.learning.configs import Budget, PolicySpec, PPOConfig
from agent.learning.dreamer.distill import DreamDistiller, divergence
from agent.learning.dreamer.dream import DreamLearner, Targets
from agent.learning.learner import PolicyLearner
from agent.learning.ppo.learner import PPOLearner
from agent.models.heads import Heads, forbid, log_prob
from agent.models.policies import FlatPolicy
from agent.models.sizes import FlatSizes

SMALL = Budget(world_steps=1, world_batch=2, world_length=4)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


def bandit(policy: PPOLearner, steps: int, seed: int, masks: Any = None) -> Rollout:
    """Each step is an episode: 1 for choice 2, 0 for the others, as the policy itself chooses."""
    rng = np.random.default_rng(seed)
    obs = rng.normal(size=(steps, 3)).astype(np.float32)
    ones, elapsed_s = torch.ones(1, steps, dtype=torch.bool), torch.zeros(1, steps)
    allowed = torch.ones(1, steps, 4, dtype=torch.bool) if masks is None else torch.from_numpy(masks)[None]
    with torch.no_grad():
        heads = forbid(
            policy.policy(torch.from_numpy(obs)[None], policy.policy.initial(1), ones, elapsed_s)[0], allowed
        )
        picks = D.Categorical(logits=heads.logits[0][0]).sample()[:, None]
        chances = log_prob(heads, torch.zeros(1, steps, 0), picks[None])[0]
    yes, no = np.ones(steps, np.bool_), np.zeros(steps, np.bool_)
    return Rollout(
        instance="w", policy="p", policy_version=0, obs=obs, actions_cont=np.zeros((steps, 0), np.float32),
        actions_disc=picks.numpy(), rewards=(picks[:, 0] == 2).float().numpy(), terminated=yes, truncated=no,
        is_first=yes, elapsed_s=np.zeros(steps, np.float32), final_obs=obs, log_probs=chances.numpy(),
        action_masks=None if masks is None else masks.astype(np.bool_),
    )  # fmt: skip


def test_the_policy_learns_which_choice_is_rewarded_and_never_makes_a_forbidden_one() -> None:
    learner = PPOLearner(FlatPolicy(FlatSizes(3, 0, (4,))), PPOConfig(lr=3e-3))
    masks = np.tile(np.array([True, False, True, True]), (128, 1))
    before = bandit(learner, 128, 99, masks)
    assert not (before.actions_disc == 1).any()
    for seed in range(30):
        report = learner.update(bandit(learner, 128, seed, masks))
    after = bandit(learner, 128, 100, masks)
    assert before.rewards.mean() < 0.6 < 0.9 < after.rewards.mean() and not (after.actions_disc == 1).any()
    assert np.isfinite(list(report.values())).all()


def test_where_play_went_on_the_value_after_a_rollout_counts_and_where_it_ended_it_does_not() -> None:
    learner = PPOLearner(FlatPolicy(FlatSizes(3, 0, (4,))), PPOConfig(gamma=0.5, lam=0.0), scale_rewards=False)
    rollout = bandit(learner, 5, 0)
    goes_on = Rollout(**{
        **{name: getattr(rollout, name) for name in rollout.__struct_fields__},
        "terminated": np.zeros(5, np.bool_), "is_first": np.array([True, False, False, False, False]),
        "final_obs": rollout.obs[-1:] + 1.0, "values": np.arange(5, dtype=np.float32),
    })  # fmt: skip
    data = learner.sequences(goes_on)
    with torch.no_grad():
        seen = torch.from_numpy(goes_on.final_obs)[None]
        heads, _ = learner.policy(
            seen, learner.policy.initial(1), torch.zeros(1, 1, dtype=torch.bool), torch.zeros(1, 1)
        )
    expected = goes_on.rewards + 0.5 * np.append(np.arange(1, 5), float(heads.value[0, 0])) - np.arange(5)
    assert np.allclose(data.advantages.flatten()[:5].numpy(), expected, atol=1e-5)
    assert data.weight.sum() == 5 and data.obs.shape[:2] == (5, 1), "without memory a sequence is one step"
    ended = learner.sequences(rollout)
    assert np.allclose(ended.returns.flatten()[:5].numpy(), rollout.rewards, atol=1e-6)


def test_divergence_is_that_of_the_distributions() -> None:
    g = torch.Generator().manual_seed(1)
    wanted = Targets(*(torch.randn(2, 3, n, generator=g) * 0.3 for n in (2, 2, 5)))
    heads = Heads(
        torch.randn(2, 3, 2, generator=g), torch.randn(2, 3, 2, generator=g) * 0.3,
        (torch.randn(2, 3, 2, generator=g), torch.randn(2, 3, 3, generator=g)), torch.zeros(2, 3),
    )  # fmt: skip
    axes = D.kl_divergence(D.Normal(wanted.mean, wanted.log_std.exp()), D.Normal(heads.mean, heads.log_std.exp())).sum(
        -1
    )
    one = D.kl_divergence(D.Categorical(logits=wanted.logits[..., :2]), D.Categorical(logits=heads.logits[0]))
    two = D.kl_divergence(D.Categorical(logits=wanted.logits[..., 2:]), D.Categorical(logits=heads.logits[1]))
    assert torch.allclose(divergence(wanted, heads), axes + one + two, atol=1e-5)


class FixedDream(DreamLearner):
    """Wants choice 1, always."""

    def __init__(self) -> None:
        self.world: Any = SimpleNamespace(config=SimpleNamespace(steps_per_update=100))

    def targets(self, rollout: Rollout) -> Targets:
        n = len(rollout)
        return Targets(torch.zeros(n, 0), torch.zeros(n, 0), torch.tensor([[0.0, 8.0, 0.0, 0.0]]).expand(n, -1))


def test_distillation_draws_the_served_policy_towards_the_dreamer_after_it_has_waited() -> None:
    learner = PPOLearner(FlatPolicy(FlatSizes(3, 0, (4,))), PPOConfig(lr=1e-2))
    distiller = DreamDistiller(learner, FixedDream(), coefficient=1.0, wait=200)
    rollout = bandit(learner, 64, 0)
    before = learner.weights()
    assert distiller.update(rollout) == {"dream_distill_loss": 0.0, "dream_distill_waits": 100.0}
    assert all((before[k] == v).all() for k, v in learner.weights().items())
    losses = [distiller.update(rollout)["dream_distill_loss"] for _ in range(30)]
    assert losses[-1] < 0.2 * losses[0]
    assert (bandit(learner, 64, 1).actions_disc == 1).mean() > 0.9


def test_the_parts_come_in_their_order_and_each_can_be_left_out() -> None:
    policy_spec = PolicySpec(name="p", features=3, branches=(4,))
    names = [part.name for part in PolicyLearner(policy_spec, SMALL).parts]
    assert names == ["ppo", "world_model", "dream", "active_inference"]
    served = Budget(served="ppo+dream")
    assert [p.name for p in PolicyLearner(policy_spec, served).parts][3] == "distill"
    alone = Budget(use_world=False, use_active_inference=False)
    assert [p.name for p in PolicyLearner(policy_spec, alone).parts] == ["ppo"]
    flat = PolicySpec(name="q", features=3, continuous=2)
    assert [p.name for p in PolicyLearner(flat, SMALL).parts] == ["ppo", "world_model", "dream"]


def test_a_policy_that_plays_by_ppo_has_dreams_only_where_they_are_asked_for() -> None:
    def parts(budget: Budget, **shape: Any) -> set[str]:
        return {p.name for p in PolicyLearner(PolicySpec(name="p", features=3, branches=(4,), **shape), budget).parts}

    dreams, beside = {"world_model", "dream"}, msgspec.structs.replace(SMALL, dreams_beside_ppo=True)
    assert not dreams & parts(SMALL, plays=True) and dreams <= parts(beside, plays=True)
    assert dreams <= parts(SMALL) and dreams <= parts(msgspec.structs.replace(SMALL, served="ppo+dream"), plays=True)


def test_every_part_reports_and_weights_go_in_and_out() -> None:
    policy_spec = PolicySpec(name="p", features=3, branches=(4,))
    learner, other = (
        PolicyLearner(policy_spec, SMALL),
        PolicyLearner(PolicySpec(name="p", features=3, branches=(4,), seed=1), SMALL),
    )
    rollout = bandit(learner.ppo, 64, 0)
    losses: dict[str, float] = {}
    for part in learner.parts:
        losses |= part.update(rollout)
    named = {"policy_loss", "value_loss", "entropy", "wm_recon", "wm_reward", "wm_kl", "dream_actor_loss"}
    named |= {"efe_policy_loss", "efe_risk", "efe_ambiguity", "efe_information_gain"}
    assert losses.keys() >= named and losses["wm_kl"] >= 0 and np.isfinite(list(losses.values())).all()
    weights = learner.weights()
    assert any((weights[k] != v).any() for k, v in other.weights().items())
    other.take_weights(weights)
    assert all((weights[k] == v).all() for k, v in other.weights().items())
