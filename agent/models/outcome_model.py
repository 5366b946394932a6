"""What follows a choice: a recurrent belief over earlier choices, and an ensemble that foretells the next outcome.

Outcomes are categories that the user names; a choice is a vector of features, so that an option never seen before can
still be judged. The belief moves only by what was chosen and what came of it. Owns no preference and no loss.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from agent.models.sizes import OutcomeSizes


class Ensemble(nn.Module):
    """`members` networks of one hidden layer, side by side."""

    def __init__(self, members: int, inputs: int, units: int, outputs: int) -> None:
        super().__init__()
        self.first = nn.Parameter(torch.randn(members, inputs, units) / math.sqrt(inputs))
        self.first_bias = nn.Parameter(torch.zeros(members, 1, units))
        self.second = nn.Parameter(torch.randn(members, units, outputs) / math.sqrt(units))
        self.second_bias = nn.Parameter(torch.zeros(members, 1, outputs))

    def forward(self, x: Float[Tensor, "B I"]) -> Float[Tensor, "E B O"]:
        """Every member's answer to every row."""
        x = x.unsqueeze(0).expand(len(self.first), -1, -1)
        hidden = nn.functional.silu(torch.baddbmm(self.first_bias, x, self.first))
        return torch.baddbmm(self.second_bias, hidden, self.second)


class OutcomeModel(nn.Module):
    """Belief, ensemble of foretellings, the chance that the episode ends, and the habit that imitates planning."""

    def __init__(self, sizes: OutcomeSizes) -> None:
        super().__init__()
        self.sizes = sizes
        seen = sizes.hidden + sizes.option + sizes.context
        self.memory = nn.GRUCell(sizes.option + sizes.outcomes + sizes.context, sizes.hidden)
        self.outcome = Ensemble(sizes.members, seen, sizes.units, sizes.outcomes)
        self.ends = nn.Sequential(nn.Linear(seen, sizes.units), nn.SiLU(), nn.Linear(sizes.units, sizes.outcomes))
        self.habit = nn.Sequential(nn.Linear(seen, sizes.units), nn.SiLU(), nn.Linear(sizes.units, 1))

    def initial(self, batch: int) -> Float[Tensor, "B H"]:
        """The belief before an episode's first choice."""
        return torch.zeros(batch, self.sizes.hidden, device=self.outcome.first.device)

    def step(
        self,
        belief: Float[Tensor, "B H"],
        option: Float[Tensor, "B A"],
        outcome: Float[Tensor, "B O"],
        context: Float[Tensor, "B C"],
    ) -> Float[Tensor, "B H"]:
        """The belief after an option was taken and an outcome (one-hot) seen."""
        after: Tensor = self.memory(torch.cat([option, outcome, context], 1), belief)
        return after

    def predict(
        self, belief: Float[Tensor, "B H"], option: Float[Tensor, "B A"], context: Float[Tensor, "B C"]
    ) -> tuple[Float[Tensor, "E B O"], Float[Tensor, "B O"]]:
        """Log-probabilities of the outcomes by each member, and logits that the episode ends with each outcome."""
        seen = torch.cat([belief, option, context], 1)
        return self.outcome(seen).log_softmax(-1), self.ends(seen)

    def habits(
        self, belief: Float[Tensor, "B H"], options: Float[Tensor, "B K A"], context: Float[Tensor, "B C"]
    ) -> Float[Tensor, "B K"]:
        """Logits of each option without planning."""
        many = options.shape[1]
        around = torch.cat([belief, context], 1).unsqueeze(1).expand(-1, many, -1)
        state, situation = around.split([belief.shape[1], context.shape[1]], -1)  # type: ignore[no-untyped-call]
        logits: Tensor = self.habit(torch.cat([state, options, situation], -1))
        return logits.squeeze(-1)
