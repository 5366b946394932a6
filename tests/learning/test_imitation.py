"""Imitation beside another loss: demonstrations become likely, whatever the policy."""

from __future__ import annotations

import numpy as np
import torch

from agent.learning.adam import Adam
from agent.learning.imitation import Demonstrations, Imitation
from agent.models.policies import FlatPolicy
from agent.models.sizes import FlatSizes


def test_its_loss_falls_to_what_is_certain() -> None:
    torch.manual_seed(0)
    obs = np.random.default_rng(0).normal(size=(256, 3)).astype(np.float32)
    shown = Demonstrations(obs, np.zeros((256, 0), np.float32), (obs[:, :1] > 0).astype(np.int64))
    policy = FlatPolicy(FlatSizes(3, 0, (2,)))
    imitation, optimiser = Imitation(policy, shown), Adam(policy.parameters(), 1e-2)
    before = imitation.measured()
    for _ in range(60):
        optimiser.zero_grad()
        torch.autograd.backward(imitation.loss())
        optimiser.step()
    assert before > 0.6 and imitation.measured() < 0.2


def test_a_policy_with_memory_is_imitated() -> None:
    policy = FlatPolicy(FlatSizes(3, 1, (2,), units=4))
    shown = Demonstrations(np.zeros((9, 3), np.float32), np.zeros((9, 1), np.float32), np.zeros((9, 1), np.int64))
    assert float(Imitation(policy, shown).loss().detach()) > 0
