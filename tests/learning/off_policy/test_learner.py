"""The learner for play finds a known answer, but not with shuffled rewards; its replay outlives a restart."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest
import torch

from agent.core.errors import WeightsError
from agent.core.rollout import Rollout
from agent.learning.configs import Budget, OffPolicyConfig, PolicySpec
from agent.learning.learner import PolicyLearner
from agent.learning.off_policy.learner import OffPolicyLearner
from agent.learning.state import load_state, state_tensors
from agent.models.policies import FlatPolicy
from agent.models.sizes import FlatSizes

CONFIG = OffPolicyConfig(
    lr=3e-3, critic_lr=3e-3, gamma=0.9, length=4, windows=16, members=3, hidden=32, target_rate=0.05,
    updates_per_decision=0.2, temperature=0.5, sync_every=10, policy_weight=1.0,
    trust_weight=0.1,
    clone_weight=0.0, min_decisions=0, replay_bytes=1 << 20,
)  # fmt: skip
SPEC = PolicySpec(name="p", features=2, continuous=1, branches=(3,))


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


def played(steps: int, seed: int, rewarded: Any = None) -> Rollout:
    """A random player in episodes of four: paid a step later for an axis on obs[0]'s side, and for choice 2; obs[1] is
    paid at every step and stays for the episode."""
    rng = np.random.default_rng(seed)
    obs = rng.choice([-1.0, 1.0], (steps, 2)).astype(np.float32)
    obs[:, 1] = np.repeat(obs[::4, 1], 4)[:steps]
    axes = rng.uniform(-0.95, 0.95, (steps, 1)).astype(np.float32)
    picks = rng.integers(0, 3, (steps, 1))
    gained = axes[:, 0] * obs[:, 0] + (picks[:, 0] == 2)
    last = np.arange(steps) % 4 == 3
    cut = last | (np.arange(steps) == steps - 1)
    rewards = np.where(np.arange(steps) % 4 == 0, 0.0, np.append(0.0, gained[:-1])) + np.where(last, gained, 0.0)
    rewards += obs[:, 1]
    if rewarded is not None:
        rewards = rewarded(rewards, rng)
    return Rollout(
        instance="g", policy="p", policy_version=0, obs=obs, actions_cont=axes, actions_disc=picks,
        rewards=rewards.astype(np.float32), terminated=last, truncated=np.zeros(steps, np.bool_),
        is_first=np.roll(last, 1), elapsed_s=np.full(steps, 0.1, np.float32), final_obs=obs[cut],
    )  # fmt: skip


@torch.no_grad()
def answer(learner: OffPolicyLearner) -> float:
    """How much of the best that can be done the likeliest action does; about 0.17 before learning, 1 at best."""
    obs = torch.tensor([[a, b] for a in (-1.0, 1.0) for b in (-1.0, 1.0)])[:, None]
    heads, _ = learner.policy(obs, learner.policy.initial(4), torch.ones(4, 1, dtype=torch.bool), torch.zeros(4, 1))
    paid = torch.tanh(heads.mean[:, 0, 0]) * obs[:, 0, 0] + (heads.logits[0][:, 0].argmax(-1) == 2)
    return float(paid.mean()) / 2.0


def taught(config: OffPolicyConfig, rewarded: Any = None, rounds: int = 3) -> OffPolicyLearner:
    learner = OffPolicyLearner(FlatPolicy(FlatSizes(2, 1, (3,))), config, columns=[], cards=None)
    for seed in range(rounds):
        learner.update(played(256, seed, rewarded))
    return learner


def test_it_finds_what_is_paid_a_step_later_and_says_that_its_values_explain_it() -> None:
    learner = taught(CONFIG)
    assert answer(learner) > 0.6
    beliefs = learner.beliefs()
    assert beliefs["off_policy_decisions"] == 3 * 256 and beliefs["off_policy_actor_learns"] == 1.0
    assert beliefs["off_policy_updates_per_decision"] == pytest.approx(CONFIG.updates_per_decision, abs=0.01)
    assert beliefs["off_policy_value_explained"] > 0.1
    assert learner.update(played(256, 7))["off_policy_prior_kl"] > 0.05


def test_with_shuffled_rewards_there_is_nothing_to_find() -> None:
    config = msgspec.structs.replace(CONFIG, min_explained=-9.0)
    assert answer(taught(config, lambda rewards, rng: rng.permutation(rewards))) < 0.5


def test_the_actor_rests_until_values_explain_returns() -> None:
    learner = taught(msgspec.structs.replace(CONFIG, min_explained=2.0), rounds=2)
    before = {name: t.clone() for name, t in learner.policy.named_parameters()}
    critic = learner.critics.out.detach().clone()
    figures = learner.update(played(256, 9))
    assert figures["off_policy_prior_kl"] == 0.0
    assert all(torch.equal(t, before[name]) for name, t in learner.policy.named_parameters())
    assert not torch.equal(critic, learner.critics.out), "the critics go on"


def test_lessons_are_imitated_while_the_actor_rests_and_less_as_evidence_grows() -> None:
    config = msgspec.structs.replace(CONFIG, min_explained=2.0, clone_weight=1.0, evidence=256)
    learner = OffPolicyLearner(FlatPolicy(FlatSizes(2, 1, (3,))), config, columns=[], cards=None)
    lesson = played(256, 0)
    right = np.where(lesson.obs[:, :1] > 0, 0.9, -0.9).astype(np.float32)
    learner.take_lessons(
        msgspec.structs.replace(lesson, actions_cont=right, actions_disc=np.full((256, 1), 2, np.int64))
    )
    for seed in range(3):
        learner.update(played(256, seed))
    assert answer(learner) > 0.8
    assert learner.fading == pytest.approx(1 / 4)


def test_a_limit_is_bootstrapped_and_a_death_is_not() -> None:
    """One point a decision for ever is worth 1 / (1 − .9) = 10; with every fourth decision the last, 2.26."""
    config = msgspec.structs.replace(CONFIG, gamma=0.9, critic_lr=1e-2, target_rate=0.2, updates_per_decision=0.5)
    worth = []
    for limited in (True, False):
        learner = OffPolicyLearner(FlatPolicy(FlatSizes(2, 1, (3,))), config, columns=[], cards=None)
        for seed in range(3):
            run = played(128, seed, lambda rewards, rng: np.ones_like(rewards))
            if limited:
                run = msgspec.structs.replace(run, truncated=run.terminated, terminated=run.truncated)
            figures = learner.update(run)
        worth.append(figures["off_policy_value"])
    assert worth[0] == pytest.approx(10.0, abs=1.5) and worth[1] == pytest.approx(2.26, abs=0.6), worth


def test_the_prior_holds_the_actor() -> None:
    config = msgspec.structs.replace(CONFIG, evidence=1 << 30)
    held, free = (taught(msgspec.structs.replace(config, prior_weight=w), rounds=3) for w in (300.0, 0.0))
    assert answer(held) < 0.7 * answer(free)


def test_its_state_is_taken_up_whole_replay_and_lessons_with_it() -> None:
    budget = Budget(served="off-policy", use_active_inference=False, off_policy=CONFIG)
    one, two = PolicyLearner(SPEC, budget), PolicyLearner(msgspec.structs.replace(SPEC, seed=3), budget)
    assert [part.name for part in one.parts] == ["off_policy"]
    assert one.off_policy is not None and two.off_policy is not None
    one.off_policy.take_lessons(played(64, 1))
    one.off_policy.update(played(128, 2))
    load_state(two, state_tensors(one))
    assert two.off_policy.replay.decisions == 128 and len(two.off_policy.lessons) == len(one.off_policy.lessons) == 16
    for name, tensor in state_tensors(one).items():
        assert torch.equal(tensor, state_tensors(two)[name]), name
    torch.manual_seed(1)
    first = one.off_policy.update(played(64, 3))
    torch.manual_seed(1)
    two.off_policy._random = np.random.default_rng(0)
    assert two.off_policy.beliefs().keys() <= first.keys() and two.off_policy.updates < one.off_policy.updates
    broken = state_tensors(one)
    broken["off_policy/kept.replay.obs"] = broken["off_policy/kept.replay.obs"][:-1]
    with pytest.raises(WeightsError, match="differ in length"):
        load_state(two, broken)
