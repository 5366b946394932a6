"""Declared controls become targets and come back."""

from __future__ import annotations

import numpy as np
import torch

from agent.learning.inverse_dynamics.targets import Targets
from agent.learning.pixels.layout import STANDARD


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
