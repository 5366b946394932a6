"""Steps have the picture before, the one after, and the flow between them."""

from __future__ import annotations

import cv2
import numpy as np

from agent.learning.inverse_dynamics.inputs import FLOW_UNIT, Flow, steps_of


def sliding(step_px: int) -> np.ndarray:
    noise = np.random.default_rng(0).integers(0, 255, (64, 128), dtype=np.uint8)
    smooth = cv2.GaussianBlur(noise, (9, 9), 0)
    return np.stack([np.repeat(smooth[:, t * step_px : t * step_px + 64, None], 3, 2) for t in range(4)])


def test_the_flow_says_how_far_and_which_way() -> None:
    found = Flow().between(sliding(3))
    inner = found[:, :, 16:48, 16:48] * FLOW_UNIT
    assert found.shape == (3, 2, 64, 64)
    assert abs(np.median(inner[:, 0]) + 3) < 0.5
    assert abs(np.median(inner[:, 1])) < 0.5


def test_each_kind_of_input_has_its_channels() -> None:
    frames, flow = sliding(2), Flow()
    both = steps_of(frames, "both", flow)
    assert both.shape == (3, 8, 64, 64)
    assert np.allclose(both[1, 3].numpy() * 255, frames[2, :, :, 0])
    assert steps_of(frames, "pixels", flow).shape[1] == 6
    assert np.allclose(steps_of(frames, "flow", flow).numpy(), both[:, 6:].numpy())
    kept = flow.between(frames)[1:2]
    assert np.array_equal(steps_of(frames[1:3], "both", flow, kept).numpy(), both[1:2].numpy())
