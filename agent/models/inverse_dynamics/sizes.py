"""Widths of the networks that read pictures before and after an action. Imports no torch."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

Inputs = Literal["both", "pixels", "flow"]
CHANNELS: Final[dict[str, int]] = {"both": 8, "pixels": 6, "flow": 2}
"""Of the pictures before and after, and of the flow from one to the other."""
IDM_KIND: Final = "inverse-dynamics"
PROGRESS_KIND: Final = "progress-reward"


class IdmSizes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Widths of the inverse dynamics model.

    outputs: logits of one step, see `learning.inverse_dynamics.targets`. window: steps that are read together; 1 is a
    pair of pictures. lags: the largest lag that is tried. causal: sees nothing of what follows, as a control.
    """

    outputs: int
    size_px: int = 64
    inputs: Inputs = "both"
    window: int = 17
    lags: int = 6
    filters: tuple[int, int, int] = (32, 64, 128)
    width: int = 128
    layers: int = 2
    causal: bool = False


class ProgressSizes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Widths of the network that reads progress from one picture."""

    size_px: int = 64
    filters: tuple[int, int, int] = (32, 64, 64)
    width: int = 128
