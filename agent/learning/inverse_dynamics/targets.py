"""Declared controls as targets of a network: logits, losses, and back from probabilities to actions.

A key is one logit; a choice has one for each; an axis has 11 bins on a scale that is finer near 0; a position has 16
equal bins, and counts only where its key is down.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from agent.core.types import FloatArray
from agent.learning.pixels.layout import ActionLayout, Control

AXIS_BINS: Final = 11
POSITION_BINS: Final = 16
MU: Final = 10.0
MAX_POSITIVE: Final = 5.0
"""Keys that are seldom down count more, up to this."""


def _compressed(axis: FloatArray) -> FloatArray:
    return np.asarray(np.sign(axis) * np.log1p(MU * np.abs(axis)) / np.log1p(MU), np.float32)


def bin_values(control: Control) -> FloatArray:
    """What each class of a control stands for; [2] for a key."""
    if control.kind == "axis":
        y = np.linspace(-1.0, 1.0, AXIS_BINS)
        return np.asarray(np.sign(y) * (np.expm1(np.abs(y) * np.log1p(MU)) / MU), np.float32)
    if control.kind == "position":
        return ((np.arange(POSITION_BINS) + 0.5) / POSITION_BINS).astype(np.float32)
    return np.arange(control.choices if control.kind == "choice" else 2, dtype=np.float32)


def width_of(control: Control) -> int:
    """Logits of one control."""
    return 1 if control.kind == "key" else len(bin_values(control))


class Targets:
    """The controls of a layout, and where the logits of each are."""

    def __init__(self, layout: ActionLayout) -> None:
        self.layout = layout
        self.widths = [width_of(control) for control in layout.controls]
        ends = np.cumsum(self.widths)
        self.slices = [slice(int(end) - width, int(end)) for end, width in zip(ends, self.widths, strict=True)]

    @property
    def outputs(self) -> int:
        """All logits."""
        return sum(self.widths)

    def classes(self, actions: FloatArray) -> NDArray[np.int64]:
        """The class of each control, actions f32 [..., controls] to i64 of the same shape."""
        found = np.zeros(actions.shape, np.int64)
        for i, control in enumerate(self.layout.controls):
            column = actions[..., i]
            if control.kind == "axis":
                share = (_compressed(np.clip(column, -1.0, 1.0)) + 1.0) * 0.5
                found[..., i] = np.rint(share * (AXIS_BINS - 1))
            elif control.kind == "position":
                found[..., i] = np.clip(column * POSITION_BINS, 0, POSITION_BINS - 1)
            elif control.kind == "key":
                found[..., i] = column > 0.5
            else:
                found[..., i] = np.clip(np.rint(column), 0, control.choices - 1)
        return found

    def counted(self, actions: FloatArray, known: NDArray[np.bool_] | None) -> NDArray[np.bool_]:
        """Where a control's target counts: it is known, and a position's key is down; bool [..., controls]."""
        counts = np.ones(actions.shape, np.bool_) if known is None else known.copy()
        for i, control in enumerate(self.layout.controls):
            if control.of:
                counts[..., i] &= actions[..., self.layout.names.index(control.of)] > 0.5
        return counts

    def positive_weights(self, classes: NDArray[np.int64], counted: NDArray[np.bool_]) -> Float[Tensor, " C"]:
        """How much a pressed key counts, from how seldom it is in classes [N, controls] that count."""
        found = np.ones(classes.shape[1], np.float32)
        for i, control in enumerate(self.layout.controls):
            if control.kind == "key":
                own = classes[counted[:, i], i]
                share = float(own.mean()) if len(own) else 0.5
                found[i] = float(np.clip(np.sqrt((1.0 - share) / max(share, 1e-3)), 1.0, MAX_POSITIVE))
        return torch.from_numpy(found)

    def nll(
        self,
        logits: Float[Tensor, "*B O"],
        classes: Int64[Tensor, "*B C"],
        positive: Float[Tensor, " C"] | None = None,
    ) -> Float[Tensor, "*B C"]:
        """Negative log-likelihood of each control in nats; `positive` weighs pressed keys."""
        losses = []
        for i, control in enumerate(self.layout.controls):
            own, wanted = logits[..., self.slices[i]], classes[..., i]
            if control.kind == "key":
                weight = None if positive is None else positive[i]
                losses.append(
                    F.binary_cross_entropy_with_logits(own[..., 0], wanted.float(), reduction="none", pos_weight=weight)
                )
            else:
                losses.append(-F.log_softmax(own, -1).gather(-1, wanted.unsqueeze(-1)).squeeze(-1))
        return torch.stack(losses, -1)

    def probabilities(self, logits: Float[Tensor, "T O"]) -> list[FloatArray]:
        """Probabilities of the classes of each control, f32 [T, classes]; [up, down] for a key."""
        found = []
        for i, control in enumerate(self.layout.controls):
            own = logits[..., self.slices[i]]
            if control.kind == "key":
                down = torch.sigmoid(own[..., 0])
                found.append(torch.stack([1.0 - down, down], -1).numpy())
            else:
                found.append(torch.softmax(own, -1).numpy())
        return found

    def decided(self, probabilities: list[FloatArray]) -> tuple[FloatArray, FloatArray]:
        """The likeliest action f32 [T, controls], and how sure each control is: f32 [T, controls], 0 … 1.

        How sure a bin of an axis or a position is counts its neighbours as well, and its value is their mean. A
        position is as sure as its key where that is down, and surely none where it is up.
        """
        actions, sure = [], []
        for control, p in zip(self.layout.controls, probabilities, strict=True):
            values, best = bin_values(control), p.argmax(-1)
            if control.kind in ("axis", "position"):
                near = np.abs(np.arange(len(values)) - best[:, None]) <= 1
                mass = (p * near).sum(-1)
                actions.append((p * near * values).sum(-1) / np.maximum(mass, 1e-9))
                sure.append(mass)
            else:
                actions.append(values[best])
                sure.append(p.max(-1))
        found, confidence = np.stack(actions, -1).astype(np.float32), np.stack(sure, -1).astype(np.float32)
        for i, control in enumerate(self.layout.controls):
            if control.of:
                key = self.layout.names.index(control.of)
                down = found[:, key] > 0.5
                found[:, i] = np.where(down, found[:, i], 0.0)
                confidence[:, i] = np.where(down, np.minimum(confidence[:, i], confidence[:, key]), confidence[:, key])
        return found, confidence


def known_of(mask: Bool[Tensor, "*B C"], losses: Float[Tensor, "*B C"]) -> Float[Tensor, ""]:
    """The mean of the losses that count."""
    counts = mask.to(losses.dtype)
    return (losses * counts).sum() / counts.sum().clamp_min(1.0)
