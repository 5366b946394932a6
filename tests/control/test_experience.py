"""Rollouts of a pilot's play: their log-probabilities are those that training computes, their rewards are complete."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from agent.control.arrays import STILL
from agent.control.experience import FEATURES, Number, button_log_prob, choice_log_prob, sampled_axes
from agent.control.motor import Motor
from agent.control.reward import OUTCOMES, RewardTable
from agent.control.untrained import default_sizes, untrained_tensors
from agent.core.rollout import Rollout, check_rollout
from agent.core.types import Observation
from agent.games.arena.game import ArenaGame
from agent.learner.bodies import pack_rollout, unpack_rollout
from agent.models.heads import Heads, log_prob
from agent.models.policies import PilotPolicy


def test_the_chances_of_actions_are_those_of_the_heads() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        mean, log_std = rng.normal(0, 2, 4).astype(np.float32), rng.normal(-1, 1, 4).astype(np.float32)
        logits = [rng.normal(0, 2, n).astype(np.float32) for n in (2, 2, 2, 3)]
        choices = [int(rng.integers(len(x))) for x in logits]
        axes, chance = sampled_axes(mean, log_std, rng.standard_normal(4).astype(np.float32))
        chance += sum(choice_log_prob(x, c) for x, c in zip(logits, choices, strict=True))
        heads = Heads(
            torch.from_numpy(mean)[None], torch.from_numpy(log_std).clamp(-3.0, 0.5)[None],
            tuple(torch.from_numpy(x)[None] for x in logits), torch.zeros(1),
        )  # fmt: skip
        expected = log_prob(heads, torch.from_numpy(axes)[None], torch.tensor([choices]))
        assert chance == pytest.approx(float(expected[0]), abs=2e-2 if np.abs(axes).max() > 0.9999 else 2e-3)
    assert np.exp(button_log_prob(0.7, True)) + np.exp(button_log_prob(0.7, False)) == pytest.approx(1.0)


def play(
    ticks: int, steps: int, *, rehearsed: bool = False, off_policy: bool = False
) -> tuple[list[Rollout], list[float], Motor]:
    """A pilot in the arena in lock-step, the reward of all its ticks, and that of its cards' outcomes."""
    game, rollouts = ArenaGame(), []
    motor = Motor(untrained_tensors(3), seed=1)
    motor.learn(("arena",), rollouts.append, steps=steps, off_policy=off_policy)
    tables, totals, carry = (RewardTable(), RewardTable(OUTCOMES)), [0.0, 0.0], motor.initial(1)
    game.reset(5, start="run")
    first = True
    for tick in range(ticks):
        state = game.state()
        ended = state.run is not None and state.run.run_ended
        observation = Observation(0, state, None, tick, 0.0 if first else game.tick_s, 0.0, 0.0, first, ended, ended)
        totals = [total + table.of(observation) for total, table in zip(totals, tables, strict=True)]
        carry, actions = motor.step(carry, [observation])
        assert actions[0] is not None
        if rehearsed:
            again = motor.rehearse(carry, observation)
            assert again is None or again.answers == actions[0].answers
        first = ended
        if ended:
            game.reset(5 + tick, start="run")
        else:
            game.tick(actions[0])
    return rollouts, totals, motor


