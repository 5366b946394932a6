"""PPO on problems with known answers, each with a control that must fail."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import numpy as np
import pytest
import torch

from agent.core.errors import WeightsError
from agent.core.rollout import Rollout
from agent.learning.configs import PPOConfig
from agent.learning.ppo.learner import PPOLearner
from agent.learning.ppo.update import PPO, RolloutSequences
from agent.models.heads import log_prob, sample
from agent.models.policies import FlatPolicy, FramePolicy, TrainablePolicy
from agent.models.sizes import FlatSizes, FrameSizes

Reward = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


def rollout(
    policy: TrainablePolicy, obs: np.ndarray, first: np.ndarray, reward: Reward, version: int = 0, **more: object
) -> Rollout:
    """What a policy does on given observations, which its actions do not change; is_first ends the episode before."""
    with torch.no_grad():
        shown = torch.from_numpy(obs)[None]
        elapsed_s = torch.full(shown.shape[:2], 1 / 60)
        heads, _ = policy(shown, policy.initial(1), torch.from_numpy(first)[None], elapsed_s)
        axes, choices = sample(heads)
        said = log_prob(heads, axes, choices)[0].numpy()
    ends = np.append(first[1:], True)
    values = {
        "instance": "test", "policy": "ppo", "policy_version": version, "obs": obs, "actions_cont": axes[0].numpy(),
        "actions_disc": choices[0].numpy(), "rewards": np.float32(reward(obs, axes[0].numpy(), choices[0].numpy())),
        "terminated": ends, "truncated": np.zeros_like(ends), "is_first": first, "elapsed_s": elapsed_s[0].numpy(),
        "final_obs": obs[ends], "log_probs": said, "values": heads.value[0].numpy(), **more,
    }  # fmt: skip
    return Rollout(**values)  # type: ignore[arg-type]


CONTEXTS = 4


def bandit(seed: int, *, shuffled: bool) -> float:
    """Mean reward after 20 updates of a contextual bandit of one step: the arm is the context, the axis its sign."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    policy = FlatPolicy(FlatSizes(CONTEXTS, 1, (CONTEXTS,)))
    config = PPOConfig(lr=1e-2, length=8, entropy_weight=0.0, minibatches=2)
    learner = PPOLearner(policy, config, seed=seed, scale_rewards=False)

    def reward(obs: np.ndarray, axes: np.ndarray, arms: np.ndarray) -> np.ndarray:
        context = obs.argmax(1)
        return (arms[:, 0] == context) + 1.0 - np.abs(axes[:, 0] - np.where(context % 2, 0.6, -0.6))

    def given(obs: np.ndarray, axes: np.ndarray, arms: np.ndarray) -> np.ndarray:
        earned = reward(obs, axes, arms)
        return rng.permutation(earned) if shuffled else earned

    def contexts() -> np.ndarray:
        return np.eye(CONTEXTS, dtype=np.float32)[rng.integers(0, CONTEXTS, 256)]

    first = np.ones(256, np.bool_)
    for _ in range(20):
        learner.update(rollout(policy, contexts(), first, given, learner.version))
    return float(rollout(policy, contexts(), first, reward).rewards.mean())


def test_a_contextual_bandit_is_learned_and_with_shuffled_rewards_it_is_not() -> None:
    chance = 0.25 + 0.4
    assert bandit(0, shuffled=False) > 1.5
    assert bandit(0, shuffled=True) < chance + 0.35


