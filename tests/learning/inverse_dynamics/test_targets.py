"""Declared controls become targets and come back; scores are balanced."""

from __future__ import annotations

import numpy as np
import torch

from agent.learning.inverse_dynamics.calibration import ece, fit
from agent.learning.inverse_dynamics.scores import Tally, copied, onset_matches
from agent.learning.inverse_dynamics.targets import Targets
from agent.learning.pixels.layout import STANDARD, ActionLayout, Control, one_choice


def test_actions_come_back_from_their_classes() -> None:
    rng = np.random.default_rng(0)
    targets = Targets(STANDARD)
    actions = rng.uniform(-1, 1, (50, 10)).astype(np.float32)
    actions[:, 4:8] = rng.random((50, 4)) < 0.5
    actions[:, 8:] = rng.random((50, 2)) * actions[:, 7:8]
    classes = targets.classes(actions)
    logits = torch.full((50, targets.outputs), -20.0)
    for i, own in enumerate(targets.slices):
        for t in range(50):
            if targets.widths[i] == 1:
                logits[t, own.start] = 20.0 if classes[t, i] else -20.0
            else:
                logits[t, own.start + int(classes[t, i])] = 20.0
    told, sure = targets.decided(targets.probabilities(logits))
    assert np.abs(told - actions)[:, :4].max() < 0.26  # half of the widest bin of an axis
    assert np.array_equal(told[:, 4:8], actions[:, 4:8])
    assert np.abs(told - actions)[:, 8:].max() < 1 / 32 + 1e-6
    assert sure.min() > 0.99


def test_a_position_counts_where_its_key_is_down() -> None:
    targets = Targets(STANDARD)
    actions = np.zeros((4, 10), np.float32)
    actions[1, 7] = 1.0
    counted = targets.counted(actions, None)
    assert counted[:, 8].tolist() == [False, True, False, False]
    assert counted[:, :8].all()


def test_keys_that_are_seldom_down_count_more_up_to_a_limit() -> None:
    targets = Targets(STANDARD)
    classes, counted = np.zeros((1000, 10), np.int64), np.ones((1000, 10), np.bool_)
    classes[:100, 4], classes[:1, 5], classes[:500, 6] = 1, 1, 1
    counted[100:, 6] = False
    weights = targets.positive_weights(classes, counted)
    assert weights[4:7].tolist() == [3.0, 5.0, 1.0]


def test_a_held_key_flatters_copying_but_its_beginning_does_not() -> None:
    layout = ActionLayout((Control("jump", "key"),))
    done = np.repeat(np.array([0, 1, 0, 1, 0], np.float32), 10)[:, None]
    tally, shuffled = Tally(layout, slack=0), Tally(layout, slack=0)
    tally.add(done, copied(done))
    shuffled.add(done, done[np.random.default_rng(0).permutation(50)])
    assert tally.figures()["macro_f1"] > 0.85
    assert tally.figures()["onset_f1"] == 0.0
    assert shuffled.figures()["macro_f1"] < 0.7


def test_each_beginning_matches_once_and_within_the_slack() -> None:
    wanted, found = np.zeros(20, bool), np.zeros(20, bool)
    wanted[[5, 6, 12]], found[[4, 10, 13]] = True, True
    assert onset_matches(found, wanted) == (2, 3, 2)
    assert onset_matches(found, wanted, slack=0) == (0, 3, 2)


def test_calibration_takes_back_what_is_too_sure() -> None:
    rng = np.random.default_rng(0)
    targets = Targets(one_choice(3))
    classes = torch.from_numpy(rng.integers(0, 3, (2000, 1)))
    told = torch.where(torch.from_numpy(rng.random((2000, 1)) < 0.7), classes, (classes + 1) % 3)
    logits = 12.0 * torch.nn.functional.one_hot(told[:, 0], 3).float()
    right = (told == classes).numpy()[:, 0].astype(np.float32)

    def error(values: torch.Tensor) -> float:
        return ece(targets.probabilities(values)[0].max(-1), right)

    found = fit(targets, logits, classes, torch.ones(2000, 1, dtype=torch.bool))
    assert error(logits) > 0.25
    assert error(found.apply(logits)) < 0.02
    assert found.temperatures(targets)["action"] > 3