def test_recorded_play_can_be_learned_from_and_its_chances_are_what_training_computes() -> None:
    torch.set_num_threads(1)
    rollouts, _, motor = play(5000, 64)
    policy = PilotPolicy(default_sizes())
    policy.load_state_dict({f"pilot.{name}": torch.from_numpy(t) for name, t in motor.tensors.items()})
    assert len(rollouts) > 5 and policy.features == FEATURES
    assert any(r.terminated.any() for r in rollouts) and any((r.actions_disc[:, 3] > 0).any() for r in rollouts)
    counted = np.concatenate([r.outcome_rewards for r in rollouts if r.outcome_rewards is not None])
    assert min(r.rewards.min() for r in rollouts) >= 0.0 and counted.min() < OUTCOMES.death / 2, "a death is counted"
    again = unpack_rollout(pack_rollout(rollouts[0])).outcome_rewards
    assert again is not None and np.array_equal(again, counted[: len(again)])
    for rollout in rollouts:
        assert check_rollout(rollout, policy.features, policy.spec) == ""
        assert rollout.carry is not None and rollout.log_probs is not None and rollout.values is not None
        with torch.no_grad():
            heads, _ = policy(
                torch.from_numpy(rollout.obs)[None], torch.from_numpy(rollout.carry)[None],
                torch.from_numpy(rollout.is_first)[None], torch.from_numpy(rollout.elapsed_s)[None],
            )  # fmt: skip
            axes, choices = torch.from_numpy(rollout.actions_cont)[None], torch.from_numpy(rollout.actions_disc)[None]
            chances = log_prob(heads, axes, choices)[0].numpy()
        assert np.abs(chances - rollout.log_probs).max() < 5e-3
        assert np.abs(heads.value[0].numpy() - rollout.values).max() < 1e-3


def test_no_reward_is_lost_between_decisions_and_rollouts_follow_each_other() -> None:
    rollouts, _, _ = play(3000, 32)
    first, second = rollouts[0], rollouts[1]
    assert np.array_equal(first.final_obs[-1], second.obs[0]) or first.terminated[-1]
    _, (total, counted), motor = play(3000, 4096)
    recorder = motor.recorder
    assert recorder is not None
    kept = recorder._buffers[0]
    assert kept.numbers[: kept.rows, 0].sum() == pytest.approx(total, abs=0.05)
    assert kept.numbers[: kept.rows, Number.OUTCOME].sum() == pytest.approx(counted, abs=0.05) != total


def test_off_policy_the_noise_of_the_axes_goes_on_from_decision_to_decision() -> None:
    kept = {}
    for off_policy in (False, True):
        rollouts, _, motor = play(1500, 64, off_policy=off_policy)
        moves = np.concatenate([r.actions_cont[r.actions_cont.any(1), 0] for r in rollouts])
        kept[off_policy] = float(np.corrcoef(moves[:-1], moves[1:])[0, 1])
        assert motor.recorder is not None and motor.recorder.off_policy == off_policy
    assert kept[False] < 0.4 and kept[True] > 0.7


def test_a_rehearsal_changes_no_action_and_no_rollout() -> None:
    (plain, reward, _), (rehearsed, same_reward, _) = play(2000, 64), play(2000, 64, rehearsed=True)
    assert reward == same_reward and len(plain) == len(rehearsed) > 2
    for one, other in zip(plain, rehearsed, strict=True):
        for field in one.__struct_fields__:
            a, b = getattr(one, field), getattr(other, field)
            assert np.array_equal(a, b) if isinstance(a, np.ndarray) else a == b, field


def test_a_game_that_other_weights_play_from_now_on_begins_a_new_rollout_and_others_do_not() -> None:
    rollouts = list[Rollout]()
    motor = Motor(untrained_tensors(3), seed=1)
    recorder = motor.learn(("a", "b"), rollouts.append, steps=8)
    carry = motor.initial(2)
    for tick in range(200):
        if tick == 40:
            motor.load(motor.prepare(untrained_tensors(4), "others"), 7)
            recorder.part(1)
        seen = [Observation(game, STILL, None, tick, 1 / 60, 0.0, 0.0, tick == 0, False, False) for game in (0, 1)]
        carry, _ = motor.step(carry, seen)
    first, second = ([r for r in rollouts if r.instance == name] for name in ("a", "b"))
    assert [len(r) for r in first[:2]] == [8, 8]
    lengths = [len(r) for r in second]
    assert [r.policy_version for r in second[:3]] == [0, 0, 7] and lengths[0] == 8 and 0 < lengths[1] < 8
    assert all(check_rollout(r, FEATURES, motor.spec) == "" for r in rollouts)
