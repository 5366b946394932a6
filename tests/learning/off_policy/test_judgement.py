"""Values are judged by what finished episodes returned: foreseen returns explain all, unrelated ones nothing."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from agent.core.errors import WeightsError
from agent.learning.off_policy.judgement import Judgement
from tests.learning.off_policy.test_learner import played

GAMMA = 0.9


def returns(rewards: np.ndarray, steps: int = 4) -> torch.Tensor:
    """Discounted returns of episodes of four steps."""
    found = np.zeros_like(rewards)
    for at in reversed(range(len(rewards))):
        later = found[at + 1] if at + 1 < len(rewards) and (at + 1) % steps else 0.0
        found[at] = rewards[at] + GAMMA * later
    return torch.from_numpy(found)


def test_foreseen_returns_explain_all_and_those_of_others_nothing() -> None:
    rollout = played(400, 1)
    right, wrong = Judgement(GAMMA), Judgement(GAMMA)
    assert right.explained == 0.0
    right.add("g", returns(rollout.rewards), rollout)
    wrong.add("g", returns(rollout.rewards).roll(37), rollout)
    assert right.explained > 0.999
    assert wrong.explained < 0.2


def test_what_was_judged_outlives_a_restart() -> None:
    rollout = played(80, 2)
    first, second = Judgement(GAMMA), Judgement(GAMMA)
    first.add("g", returns(rollout.rewards) + torch.randn(80, generator=torch.Generator().manual_seed(0)), rollout)
    second.load_tensors(first.tensors())
    assert second.explained == pytest.approx(first.explained, abs=1e-6) != 0.0
    with pytest.raises(WeightsError, match="judged"):
        second.load_tensors({"judged": torch.zeros(3, 2)})
