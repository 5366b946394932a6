"""Lags and shifts of recordings are found; no episode is both learned from and measured with."""

from __future__ import annotations

import numpy as np
import pytest

from agent.core.errors import RecordingError
from agent.learning.inverse_dynamics.judging import lag_of, parts, shift_of
from agent.learning.inverse_dynamics.labels import Labeller
from tests.learning.inverse_dynamics.moving import LAG, episode, episodes


def test_the_lag_of_a_recording_is_found(labeller: Labeller) -> None:
    lag, losses = lag_of(labeller.network, labeller.targets, episode(200, lag=LAG))
    assert lag == LAG
    assert losses[LAG] < 0.7 * min(losses[:LAG])


def test_actions_that_are_recorded_late_are_told_by_how_much(labeller: Labeller) -> None:
    seen = episode(301, lag=LAG)
    assert seen.actions is not None
    late = np.concatenate([np.zeros((3, 5), np.float32), seen.actions[:-3]])
    probabilities = labeller.label(seen.frames).probabilities
    assert shift_of(probabilities, labeller.targets, seen.actions) == 0
    assert shift_of(probabilities, labeller.targets, late) == 3
    others = np.random.default_rng(1).permutation(seen.actions)
    assert shift_of(probabilities, labeller.targets, others) == 0


def test_parts_share_no_episode() -> None:
    names = [{e.name for e in part.items} for part in parts(episodes(10), 0.2, 0)]
    assert [len(own) for own in names] == [6, 2, 2]
    assert len(set.union(*names)) == 10
    with pytest.raises(RecordingError, match="at least 3"):
        parts(episodes(2), 0.1, 0)
