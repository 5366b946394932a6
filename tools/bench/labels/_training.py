"""Trains one inverse dynamics model for a benchmark, with the recipe that the program has."""

from __future__ import annotations

from typing import Any

import torch

from agent.learning.inverse_dynamics.judging import calibrated
from agent.learning.inverse_dynamics.labels import Labeller
from agent.learning.inverse_dynamics.learner import IdmConfig, IdmLearner
from agent.learning.inverse_dynamics.targets import Targets
from agent.learning.pixels.episodes import Episodes
from agent.models.inverse_dynamics.sizes import IdmSizes


def trained(learned: Episodes, held_out: Episodes, steps: int, *, seed: int = 0, **sizes: Any) -> Labeller:
    """A model of these episodes, calibrated on those that were held out."""
    torch.set_num_threads(1)
    assert learned.layout is not None
    outputs = Targets(learned.layout).outputs
    learner = IdmLearner(learned, IdmSizes(outputs=outputs, **sizes), IdmConfig(steps=steps), seed=seed)
    for update in range(steps):
        figures = learner.update()
        if update % 50 == 49:
            print(f"  {update + 1} of {steps}: {figures['idm_loss']:.3f}", flush=True)
    return calibrated(learner.network, learner.targets, held_out)
