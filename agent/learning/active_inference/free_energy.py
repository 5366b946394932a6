"""Expected free energy of a choice: how well its outcomes are liked, and what they would tell about later ones.

For a plan (a, b) from belief h, with outcomes o of a and o' of b, preferences C fixed by the user, and v(o) the
outcomes with one preference taken as one:

    utility   U = E C(o) + E alive(o) C(o')
    gain      I = E_o KL[ p(v(o') | h, a, o, b) ‖ p(v(o') | h, a, b) ]     what o tells about what is liked later
    novelty   J = entropy of the ensemble's mean − mean of the members' entropies, of o
    G(a)      = − max_b [ weight · U / tau + gain_weight · I + novelty_weight · J ]

A noisy outcome that tells nothing about later preferred ones has I = 0 however surprising it is. Reported beside G:
risk = KL[ p(o | h, a) ‖ softmax(C / tau) ] and ambiguity = the members' mean entropy of o. The second choice is taken
to be among the same options.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional as F

from agent.core.choices import Preferences
from agent.models.outcome_model import OutcomeModel


class FreeEnergy(NamedTuple):
    """Of every option; energy is G, +inf where the option is not allowed."""

    energy: Float[Tensor, "B K"]
    utility: Float[Tensor, "B K"]
    gain: Float[Tensor, "B K"]
    novelty: Float[Tensor, "B K"]
    risk: Float[Tensor, "B K"]
    ambiguity: Float[Tensor, "B K"]


def _entropy(p: Float[Tensor, "*B O"]) -> Float[Tensor, "*B"]:
    return -(p * p.clamp_min(1e-12).log()).sum(-1)


def _classes(liking: Float[Tensor, " O"]) -> Float[Tensor, "O V"]:
    """One-hot class of each outcome: outcomes that are liked alike are one."""
    _, index = torch.unique(liking, return_inverse=True)
    return F.one_hot(index).to(liking.dtype)


@torch.no_grad()
def free_energy(
    model: OutcomeModel,
    belief: Float[Tensor, "B H"],
    options: Float[Tensor, "B K A"],
    allowed: Bool[Tensor, "B K"],
    context: Float[Tensor, "B C"],
    wanted: Preferences,
) -> FreeEnergy:
    """G of every option, by plans of two choices."""
    batch, many, width = options.shape
    outcomes = model.sizes.outcomes
    liking = torch.tensor(wanted.liking, device=belief.device)
    state = belief.repeat_interleave(many, 0)
    situation = context.repeat_interleave(many, 0)
    members, ends = model.predict(state, options.flatten(0, 1), situation)
    p = members.exp().mean(0)
    alive = 1.0 - torch.sigmoid(ends)
    after = model.step(
        state.repeat_interleave(outcomes, 0),
        options.flatten(0, 1).repeat_interleave(outcomes, 0),
        torch.eye(outcomes, device=belief.device).repeat(batch * many, 1),
        situation.repeat_interleave(outcomes, 0),
    )
    second = options.view(batch, 1, 1, many, width).expand(-1, many, outcomes, -1, -1).reshape(-1, width)
    later, _ = model.predict(after.repeat_interleave(many, 0), second, situation.repeat_interleave(outcomes * many, 0))
    q = later.exp().mean(0).view(batch * many, outcomes, many, outcomes)
    allowed2 = allowed.repeat_interleave(many, 0)
    value, gain = _plans(p, alive, q, liking, wanted, allowed2)
    ambiguity = _entropy(members.exp()).mean(0)
    novelty = (_entropy(p) - ambiguity).clamp_min(0.0)
    immediate = wanted.weight / wanted.tau * (p @ liking) + wanted.novelty_weight * novelty
    immediate = immediate + wanted.entropy_weight * _entropy(p)
    total, best = (immediate.unsqueeze(-1) + value).masked_fill(~allowed2, -torch.inf).max(-1)
    risk = (p * (p.clamp_min(1e-12).log() - torch.log_softmax(liking / wanted.tau, -1))).sum(-1)
    shape = (batch, many)
    return FreeEnergy(
        torch.where(allowed, -total.view(shape), torch.inf),
        (p @ liking).view(shape),
        gain.gather(-1, best.unsqueeze(-1)).view(shape),
        novelty.view(shape),
        risk.view(shape),
        ambiguity.view(shape),
    )


def _plans(
    p: Float[Tensor, "N O"],
    alive: Float[Tensor, "N O"],
    q: Float[Tensor, "N O K O"],
    liking: Float[Tensor, " O"],
    wanted: Preferences,
    allowed: Bool[Tensor, "N K"],
) -> tuple[Float[Tensor, "N K"], Float[Tensor, "N K"]]:
    """Worth of the second choice b after each first one, and the gain I, [N, K]."""
    scale = wanted.weight / wanted.tau
    later = scale * (q @ liking) + wanted.entropy_weight * _entropy(q)
    if wanted.closed_loop:
        later = later.masked_fill(~allowed.unsqueeze(1), -torch.inf).amax(-1, keepdim=True).expand_as(later)
    worth = torch.einsum("no,nok->nk", p * alive, later)
    going = alive.unsqueeze(-1).unsqueeze(-1)
    liked = torch.cat([(q @ _classes(liking)) * going, (1.0 - going).expand(*q.shape[:3], 1)], -1)
    mean = (p.unsqueeze(-1).unsqueeze(-1) * liked).sum(1, keepdim=True)
    told = (liked * (liked.clamp_min(1e-12).log() - mean.clamp_min(1e-12).log())).sum(-1)
    gain = torch.einsum("no,nok->nk", p, told).clamp_min(0.0)
    return worth + wanted.gain_weight * gain, gain
