"""The closed-form continuous-time cell (CfC).

Hasani et al., "Closed-form continuous-time neural networks", Nature Machine Intelligence 2022: with
b = backbone([x, h]), h' = tanh(W₁b)·(1 − s) + tanh(W₂b)·s and s = σ(time_a(b)·Δt + time_b(b)).
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn


class LecunTanh(nn.Module):
    """1.7159·tanh(⅔x), which keeps unit variance (LeCun et al., "Efficient BackProp", 1998)."""

    def forward(self, x: Float[Tensor, "*S"]) -> Float[Tensor, "*S"]:
        """Elementwise."""
        return 1.7159 * torch.tanh(0.666 * x)


class CfCCell(nn.Module):
    """One step of a CfC with a backbone of one hidden layer; parameters are named as in `ncps.torch.CfCCell`."""

    def __init__(self, inputs: int, units: int, backbone: int = 128) -> None:
        super().__init__()
        self.units = units
        self.backbone = nn.Sequential(nn.Linear(inputs + units, backbone), LecunTanh())
        self.ff1 = nn.Linear(backbone, units)
        self.ff2 = nn.Linear(backbone, units)
        self.time_a = nn.Linear(backbone, units)
        self.time_b = nn.Linear(backbone, units)
        for parameter in self.parameters():
            if parameter.ndim == 2:
                nn.init.xavier_uniform_(parameter)

    def forward(
        self, x: Float[Tensor, "B I"], h: Float[Tensor, "B U"], timespan: Float[Tensor, "B 1"]
    ) -> Float[Tensor, "B U"]:
        """The next hidden state; `timespan` is in the unit of time that the cell was trained with."""
        b = self.backbone(torch.cat([x, h], 1))
        share = torch.sigmoid(self.time_a(b) * timespan + self.time_b(b))
        return torch.tanh(self.ff1(b)) * (1.0 - share) + torch.tanh(self.ff2(b)) * share
