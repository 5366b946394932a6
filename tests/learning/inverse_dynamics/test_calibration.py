"""Calibration takes back what is too sure."""

from __future__ import annotations

import numpy as np
import torch

from agent.learning.inverse_dynamics.calibration import ece, fit
from agent.learning.inverse_dynamics.targets import Targets
from agent.learning.pixels.layout import one_choice


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
