"""The pilot's network: encoder, liquid memory, and heads for axes, buttons, cards and value.

Owns no sampling and no state; the carry goes in and comes out.
"""

from __future__ import annotations

import math

import msgspec
import torch
from jaxtyping import Float
from torch import Tensor, nn

from agent.models.encoder import ObservationEncoder
from agent.models.liquid import CfCCell
from agent.models.sizes import PilotSizes

AXES = 4
BUTTONS = 3
LOG_STD_RANGE = (-3.0, 0.5)


class PilotOutput(msgspec.Struct, frozen=True, eq=False):
    """Axes before tanh, logits of buttons and cards, the value, and the next hidden state."""

    axes_mean: Float[Tensor, "B 4"]
    axes_log_std: Float[Tensor, "B 4"]
    buttons: Float[Tensor, "B 3"]
    cards: Float[Tensor, "B C"]
    value: Float[Tensor, " B"]
    hidden: Float[Tensor, "B U"]


def _head(inputs: int, outputs: int, gain: float) -> nn.Linear:
    layer = nn.Linear(inputs, outputs)
    nn.init.orthogonal_(layer.weight, gain)
    nn.init.zeros_(layer.bias)
    return layer


class Pilot(nn.Module):
    """A recurrent actor-critic that is told how much time has passed."""

    decision_ticks: Float[Tensor, ""]

    def __init__(self, sizes: PilotSizes) -> None:
        super().__init__()
        self.sizes = sizes
        hidden = sizes.encoder.hidden
        self.encoder = ObservationEncoder(sizes.encoder)
        self.memory = CfCCell(hidden, sizes.units, sizes.backbone)
        joined = hidden + sizes.units
        self.trunk = nn.Sequential(nn.Linear(joined, hidden), nn.LayerNorm(hidden), nn.SiLU())
        self.axes = _head(hidden, AXES, 0.01)
        self.axes_log_std = nn.Parameter(torch.full((AXES,), math.log(0.6)))
        self.buttons = _head(hidden, BUTTONS, 0.01)
        nn.init.constant_(self.buttons.bias, -2.0)
        self.card = nn.Sequential(nn.Linear(hidden + sizes.card_features, 64), nn.SiLU(), _head(64, 1, 0.01))
        self.value = _head(hidden, 1, 1.0)
        self.register_buffer("decision_ticks", torch.tensor(float(sizes.decision_ticks)))

    def forward(
        self,
        self_: Float[Tensor, "B S"],
        tokens: Float[Tensor, "B N F"],
        mask: Float[Tensor, "B N"],
        rings: Float[Tensor, "B R"],
        cards: Float[Tensor, "B C K"],
        picture: Float[Tensor, "B P"],
        hidden: Float[Tensor, "B U"],
        elapsed_ticks: Float[Tensor, "B 1"],
    ) -> PilotOutput:
        """One step, `elapsed_ticks` after the one before. A card of zeros gets a logit of −1e9."""
        seen = self.encoder(self_, tokens, mask, rings, picture)
        hidden = self.memory(seen, hidden, elapsed_ticks)
        return self.decide(seen, hidden, cards)

    def decide(
        self, seen: Float[Tensor, "B H"], hidden: Float[Tensor, "B U"], cards: Float[Tensor, "B C K"]
    ) -> PilotOutput:
        """The heads, from what is seen and what is remembered."""
        trunk = self.trunk(torch.cat([seen, hidden], 1))
        context = trunk.unsqueeze(1).expand(-1, cards.shape[1], -1)
        logits = self.card(torch.cat([context, cards], 2)).squeeze(-1)
        logits = torch.where(cards.abs().sum(2) > 0, logits, -1e9)
        log_std = self.axes_log_std.clamp(*LOG_STD_RANGE).expand(trunk.shape[0], -1)
        return PilotOutput(
            self.axes(trunk), log_std, self.buttons(trunk), logits, self.value(trunk).squeeze(-1), hidden
        )
