"""World model and dreams as learners: identities of the maths, what they report, and what each part is needed for."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import pytest
import torch

from agent.core.errors import WeightsError
from agent.core.rollout import ActionSpec, Rollout
from agent.learning.configs import DreamConfig, WorldModelConfig
from agent.learning.dreamer.dream import DreamLearner, imagine, lambda_returns, shuffled_together
from agent.learning.dreamer.world_model import WorldModelLearner, balanced_kl, to_sequences, world_loss
from agent.models.dreamer import Actor, act, initial_carry
from agent.models.rssm import Latent, Observed, WorldModel
from agent.models.sizes import WorldSizes

NET: dict[str, Any] = {"deter": 32, "blocks": 1, "hidden": 32, "stoch": 4, "classes": 4, "units": 32, "bins": 41}
CONFIG = WorldModelConfig(batch=8, length=12, lr=2e-3, warm_up=10, steps_per_update=2, capacity=3000)
DREAMS = DreamConfig(starts=48, horizon=8, lr=1e-3, warm_up=10, units=32, layers=1)


def learners(
    spec: ActionSpec, obs: int, config: WorldModelConfig = CONFIG, dreams: DreamConfig = DREAMS, masks: int = 0
) -> tuple[WorldModelLearner, DreamLearner]:
    torch.manual_seed(0)
    world = WorldModelLearner(WorldSizes(obs=obs, action=spec.width, masks=masks, **NET), spec, config)
    return world, DreamLearner(world, dreams)


def walk(steps: int, seed: int, *, deadly: bool) -> Rollout:
    """A constant reward of 1; the second choice ends the episode where `deadly`; else 30 steps do, without death."""
    rng = np.random.default_rng(seed)
    obs, picks, ended, cut, first, finals, age = [], [], [], [], [], [], 0
    for step in range(steps):
        first.append(age == 0)
        obs.append([age / 10, 1.0])
        picks.append([int(rng.integers(2))])
        age += 1
        ended.append(deadly and picks[-1][0] == 1)
        cut.append(not ended[-1] and age == 30)
        if ended[-1] or cut[-1] or step == steps - 1:
            finals.append([age / 10, 0.0 if ended[-1] else 1.0])
        if ended[-1] or cut[-1]:
            age = 0
    return Rollout(
        instance="w", policy="p", policy_version=0, obs=np.array(obs, np.float32),
        actions_cont=np.zeros((steps, 0), np.float32), actions_disc=np.array(picks),
        rewards=np.ones(steps, np.float32), terminated=np.array(ended), truncated=np.array(cut),
        is_first=np.array(first), elapsed_s=np.zeros(steps, np.float32), final_obs=np.array(finals, np.float32),
    )  # fmt: skip


@pytest.mark.parametrize("lam", [0.0, 0.95, 1.0])
def test_lambda_returns_equal_their_definition_as_a_sum_over_all_horizons(lam: float) -> None:
    torch.manual_seed(0)
    steps = 9
    r, live, v = torch.randn(2, steps), torch.rand(2, steps), torch.randn(2, steps)
    last = (torch.rand(2, steps) < 0.2).float()
    got = lambda_returns(r, live, v, lam, last)
    for b in range(2):
        for t in range(steps):
            total, weight, discount, gained = 0.0, 1.0, 1.0, 0.0
            for k in range(t, steps):
                gained += discount * float(r[b, k])
                discount *= float(live[b, k])
                share = 0.0 if k == steps - 1 else lam * (1.0 - float(last[b, k]))
                total += weight * (1.0 - share) * (gained + discount * float(v[b, k]))
                weight *= share
            assert float(got[b, t]) == pytest.approx(total, abs=1e-5)


def test_in_a_dream_each_action_is_taken_once_and_at_the_state_that_shows_it() -> None:
    """The model is a counter: the state adds the action up."""

    def step(latent: Latent, action: torch.Tensor) -> Latent:
        return Latent(latent.deter + action.argmax(-1, keepdim=True), latent.stoch)

    class Counter(WorldModel):
        allowed = None
        bins = torch.tensor([-1.0, 0.0, 1.0])
        rssm: Any = SimpleNamespace(imagine_step=step)

        def __init__(self) -> None:
            torch.nn.Module.__init__(self)

        def proceed(self, features: torch.Tensor) -> torch.Tensor:
            return features[..., :1]

        def reward(self, features: torch.Tensor) -> torch.Tensor:
            return torch.zeros(*features.shape[:-1], 3)

    start = Latent(torch.arange(5.0).unsqueeze(1), torch.zeros(5, 1, 2))
    dream = imagine(Counter(), Actor(3, ActionSpec(0, (4,)), 8, 1), start, 6)
    counts, picks = dream.features[..., 0], dream.picks[..., 0].float()
    assert torch.equal(counts[:, 0], torch.arange(5.0))
    assert torch.equal(counts[:, 1:] - counts[:, :-1], picks)
    assert not torch.equal(counts[:, 2:] - counts[:, 1:-1], picks[:, :-1])


def test_free_nats_stop_the_gradient_and_the_reported_divergence_is_not_cut() -> None:
    torch.manual_seed(0)
    logits = [torch.randn(2, 3, 4, 5, requires_grad=True) for _ in range(2)]
    for free, moves in ((0.0, True), (100.0, False)):
        seen = Observed(Latent(logits[0], logits[0]), *(x.log_softmax(-1) for x in logits))
        prior, posterior, divergence = balanced_kl(seen, free)
        gradients = torch.autograd.grad(prior.sum() + posterior.sum(), logits)
        assert all((g.abs().sum() > 0) == moves for g in gradients)
        assert (divergence >= 0).all() and 0 < float(divergence.mean()) < 20


def test_the_prior_learns_from_the_posterior_and_the_posterior_from_the_prior_apart() -> None:
    torch.manual_seed(0)
    post, prior = (torch.randn(2, 3, 4, 5, requires_grad=True) for _ in range(2))
    for_prior, for_post, _ = balanced_kl(Observed(Latent(post, post), post.log_softmax(-1), prior.log_softmax(-1)), 0.0)
    assert torch.autograd.grad(for_prior.sum(), post, allow_unused=True)[0] is None
    assert torch.autograd.grad(for_post.sum(), prior, allow_unused=True)[0] is None


def test_every_report_of_a_hundred_has_every_name_and_every_number_is_finite() -> None:
    config = msgspec.structs.replace(CONFIG, steps_per_update=1, batch=4, samples=2)
    world, dream = learners(ActionSpec(0, (2,)), 2, config, masks=2)
    wanted = {"wm_recon", "wm_reward", "wm_continue", "wm_kl", "wm_masks", "dream_actor_loss", "dream_critic_loss"}
    wanted |= {"dream_return", "dream_entropy", "wm_open_loop_1", "wm_open_loop_15", "wm_persistence_15"}
    for push in range(100):
        rollout = walk(30, push, deadly=push % 10 != 0)
        report = world.update(rollout) | dream.update(rollout)
        if push > 1:
            assert wanted <= report.keys() and all(math.isfinite(v) for v in report.values())
            assert report["wm_kl"] >= 0 and report["wm_steps"] == report["dream_steps"] == 1


def test_dreams_change_the_policy_and_leave_the_model_alone() -> None:
    world, dream = learners(ActionSpec(0, (2,)), 2)
    rollout = walk(60, 0, deadly=True)
    world.update(rollout)
    model = {k: v.clone() for k, v in world.tensors().items()}
    policy = {k: v.clone() for k, v in dream.tensors().items()}
    dream.update(rollout)
    assert all(torch.equal(v, model[k]) for k, v in world.tensors().items())
    changed = {k for k, v in dream.tensors().items() if not torch.equal(v, policy[k])}
    assert {k for k in policy if k.startswith("policy.actor")} - changed <= {"policy.actor.net.0.bias"}


def probability_to_live(**changes: bool) -> float:
    """How likely the dreamt policy takes the choice that does not end a game of constant reward."""
    world, dream = learners(
        ActionSpec(0, (2,)), 2,
        dreams=msgspec.structs.replace(DREAMS, gamma=0.95, **changes),
    )  # fmt: skip
    for push in range(45):
        rollout = walk(40, push, deadly=True)
        world.update(rollout)
        dream.update(rollout)
    carry, _ = act(world.model, dream.actor, initial_carry(world.model, 64), torch.tensor([[0.0, 1.0]] * 64),
                   torch.ones(64, dtype=torch.bool))  # fmt: skip
    with torch.no_grad():
        return float(dream.actor(carry.latent.features()).log_p[0].exp()[:, 0].mean())


@pytest.mark.slow
def test_a_game_of_constant_reward_is_learnt_through_continuation_alone() -> None:
    assert probability_to_live() > 0.9
    assert abs(probability_to_live(use_proceed=False) - 0.5) < 0.2
    assert abs(probability_to_live(shuffle_rewards=True) - 0.5) < 0.2


def test_the_control_is_told_of_other_states_in_imagination_and_in_replay(monkeypatch: Any) -> None:
    a = torch.arange(60.0).view(6, 10)
    told, with_it = shuffled_together(a, -a)
    assert torch.equal(told, -with_it) and not torch.equal(told, a)
    assert torch.equal(told.flatten().sort().values, a.flatten())
    seen: list[torch.Size] = []

    def noted(rewards: torch.Tensor, proceed: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        seen.append(rewards.shape)
        return shuffled_together(rewards, proceed)

    monkeypatch.setattr("agent.learning.dreamer.dream.shuffled_together", noted)
    for shuffle in (False, True):
        world, dream = learners(ActionSpec(0, (2,)), 2, dreams=msgspec.structs.replace(DREAMS, shuffle_rewards=shuffle))
        world.push(walk(60, 0, deadly=True))
        world.train_step()
        dream.train_step(world.posteriors.pop())
        imagined, replayed = (DREAMS.starts, DREAMS.horizon), (CONFIG.batch, CONFIG.length - 1)
        assert seen == ([imagined, replayed] if shuffle else [])


def test_what_was_saved_is_taken_up_and_what_does_not_fit_changes_nothing() -> None:
    spec = ActionSpec(1, (3,))
    world, dream = learners(spec, 2)
    torch.manual_seed(9)
    other = WorldModelLearner(WorldSizes(obs=2, action=spec.width, **NET), spec, CONFIG)
    for mine, theirs in ((world, other), (dream, DreamLearner(other, DREAMS))):
        saved = {k: v.clone() for k, v in mine.tensors().items()}
        assert any(not torch.equal(v, saved[k]) for k, v in theirs.tensors().items())
        theirs.load_tensors(saved)
        assert all(torch.equal(v, saved[k]) for k, v in theirs.tensors().items())
        key = next(k for k, v in saved.items() if v.ndim == 2)
        for bad in (
            {k: v for k, v in saved.items() if k != key}, saved | {"more": torch.zeros(1)},
            saved | {key: saved[key][:1]}, saved | {key: saved[key].double()}, saved | {key: saved[key] * math.nan},
        ):  # fmt: skip
            with pytest.raises(WeightsError):
                theirs.load_tensors({k: v + 1 if v.ndim == 1 else v for k, v in bad.items()})
            assert all(torch.equal(v, saved[k]) for k, v in theirs.tensors().items())


def test_targets_for_distillation_have_a_row_for_each_step_and_obey_the_masks() -> None:
    spec = ActionSpec(2, (2, 3))
    torch.manual_seed(0)
    world = WorldModelLearner(WorldSizes(obs=2, action=spec.width, masks=5, **NET), spec, CONFIG)
    dream, base = DreamLearner(world, DREAMS), walk(40, 0, deadly=True)
    masks = np.ones((40, 5), np.bool_)
    masks[7, 3] = False
    rollout = msgspec.structs.replace(
        base, actions_cont=np.zeros((40, 2), np.float32),
        actions_disc=np.concatenate([base.actions_disc, base.actions_disc], 1), action_masks=masks,
    )  # fmt: skip
    targets = dream.targets(rollout)
    assert targets.mean.shape == targets.log_std.shape == (40, 2) and targets.logits.shape == (40, 5)
    assert (targets.logits < -1e8).nonzero().tolist() == [[7, 3]]


def test_the_first_observation_of_an_episode_carries_no_reward_and_any_other_does() -> None:
    world, _ = learners(ActionSpec(0, (2,)), 2)
    with torch.no_grad():
        for parameter in world.model.reward.parameters():
            parameter.add_(torch.randn_like(parameter))
    world.push(walk(60, 0, deadly=True))
    batch = world.replay.sample(8, 12)
    assert batch is not None and batch.rows.is_first[:, 1:].any()

    def reward_loss(rewards: np.ndarray[Any, Any]) -> float:
        torch.manual_seed(1)
        data = to_sequences(world.model, batch._replace(rows=batch.rows._replace(rewards=rewards)), world.device)
        return float(world_loss(world.model, data, CONFIG)[1]["wm_reward"].detach())

    first, rewards = batch.rows.is_first, batch.rows.rewards
    assert reward_loss(np.where(first, 50.0, rewards).astype(np.float32)) == reward_loss(rewards)
    assert reward_loss(np.where(first, rewards, 50.0).astype(np.float32)) != reward_loss(rewards)
