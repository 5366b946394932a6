"""Calibration of a model's probabilities on episodes that it never learned from, and how well they are calibrated.

Each control has a temperature, and a key a shift as well, since pressed keys were weighed (Guo et al. 2017, Platt
1999).
"""

from __future__ import annotations

from typing import Final

import msgspec
import numpy as np
import torch
from torch import Tensor

from agent.core.types import FloatArray
from agent.learning.inverse_dynamics.targets import Targets, known_of

ROUNDS: Final = 60
BINS: Final = 15
RANGE: Final = (0.05, 20.0)


class Calibration(msgspec.Struct, frozen=True):
    """Of each logit the factor and the shift; empty for none."""

    scale: tuple[float, ...] = ()
    shift: tuple[float, ...] = ()

    def apply(self, logits: Tensor) -> Tensor:
        """Calibrated logits [..., outputs]."""
        if not self.scale:
            return logits
        return logits * torch.tensor(self.scale) + torch.tensor(self.shift)

    def temperatures(self, targets: Targets) -> dict[str, float]:
        """The temperature of each control by name."""
        named = zip(targets.layout.names, targets.slices, strict=True)
        return {name: round(1.0 / self.scale[own.start], 4) for name, own in named} if self.scale else {}


def fit(targets: Targets, logits: Tensor, classes: Tensor, counted: Tensor) -> Calibration:
    """The calibration under which the classes are likeliest; rows of held-out steps [N, outputs], [N, controls]."""
    controls = targets.layout.controls
    log_scale = torch.zeros(len(controls), requires_grad=True)
    shift = torch.zeros(len(controls), requires_grad=True)
    of_logit = torch.cat([torch.full((width,), i) for i, width in enumerate(targets.widths)])
    is_key = torch.tensor([1.0 if control.kind == "key" else 0.0 for control in controls])
    optimizer = torch.optim.LBFGS([log_scale, shift], lr=0.5, max_iter=ROUNDS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        scale = log_scale.clamp(*map(float, np.log(RANGE))).exp()[of_logit]
        calibrated = logits * scale + (shift * is_key)[of_logit]
        prior = 1e-3 * (log_scale.square().sum() + shift.square().sum())  # a control that never changes stays finite
        value = known_of(counted, targets.nll(calibrated, classes)) + prior
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimizer.step(loss)  # type: ignore[no-untyped-call]
    scale = log_scale.detach().clamp(*map(float, np.log(RANGE))).exp()[of_logit]
    return Calibration(tuple(scale.tolist()), tuple((shift.detach() * is_key)[of_logit].tolist()))


def ece(confidence: FloatArray, is_right: FloatArray, bins: int = BINS) -> float:
    """Expected calibration error of labels: mean distance of confidence and accuracy over equal bins, 0 … 1."""
    if not len(confidence):
        return 0.0
    which = np.minimum((confidence * bins).astype(int), bins - 1)
    found = 0.0
    for k in range(bins):
        own = which == k
        if own.any():
            found += float(own.mean()) * abs(float(confidence[own].mean()) - float(is_right[own].mean()))
    return found