def memory(units: int, seed: int) -> float:
    """Share of right answers: a cue of two is shown at the first of three steps, the answer to the last counts."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    policy = FlatPolicy(FlatSizes(3, 0, (2,), units=units))
    learner = PPOLearner(policy, PPOConfig(lr=1e-2, length=12, gamma=0.5, lam=0.5, entropy_weight=0.0), seed=seed)
    episodes, steps = 64, 3

    def play() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        cues = rng.integers(0, 2, episodes)
        obs = np.zeros((episodes, steps, 3), np.float32)
        obs[np.arange(episodes), 0, cues] = 1.0
        obs[:, -1, 2] = 1.0
        first = np.zeros((episodes, steps), np.bool_)
        first[:, 0] = True
        return obs.reshape(-1, 3), first.reshape(-1), np.repeat(cues, steps)

    right = 0.0
    for _ in range(25):
        obs, first, cues = play()
        data = rollout(policy, obs, first, lambda o, a, c, cues=cues: (c[:, 0] == cues) * o[:, 2], learner.version)
        right = float(data.rewards.sum()) / episodes
        learner.update(data)
    return right


def test_a_memory_answers_what_no_memory_can() -> None:
    assert memory(16, 0) > 0.9
    assert memory(0, 0) < 0.75


@pytest.mark.parametrize("units", [0, 8])
def test_what_came_before_a_first_step_changes_nothing_after_it(units: int) -> None:
    torch.manual_seed(1)
    policy = FlatPolicy(FlatSizes(3, 2, (2,), units=units))
    obs, elapsed_s = torch.randn(2, 6, 3), torch.full((2, 6), 1 / 60)
    obs[1, 3:] = obs[0, 3:]
    first = torch.zeros(2, 6, dtype=torch.bool)
    first[:, 3] = True
    carry = torch.randn(2, units)
    heads, after = policy(obs, carry, first, elapsed_s)
    assert torch.allclose(heads.mean[0, 3:], heads.mean[1, 3:], atol=1e-6)
    assert torch.allclose(after[0], after[1], atol=1e-6) or units == 0
    without, _ = policy(obs, carry, torch.zeros_like(first), elapsed_s)
    assert units == 0 or not torch.allclose(without.mean[0, 3:], without.mean[1, 3:], atol=1e-4)


def sequences(policy: TrainablePolicy, learner: PPOLearner, steps: int) -> RolloutSequences:
    rng = np.random.default_rng(0)
    obs = rng.normal(size=(steps, policy.features)).astype(np.float32)
    first = rng.random(steps) < 0.2
    return learner.sequences(rollout(policy, obs, first, lambda o, a, c: o[:, 0]))


def test_padding_teaches_nothing() -> None:
    torch.manual_seed(0)
    policy = FlatPolicy(FlatSizes(3, 1, (2,), units=4))
    learner = PPOLearner(policy, PPOConfig(length=8))
    data = sequences(policy, learner, 20)
    assert data.weight.sum() == 20 and data.obs.shape[:2] == (3, 8)
    spoiled = msgspec.structs.replace(data, **{n: getattr(data, n).clone() for n in ("obs", "advantages", "returns")})
    for name in ("obs", "advantages", "returns"):
        getattr(spoiled, name)[data.weight == 0] = 50.0
    weights = []
    for part in (data, spoiled):
        torch.manual_seed(3)
        other = FlatPolicy(policy.sizes)
        other.load_state_dict(policy.state_dict())
        PPO(other, PPOConfig(length=8, epochs=2), seed=1).update(part)
        weights.append(other.state_dict())
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


@pytest.mark.parametrize(
    ("larger", "moved", "teaches"),
    [(True, 1.0, False), (True, -1.0, True), (False, 1.0, False), (False, -1.0, False), (False, -0.1, True)],
)
def test_a_value_that_moved_far_teaches_no_more_unless_the_larger_error_counts_and_it_moved_away(
    larger: bool, moved: float, teaches: bool
) -> None:
    torch.manual_seed(0)
    policy = FlatPolicy(FlatSizes(3, 1, (2,)))
    learner = PPOLearner(policy, PPOConfig(length=8))
    data = sequences(policy, learner, 16)
    data = msgspec.structs.replace(
        data, values=data.values - moved, returns=data.values + 5.0, advantages=torch.zeros_like(data.advantages)
    )
    config = PPOConfig(
        length=8, epochs=1, minibatches=1, entropy_weight=0.0, clip=0.2, larger_value=larger, max_grad=100.0
    )
    assert (PPO(policy, config).update(data)["grad_norm"] > 0.1) == teaches


def test_what_the_learner_computes_anew_is_what_the_worker_said() -> None:
    torch.manual_seed(0)
    policy = FlatPolicy(FlatSizes(3, 2, (3, 2), units=6))
    said = PPOLearner(policy, PPOConfig(length=8), scale_rewards=False)
    anew = PPOLearner(policy, PPOConfig(length=8), scale_rewards=False)
    obs = np.random.default_rng(0).normal(size=(19, 3)).astype(np.float32)
    first = np.zeros(19, np.bool_)
    first[[0, 7, 12]] = True
    data = rollout(policy, obs, first, lambda o, a, c: o[:, 1])
    one, two = said.sequences(data), anew.sequences(msgspec.structs.replace(data, log_probs=None, values=None))
    kept = one.weight > 0
    for name in ("log_probs", "values", "advantages"):
        assert torch.allclose(getattr(one, name)[kept], getattr(two, name)[kept], atol=1e-4), name


def test_memory_goes_on_from_one_rollout_of_an_instance_to_the_next() -> None:
    torch.manual_seed(0)
    policy = FlatPolicy(FlatSizes(3, 0, (2,), units=6))
    whole, halves = (PPOLearner(policy, PPOConfig(length=4), scale_rewards=False) for _ in range(2))
    obs = np.random.default_rng(0).normal(size=(16, 3)).astype(np.float32)
    first = np.zeros(16, np.bool_)
    first[0] = True
    data = rollout(policy, obs, first, lambda o, a, c: o[:, 1])
    all_at_once = whole.sequences(data)
    halves.sequences(rollout(policy, obs[:8], first[:8], lambda o, a, c: o[:, 1]))
    later = halves.sequences(rollout(policy, obs[8:], first[8:], lambda o, a, c: o[:, 1]))
    assert torch.allclose(all_at_once.carry[2:], later.carry, atol=1e-6)


def test_a_rollout_of_any_version_is_learned_from_since_its_sender_decides() -> None:
    policy = FlatPolicy(FlatSizes(2, 0, (2,)))
    learner = PPOLearner(policy, PPOConfig(length=8))
    learner.version = 900
    before = {name: t.clone() for name, t in policy.state_dict().items()}
    obs, first = np.eye(2, dtype=np.float32)[np.arange(8) % 2], np.ones(8, np.bool_)
    learner.update(rollout(policy, obs, first, lambda o, a, c: c[:, 0], version=0))
    assert learner.version == 901
    assert any(not torch.equal(t, before[name]) for name, t in policy.state_dict().items())


def test_a_learner_restarted_from_its_tensors_goes_on_alike() -> None:
    def made() -> PPOLearner:
        torch.manual_seed(5)
        return PPOLearner(FlatPolicy(FlatSizes(3, 1, (2,))), PPOConfig(length=8), seed=2)

    def fed(learner: PPOLearner, seed: int) -> None:
        torch.manual_seed(seed)
        obs = np.random.default_rng(seed).normal(size=(32, 3)).astype(np.float32)
        learner.update(rollout(learner.policy, obs, np.arange(32) % 8 == 0, lambda o, a, c: o[:, 0], learner.version))

    one = made()
    fed(one, 1)
    two = made()
    two.load_tensors(one.tensors())
    for learner in (one, two):
        fed(learner, 2)
    first, second = one.tensors(), two.tensors()
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_tensors_of_another_policy_are_refused() -> None:
    small, large = (PPOLearner(FlatPolicy(FlatSizes(n, 1, (2,))), PPOConfig(length=8)) for n in (3, 4))
    with pytest.raises(WeightsError, match="policy.norm.mean is"):
        large.load_tensors(small.tensors())
    with pytest.raises(WeightsError, match="learner.counters"):
        small.load_tensors({})


def test_a_rollout_that_does_not_fit_is_refused_with_a_reason() -> None:
    learner = PPOLearner(FlatPolicy(FlatSizes(3, 1, (2,))), PPOConfig(length=8))
    other = FlatPolicy(FlatSizes(2, 1, (2,)))
    with pytest.raises(ValueError, match="obs is float32"):
        learner.update(rollout(other, np.zeros((8, 2), np.float32), np.ones(8, np.bool_), lambda o, a, c: o[:, 0]))


@pytest.mark.parametrize(("height", "width"), [(10, 10), (64, 48)])
def test_pictures_of_any_size_have_a_policy(height: int, width: int) -> None:
    policy = FramePolicy(FrameSizes(height, width, (3,), hidden=32))
    learner = PPOLearner(policy, PPOConfig(length=4, epochs=1))
    obs = np.random.default_rng(0).integers(0, 256, (8, policy.features)).astype(np.float32)
    metrics = learner.update(rollout(policy, obs, np.ones(8, np.bool_), lambda o, a, c: c[:, 0]))
    assert np.isfinite(list(metrics.values())).all()
