"""The model tells what was done on runs that it never saw, knows its lag, and knows nothing where nothing shows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from agent.core.errors import RecordingError
from agent.learning.inverse_dynamics.judging import calibrated, lag_of, measured, parts, shift_of
from agent.learning.inverse_dynamics.labels import Labeller
from agent.learning.inverse_dynamics.learner import IdmConfig, IdmLearner
from agent.learning.inverse_dynamics.targets import Targets
from tests.learning.inverse_dynamics.moving import LAYOUT, episode, episodes, small_sizes

LAG = 2
UPDATES = 100


def trained(*, updates: int = UPDATES, causal: bool = False) -> Labeller:
    torch.set_num_threads(1)
    sizes = small_sizes(Targets(LAYOUT).outputs, causal=causal)
    learner = IdmLearner(episodes(8, lag=LAG), sizes, IdmConfig(batch=16, steps=updates, learning_rate=8e-3))
    for _ in range(updates):
        learner.update()
    return calibrated(learner.network, learner.targets, episodes(3, 50, lag=LAG))


@pytest.fixture(scope="module")
def labeller() -> Labeller:
    return trained()


def test_actions_of_unseen_runs_are_told(labeller: Labeller) -> None:
    found = measured(labeller, episodes(4, 100, lag=LAG))
    assert found["macro_f1"] > 0.85 > 0.6 > found["copy_macro_f1"]
    assert found["ece"] < 0.05
    assert found["click_error"] < 0.1
    assert found["kept_accuracy"] > found["accuracy"] - 1e-6


def test_who_sees_the_past_alone_knows_nothing() -> None:
    found = measured(trained(updates=25, causal=True), episodes(4, 100, lag=LAG))
    assert found["macro_f1"] < 0.6


def test_the_lag_of_a_recording_is_found(labeller: Labeller) -> None:
    lag, losses = lag_of(labeller.network, labeller.targets, episode(200, lag=LAG))
    assert lag == LAG
    assert losses[LAG] < 0.8 * min(losses[:LAG])


def test_the_end_and_what_is_doubtful_stay_unknown(labeller: Labeller) -> None:
    seen = episode(300, lag=LAG)
    labels = labeller.label(seen.frames)
    assert not labels.known[-1].any()
    assert labels.known[:-1].mean() > 0.7
    blank = labeller.label(np.zeros_like(seen.frames))
    assert blank.known[:, :2].mean() < labels.known[:, :2].mean() - 0.3


def test_actions_that_are_recorded_late_are_told_by_how_much(labeller: Labeller) -> None:
    seen = episode(301, lag=LAG)
    assert seen.actions is not None
    late = np.concatenate([np.zeros((3, 5), np.float32), seen.actions[:-3]])
    probabilities = labeller.label(seen.frames).probabilities
    assert shift_of(probabilities, labeller.targets, seen.actions) == 0
    assert shift_of(probabilities, labeller.targets, late) == 3


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


def test_too_few_or_unlabelled_recordings_are_refused() -> None:
    few = episodes(2)
    with pytest.raises(RecordingError, match="at least 3"):
        parts(few, 0.1, 0)
    without = replace(few, items=tuple(replace(e, actions=None) for e in few.items))
    with pytest.raises(RecordingError, match="has actions"):
        IdmLearner(without, small_sizes(21), IdmConfig())


def test_parts_share_no_episode() -> None:
    names = [{e.name for e in part.items} for part in parts(episodes(10), 0.2, 0)]
    assert [len(own) for own in names] == [6, 2, 2]
    assert len(set.union(*names)) == 10
