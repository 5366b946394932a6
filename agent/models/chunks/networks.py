"""CPQE, a motor's networks: a flow over chunks of actions, its one-step student, and an ensemble of critics.

After Consistency Policy with Q-Ensembles (arXiv 2503.16978): the flow (Lipman et al. 2023) learns which chunks players
execute, the student gives one of them in one step, the critics say what its beginning is worth. All three read the
same condition: what is seen and remembered, and a subgoal. Owns no sampling of its own but for the noise it is given.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from agent.models.sizes import CpqeSizes


class Layered(nn.Module):
    """Linear layers with LayerNorm and SiLU between them; the last one begins at `gain` of its usual size."""

    def __init__(self, inputs: int, hidden: int, layers: int, outputs: int, gain: float = 1.0) -> None:
        super().__init__()
        widths = [inputs] + [hidden] * layers
        self.inner = nn.ModuleList(nn.Linear(a, b) for a, b in zip(widths, widths[1:], strict=False))
        self.norms = nn.ModuleList(nn.LayerNorm(hidden) for _ in range(layers))
        self.out = nn.Linear(hidden, outputs)
        nn.init.uniform_(self.out.weight, -gain / math.sqrt(hidden), gain / math.sqrt(hidden))
        nn.init.zeros_(self.out.bias)

    def forward(self, x: Float[Tensor, "*B I"]) -> Float[Tensor, "*B O"]:
        """From inputs to outputs."""
        for layer, norm in zip(self.inner, self.norms, strict=True):
            x = F.silu(norm(layer(x)))
        found: Tensor = self.out(x)
        return found


class ChunkFlow(nn.Module):
    """The teacher: a flow that carries noise at time 0 to a chunk at time 1.

    The network says where the chunk ends, which no noise disturbs, and the velocity leads there on a straight line.
    """

    def __init__(self, sizes: CpqeSizes, hidden: int = 256) -> None:
        super().__init__()
        self.width = sizes.chunk * sizes.action
        inputs = sizes.features + sizes.goal + 2 * self.width + sizes.chunk + 3
        self.net = Layered(inputs, hidden, 3, self.width, gain=0.0)

    def forward(
        self,
        condition: Float[Tensor, "B C"],
        x: Float[Tensor, "B W"],
        time: Float[Tensor, "B 1"],
        prefix: Float[Tensor, "B W"],
        known: Float[Tensor, "B H"],
    ) -> Float[Tensor, "B W"]:
        """Velocity at `x`; `prefix`: the actions that are certain, zeros after them; `known`: 1 for each of them."""
        return (self.ends(condition, x, time, prefix, known) - x) / (1.0 - time)

    def ends(
        self,
        condition: Float[Tensor, "B C"],
        x: Float[Tensor, "B W"],
        time: Float[Tensor, "B 1"],
        prefix: Float[Tensor, "B W"],
        known: Float[Tensor, "B H"],
    ) -> Float[Tensor, "B W"]:
        """The chunk that is expected, from where `x` is at `time`."""
        turn = 2.0 * math.pi * time
        inputs = torch.cat([condition, x, prefix, known, time, turn.sin(), turn.cos()], 1)
        chunk: Tensor = self.net(inputs)
        return chunk


class ChunkStudent(nn.Module):
    """The one-step policy: noise to a chunk."""

    def __init__(self, sizes: CpqeSizes) -> None:
        super().__init__()
        self.width = sizes.chunk * sizes.action
        inputs = sizes.features + sizes.goal + 2 * self.width + sizes.chunk
        self.net = Layered(inputs, sizes.student_hidden, sizes.layers, self.width)

    def forward(
        self,
        condition: Float[Tensor, "B C"],
        noise: Float[Tensor, "B W"],
        prefix: Float[Tensor, "B W"],
        known: Float[Tensor, "B H"],
    ) -> Float[Tensor, "B W"]:
        """A chunk for each row, which is not cut to −1 … 1 yet."""
        chunk: Tensor = self.net(torch.cat([condition, noise, prefix, known], 1))
        return chunk


class ChunkCritics(nn.Module):
    """`members` networks, separate to the last layer, from a condition and a chunk's beginning to a value.

    Each says a distribution over `bins` (Farebrother et al. 2024), of which the value is the mean.
    """

    bins: Float[Tensor, " K"]

    def __init__(self, sizes: CpqeSizes) -> None:
        super().__init__()
        self.width = sizes.executed * sizes.action
        inputs = sizes.features + sizes.goal + self.width
        self.members = nn.ModuleList(
            Layered(inputs, sizes.hidden, sizes.layers, sizes.bins) for _ in range(sizes.members)
        )
        self.register_buffer("bins", torch.linspace(sizes.low, sizes.high, sizes.bins))

    def logits(self, condition: Float[Tensor, "B C"], begun: Float[Tensor, "B E"]) -> Float[Tensor, "M B K"]:
        """Logits of the bins, by every member."""
        x = torch.cat([condition, begun], 1)
        return torch.stack([member(x) for member in self.members])

    def forward(self, condition: Float[Tensor, "B C"], begun: Float[Tensor, "B E"]) -> Float[Tensor, "M B"]:
        """Values, by every member."""
        return torch.softmax(self.logits(condition, begun), -1) @ self.bins


def lower_bound(values: Float[Tensor, "M ..."], beta: float) -> Float[Tensor, ...]:
    """Mean of the members less `beta` times their standard deviation."""
    return values.mean(0) - beta * values.std(0)
