"""Pictures as steps for the inverse dynamics model: the picture before, the one after, and the flow between them."""

from __future__ import annotations

import itertools
from typing import Final

import cv2
import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from agent.core.types import ByteArray
from agent.models.inverse_dynamics.sizes import Inputs

FLOW_PX: Final = 8.0
"""A motion of so many pixels of the resized picture becomes 1; larger ones are cut at 2."""
FLOW_UNIT: Final = FLOW_PX / 63.0
"""Pixels of one unit of a flow that is kept as int8."""
FlowArray = NDArray[np.int8]


class Flow:
    """Dense optical flow by the inverse search of Kroeger et al. 2016, as OpenCV has it."""

    def __init__(self) -> None:
        self._flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
        self._flow.setFinestScale(0)

    def between(self, frames: ByteArray) -> FlowArray:
        """Flow of each picture to the next, u8 [L, h, w, 3] to i8 [L - 1, 2, h, w] in units of FLOW_UNIT."""
        grey = [cv2.cvtColor(np.ascontiguousarray(frame), cv2.COLOR_RGB2GRAY) for frame in frames]
        found = np.empty((len(grey) - 1, 2, *grey[0].shape), np.int8)
        for i, (before, after) in enumerate(itertools.pairwise(grey)):
            flow = self._flow.calc(before, after, np.zeros((*before.shape, 2), np.float32))
            found[i] = np.rint(np.clip(np.moveaxis(flow, 2, 0) / FLOW_UNIT, -126, 126))
        return found


def steps_of(frames: ByteArray, inputs: Inputs, flow: Flow, known: FlowArray | None = None) -> Float[Tensor, "S C H W"]:
    """The steps of L pictures u8 [L, h, w, 3]: L - 1, each with its channels; known: their flow, where it is kept."""
    parts: list[Tensor] = []
    if inputs != "flow":
        pictures = torch.from_numpy(np.array(frames)).permute(0, 3, 1, 2).float() / 255.0
        parts += [pictures[:-1], pictures[1:]]
    if inputs != "pixels":
        moved = flow.between(frames) if known is None else known
        parts.append(torch.from_numpy(moved).float() / 63.0)
    return torch.cat(parts, 1)


def brightened(
    steps: Float[Tensor, "B W C H W2"], inputs: Inputs, rng: np.random.Generator
) -> Float[Tensor, "B W C H W2"]:
    """Windows of another brightness and contrast, one draw a window; the flow stays."""
    if inputs == "flow":
        return steps
    rows = len(steps)
    gain = torch.from_numpy(rng.uniform(0.8, 1.2, (rows, 1, 1, 1, 1)).astype(np.float32))
    shift = torch.from_numpy(rng.uniform(-0.1, 0.1, (rows, 1, 1, 1, 1)).astype(np.float32))
    return torch.cat([steps[:, :, :6] * gain + shift, steps[:, :, 6:]], 2)
