"""Labels of an episode by a trained model: what was done, how sure that is, and what stays unknown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from agent.core.types import ByteArray, FloatArray
from agent.learning.inverse_dynamics.calibration import Calibration
from agent.learning.inverse_dynamics.inputs import Flow
from agent.learning.inverse_dynamics.learner import read_episode
from agent.learning.inverse_dynamics.targets import Targets
from agent.models.inverse_dynamics.network import InverseDynamics

KEPT: Final = 0.8
"""A label of a smaller confidence is unknown."""
AT_ONCE: Final = 64


@dataclass(frozen=True, eq=False)
class Labels:
    """Labels of T pictures: actions, confidence f32 and known bool, each [T, controls].

    The last picture has no picture after it: its row is unknown, with a confidence of 0.
    """

    actions: FloatArray
    confidence: FloatArray
    known: NDArray[np.bool_]
    probabilities: list[FloatArray]


class Labeller:
    """A model with its calibration."""

    def __init__(self, network: InverseDynamics, targets: Targets, calibration: Calibration) -> None:
        self.network, self.targets, self.calibration = network.eval(), targets, calibration
        self._flow = Flow()

    @torch.no_grad()
    def logits(self, frames: ByteArray) -> Tensor:
        """Uncalibrated logits of all steps, f32 [T - 1, outputs]: means over the windows that cover each.

        Of a window counts what is at least a quarter of it from its ends, but at the ends of the episode.
        """
        return window_means(self.network, read_episode(self.network, frames, self._flow)).cpu()

    def label(self, frames: ByteArray, *, keep: float = KEPT) -> Labels:
        """The labels of one episode, u8 [T, size, size, 3]."""
        probabilities = self.targets.probabilities(self.calibration.apply(self.logits(frames)))
        actions, confidence = self.targets.decided(probabilities)
        none = np.zeros((1, actions.shape[1]), np.float32)
        confidence = np.concatenate([confidence, none])
        return Labels(np.concatenate([actions, none]), confidence, confidence >= keep, probabilities)


def window_means(network: InverseDynamics, features: Tensor) -> Tensor:
    """Logits of steps from their features [S, D], each the mean over the windows that cover it; [S, outputs]."""
    count, window = len(features), network.sizes.window
    if count < window:  # what follows the end is like the end
        features = torch.cat([features, features[-1:].expand(window - count, -1)])
    places = len(features) - window + 1
    margin = window // 4
    total = features.new_zeros(len(features), network.sizes.outputs)
    weight = features.new_zeros(len(features), 1)
    inner = torch.ones(window, 1, device=features.device)
    inner[:margin] = inner[window - margin :] = 1e-6  # counts where nothing else covers a step
    cut = features.unfold(0, window, 1).transpose(1, 2)  # [places, window, D]
    for start in range(0, places, AT_ONCE):
        logits = network.decide(cut[start : start + AT_ONCE])
        rows = torch.arange(start, start + len(logits), device=features.device)
        at = (rows[:, None] + torch.arange(window, device=features.device)).flatten()
        total.index_add_(0, at, (logits * inner).flatten(0, 1))
        weight.index_add_(0, at, inner.expand(len(logits), -1, -1).flatten(0, 1))
    return (total / weight)[:count]
