"""The closed-form continuous-time cell (CfC) of ncps.

Hasani et al., "Closed-form continuous-time neural networks", Nature Machine Intelligence 2022: with
b = backbone([x, h]), h' = tanh(W₁b)·(1 − s) + tanh(W₂b)·s and s = σ(time_a(b)·Δt + time_b(b)).
"""

from __future__ import annotations

from jaxtyping import Float
from ncps.torch import CfCCell as PublishedCell
from torch import Tensor


class CfCCell(PublishedCell):  # type: ignore[misc] # ncps has no types
    """One step of a CfC with a backbone of one hidden layer.

    It is called once for each step of a sequence, with one time a row: ncps takes times of the shape (B, T) without a
    word and computes wrong states from them.
    """

    def __init__(self, inputs: int, units: int, backbone: int = 128) -> None:
        super().__init__(inputs, units, backbone_units=backbone)
        self.units = units

    def forward(
        self, x: Float[Tensor, "B I"], h: Float[Tensor, "B U"], timespan: Float[Tensor, "B 1"]
    ) -> Float[Tensor, "B U"]:
        """The next hidden state; `timespan` is in the unit of time that the cell was trained with."""
        hidden: Tensor
        hidden, _ = super().forward(x, h, timespan)
        return hidden
