"""A member of a population: what an order sets, and what it is judged by."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
import torch

from agent.core.errors import SettingsError
from agent.learning.imitation import Demonstrations, Imitation
from agent.training.population.member import GymMember
from tests.training.population.members import TASK, VALUES


def test_an_order_sets_hyper_parameters() -> None:
    member = GymMember(TASK, 3)
    member.configure(VALUES)
    config = member.training.learner.ppo.config
    assert (config.lr, config.gamma, config.entropy_weight) == (1e-3, 0.9, 0.01)


def test_rewards_are_scaled_and_curiosity_is_added() -> None:
    member = GymMember(TASK, 3)
    member.configure({**VALUES, "curiosity_beta": 0.0})
    rollouts = member.training._play()
    plain = np.concatenate([r.rewards for r in member._pay(rollouts)])
    np.testing.assert_array_equal(plain, 2.0 * np.concatenate([r.rewards for r in rollouts]))
    member.configure(VALUES)
    curious = np.concatenate([r.rewards for r in member._pay(rollouts)])
    assert (curious > plain).all()


def test_ten_times_the_reward_does_not_change_what_a_member_is_judged_by() -> None:
    member = GymMember(TASK, 3)
    member.configure(VALUES)
    before = member.evaluate(900_000_000, 10)
    member.configure({**VALUES, "reward_scale": 20.0})
    assert member.evaluate(900_000_000, 10) == before
    assert max(before) <= 500.0


def test_imitation_makes_what_was_shown_likely() -> None:
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    obs = rng.normal(size=(512, 4)).astype(np.float32)
    shown = Demonstrations(obs, np.zeros((512, 0), np.float32), (obs[:, :1] > 0).astype(np.int64))
    member = GymMember(msgspec.structs.replace(TASK, searched=("lr",)), 3)
    member._imitation = Imitation(member.training.policy, shown)
    member.configure({"lr": 3e-3, "imitation_beta": 0.0})
    assert member.training.learner.ppo.beside is None
    before = member._imitation.measured()
    member.configure({"lr": 3e-3, "imitation_beta": 1.0})
    assert member.train(1024)["imitation_loss"] < 0.6 * before


def test_imitation_without_recordings_is_refused() -> None:
    with pytest.raises(SettingsError, match="--demos"):
        GymMember(msgspec.structs.replace(TASK, searched=("imitation_beta",)), 0)
