"""A training goes on where it stopped, and refuses what it cannot learn from."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from agent.core.errors import RecordingError
from agent.learning.inverse_dynamics.learner import IdmConfig, IdmLearner
from agent.learning.inverse_dynamics.targets import Targets
from tests.learning.inverse_dynamics.moving import LAYOUT, episodes, small_sizes


def test_a_resumed_training_goes_on_as_if_it_had_not_stopped() -> None:
    sizes, config = small_sizes(Targets(LAYOUT).outputs), IdmConfig(batch=4, steps=6)
    whole, second = (IdmLearner(episodes(2), sizes, config) for _ in range(2))
    for _ in range(3):
        whole.update()
    kept = {name: t.clone() for name, t in whole.tensors().items()}
    second.load_tensors(kept)
    for learner in (whole, second):
        for _ in range(3):
            learner.update()
    others = second.tensors()
    assert all(torch.equal(t, others[name]) for name, t in whole.tensors().items())


def test_recordings_without_actions_or_too_short_are_refused() -> None:
    few = episodes(2)
    without = replace(few, items=tuple(replace(e, actions=None) for e in few.items))
    with pytest.raises(RecordingError, match="has actions"):
        IdmLearner(without, small_sizes(30), IdmConfig())
    with pytest.raises(RecordingError, match="at least 202"):
        IdmLearner(few, small_sizes(30, window=201), IdmConfig())
