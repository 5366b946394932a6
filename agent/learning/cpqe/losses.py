"""What a motor's networks are trained by: flow matching, distillation in one step, and values as distributions.

Functions of tensors; own nothing.
"""

from __future__ import annotations

import msgspec
import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional as F

from agent.models.chunks.networks import ChunkCritics, ChunkFlow, ChunkStudent, lower_bound


class Prefix(msgspec.Struct, frozen=True, eq=False):
    """Actions of each row that are certain: their numbers, zeros after them, and 1 for each of them."""

    actions: Float[Tensor, "B W"]
    known: Float[Tensor, "B H"]

    def spread(self) -> Float[Tensor, "B W"]:
        """1 for each number that is certain."""
        return self.known.repeat_interleave(self.actions.shape[1] // self.known.shape[1], 1)


def drawn_prefix(chunks: Float[Tensor, "B W"], length: int, max_known: int, random: torch.Generator) -> Prefix:
    """For each row the first d actions of its chunk of `length`, d drawn from 0 … `max_known` evenly."""
    counts = torch.randint(0, max_known + 1, (len(chunks), 1), generator=random)
    known = (torch.arange(length)[None] < counts).to(chunks.dtype)
    prefix = Prefix(chunks, known)
    return Prefix(chunks * prefix.spread(), known)


def no_prefix(rows: int, width: int, length: int) -> Prefix:
    """Nothing certain."""
    return Prefix(torch.zeros(rows, width), torch.zeros(rows, length))


def soonest(width: int, length: int, executed: int) -> Float[Tensor, " W"]:
    """Weights of a chunk's numbers, 1 on average: actions that are executed count four times as much as later ones."""
    weights = torch.where(torch.arange(length) < executed, 4.0, 1.0)
    return (weights / weights.mean()).repeat_interleave(width // length)


def flow_loss(
    flow: ChunkFlow, condition: Float[Tensor, "B C"], chunks: Float[Tensor, "B W"], prefix: Prefix,
    random: torch.Generator, weights: Float[Tensor, " W"] | None = None,
) -> Float[Tensor, ""]:  # fmt: skip
    """Flow matching along straight lines (Lipman et al. 2023), over the actions that are not certain.

    Of where the chunk ends, not of the velocity, whose target has all the noise in it. Times near the noise are drawn
    more often: there a chunk is decided, and later only corrected.
    """
    noise = torch.randn(chunks.shape, generator=random)
    time = torch.rand(len(chunks), 1, generator=random).square()
    free = 1.0 - prefix.spread()
    at = torch.where(free > 0, (1.0 - time) * noise + time * chunks, chunks)
    error: Tensor = flow.ends(condition, at, time, prefix.actions, prefix.known) - chunks
    counts = free if weights is None else free * weights
    return (counts * error.square()).sum() / free.sum().clamp_min(1.0)


@torch.no_grad()
def taught(
    flow: ChunkFlow, condition: Float[Tensor, "B C"], noise: Float[Tensor, "B W"], prefix: Prefix, steps: int
) -> Float[Tensor, "B W"]:
    """The chunk that the flow makes of each row's noise, with the certain actions in their place."""
    free = 1.0 - prefix.spread()
    start = torch.where(free > 0, noise, prefix.actions)
    x = start
    for step in range(steps):
        time = torch.full((len(x), 1), step / steps, dtype=x.dtype)
        x = x + free * flow(condition, x, time, prefix.actions, prefix.known) / steps
    return x


def student_loss(
    student: ChunkStudent, condition: Float[Tensor, "B C"], noise: Float[Tensor, "B W"], wanted: Float[Tensor, "B W"],
    prefix: Prefix, weights: Float[Tensor, " W"] | None = None,
) -> tuple[Float[Tensor, ""], Float[Tensor, "B W"]]:  # fmt: skip
    """Mean square between the student's chunk and the flow's of the same noise; the student's chunk."""
    free = 1.0 - prefix.spread()
    made = student(condition, noise, prefix.actions, prefix.known)
    counts = free if weights is None else free * weights
    error = (counts * (made - wanted).square()).sum() / free.sum().clamp_min(1.0)
    return error, torch.where(free > 0, made, prefix.actions)


def value_target(values: Float[Tensor, " B"], critics: ChunkCritics) -> Float[Tensor, "B K"]:
    """Numbers as distributions over the critics' bins: a normal one of .75 bins' deviation, cut and rescaled.

    HL-Gauss (Farebrother et al. 2024). Numbers outside the bins count as at their ends.
    """
    bins = critics.bins
    step = bins[1] - bins[0]
    edges = torch.cat([bins - step / 2, (bins[-1] + step / 2)[None]])
    held = values.clamp(bins[0], bins[-1])
    below = torch.special.ndtr((edges[None] - held[:, None]) / (0.75 * step))
    mass: Tensor = below[:, 1:] - below[:, :-1]
    return mass / mass.sum(1, keepdim=True)


def critic_loss(
    critics: ChunkCritics, condition: Float[Tensor, "B C"], begun: Float[Tensor, "B E"], values: Float[Tensor, " B"]
) -> Float[Tensor, ""]:
    """Cross-entropy of every member's distribution with the target's."""
    target = value_target(values, critics)
    logs = F.log_softmax(critics.logits(condition, begun), -1)
    return -(target[None] * logs).sum(-1).mean()


class Doubts:
    """A smooth number of its own for each critic and each beginning of a chunk: what it says where it knows nothing.

    After randomised prior functions (Osband et al. 2018), as values of chunks that nobody played: critics that are told
    different things differ where nothing that was played says otherwise, and their lower bound is low there.
    """

    def __init__(self, critics: ChunkCritics, seed: int) -> None:
        random = torch.Generator().manual_seed(seed)
        members = len(critics.members)
        self._directions = torch.randn(members, critics.width, generator=random) * (3.0 / critics.width**0.5)
        self._turns = torch.rand(members, 1, generator=random) * 2.0 * torch.pi
        self._middle = (critics.bins[0] + critics.bins[-1]) / 2
        self._reach = (critics.bins[-1] - critics.bins[0]) / 2

    def of(self, begun: Float[Tensor, "B E"]) -> Float[Tensor, "M B"]:
        """What each critic is told."""
        waves = torch.sin(self._directions @ begun.T + self._turns)
        told: Tensor = self._middle + self._reach * waves
        return told


def doubt_loss(
    critics: ChunkCritics, doubts: Doubts, condition: Float[Tensor, "B C"], random: torch.Generator
) -> Float[Tensor, ""]:
    """Cross-entropy of every member's distribution with its own doubts, for chunks that are drawn evenly."""
    drawn = 2.0 * torch.rand(len(condition), critics.width, generator=random) - 1.0
    told = doubts.of(drawn)
    target = value_target(told.reshape(-1), critics).reshape(*told.shape, -1)
    logs = F.log_softmax(critics.logits(condition, drawn), -1)
    return -(target * logs).sum(-1).mean()


def quantile_loss(error: Float[Tensor, " B"], share: float) -> Float[Tensor, ""]:
    """Pinball loss of errors target − estimate: the estimate settles where `share` of the targets lie below it."""
    return torch.where(error > 0, share * error, (share - 1.0) * error).mean()


def best_of(
    critics: ChunkCritics, condition: Float[Tensor, "B C"], chunks: Float[Tensor, "B N W"], beta: float
) -> tuple[Int64[Tensor, " B"], Float[Tensor, "B N"]]:
    """The candidate of each row with the highest lower bound, and all their bounds."""
    rows, count = chunks.shape[:2]
    begun = chunks[..., : critics.width].reshape(rows * count, -1).clamp(-1.0, 1.0)
    repeated = condition[:, None].expand(-1, count, -1).reshape(rows * count, -1)
    bounds = lower_bound(critics(repeated, begun), beta).reshape(rows, count)
    return bounds.argmax(1), bounds
