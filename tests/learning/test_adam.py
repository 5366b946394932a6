"""Adam without torch's class takes its steps to the bit, and leaves torch's compiler out of the process."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import nn

from agent.learning.adam import Adam


def network() -> nn.Sequential:
    torch.manual_seed(3)
    return nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 2), nn.Linear(2, 1))


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_its_steps_and_its_state_are_those_of_torchs_class(weight_decay: float) -> None:
    ours, theirs = network(), network()
    one = Adam(ours.parameters(), 0.01, eps=1e-5, weight_decay=weight_decay)
    two = torch.optim.AdamW(theirs.parameters(), 0.01, eps=1e-5, weight_decay=weight_decay)
    for step in range(6):
        one.lr = two.param_groups[0]["lr"] = 0.01 / (1 + step)
        x = torch.randn(4, 5, generator=torch.Generator().manual_seed(step))
        for model, optimiser in ((ours, one), (theirs, two)):
            optimiser.zero_grad()
            out = model[:3](x) if step < 3 else model(x)  # the last layer has no gradient at first
            out.square().sum().backward()
            optimiser.step()
        assert len(one.state) == (4 if step < 3 else 6)
        for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
            assert torch.equal(a, b)
            assert one.state.get(a, {}).keys() == two.state.get(b, {}).keys()
            assert all(torch.equal(one.state[a][name], two.state[b][name]) for name in one.state.get(a, {}))


@pytest.mark.slow
def test_a_learner_learns_without_torchs_compiler() -> None:
    """The class would load it in a second; a learner's process is started while a game is played."""
    code = (
        "import sys\nfrom agent.learning.configs import Budget, PolicySpec\n"
        "from agent.learning.learner import PolicyLearner\nfrom tests.learning.test_learner import bandit\n"
        "budget = Budget(world_steps=1, world_batch=2, world_length=4)\n"
        "learner = PolicyLearner(PolicySpec(name='p', features=3, branches=(4,)), budget)\n"
        "rollout = bandit(learner.ppo, 24, 0)\n"
        "print([len(part.update(rollout)) > 0 for part in learner.parts], 'torch._dynamo' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "[True, True, True, True] False", done.stdout + done.stderr


def test_fused_its_steps_are_those_of_torchs_class_fused() -> None:
    ours, theirs = network(), network()
    one = Adam(ours.parameters(), 0.01, eps=1e-5, fused=True)
    two = torch.optim.AdamW(theirs.parameters(), 0.01, eps=1e-5, weight_decay=0.0, fused=True)
    for step in range(4):
        x = torch.randn(4, 5, generator=torch.Generator().manual_seed(step))
        for model, optimiser in ((ours, one), (theirs, two)):
            optimiser.zero_grad()
            model(x).square().sum().backward()
            optimiser.step()
    assert all(torch.equal(a, b) for a, b in zip(ours.parameters(), theirs.parameters(), strict=True))
