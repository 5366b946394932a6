"""The dreaming policy's networks: an actor and a critic that read the world model's state.

The axes of an action are a normal distribution squashed by tanh, its branches categorical with 1 % of the uniform
mixed in. The policy acts on the recurrent posterior; its carry is explicit. Owns no loss.
"""

from __future__ import annotations

import copy
import math
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from agent.core.rollout import ActionSpec
from agent.models.distributions import sample_index, unimix
from agent.models.rssm import Latent, WorldModel, mlp
from agent.models.sizes import TINY, WorldSizes
from agent.models.squashed import squashed_entropy, squashed_log_prob

UNITS, LAYERS = 128, 2
"""Widths of actors and critics that are served."""
CANNED = 3
LOG_STD_RANGE = (math.log(0.1), 0.0)
FORBIDDEN = -1e9


class Choice(NamedTuple):
    """An action: u before tanh, picks the index in each branch."""

    u: Float[Tensor, "B C"]
    picks: Int64[Tensor, "B K"]

    def written_out(self, spec: ActionSpec) -> Float[Tensor, "B A"]:
        """The action as the world model sees it."""
        parts = [torch.tanh(self.u)]
        parts += [nn.functional.one_hot(self.picks[:, k], n).to(self.u.dtype) for k, n in enumerate(spec.branches)]
        return torch.cat(parts, 1)


class ActorOutput(NamedTuple):
    """mean, log_std [B, C] before tanh; log_p: normalised, one [B, n] for each branch."""

    mean: Float[Tensor, "B C"]
    log_std: Float[Tensor, "B C"]
    log_p: list[Float[Tensor, "B n"]]


class Actor(nn.Module):
    """Policy on the model's features: squashed normal axes, categorical branches."""

    def __init__(self, features: int, spec: ActionSpec, units: int, layers: int) -> None:
        super().__init__()
        self.spec = spec
        self.net = mlp(features, units, layers, 2 * spec.continuous + sum(spec.branches), 0.01)

    def forward(self, features: Float[Tensor, "B F"], allowed: Bool[Tensor, "B M"] | None = None) -> ActorOutput:
        """`allowed` has one number for every choice of every branch; a branch with no choice allowed is free."""
        axes = self.spec.continuous
        mean, std, logits = torch.split(self.net(features), [axes, axes, sum(self.spec.branches)], -1)
        low, high = LOG_STD_RANGE
        log_std = low + (high - low) * torch.sigmoid(std + 2.0)
        log_p = []
        masks = (
            torch.split(allowed, list(self.spec.branches), -1)
            if allowed is not None
            else (None,) * len(self.spec.branches)
        )
        for part, mask in zip(torch.split(logits, list(self.spec.branches), -1), masks, strict=True):
            p = unimix(part, 0.01)
            if mask is not None:
                p = torch.log_softmax(torch.where(mask | ~mask.any(-1, keepdim=True), p, FORBIDDEN), -1)
            log_p.append(p)
        return ActorOutput(mean, log_std, log_p)

    def sample(self, out: ActorOutput, noise: float = 0.0, rng: torch.Generator | None = None) -> Choice:
        """A random action; with `noise`, that deviation is added to axes and that share of choices is uniform."""
        u = out.mean + out.log_std.exp() * _normal(out.mean, rng) + noise * _normal(out.mean, rng)
        index = []
        for p in out.log_p:
            possible = p > FORBIDDEN / 2
            uniform = possible / possible.sum(-1, keepdim=True)
            index.append(sample_index(torch.log(p.exp() * (1.0 - noise) + noise * uniform) if noise else p, rng))
        return Choice(u, torch.stack(index, 1) if index else u.new_zeros((len(u), 0), dtype=torch.int64))

    def likely(self, out: ActorOutput) -> Choice:
        """The mean of the axes before tanh, and the likeliest choice of each branch."""
        index = [p.argmax(-1) for p in out.log_p]
        return Choice(out.mean, torch.stack(index, 1) if index else out.mean.new_zeros((len(out.mean), 0)).long())


def _normal(like: Float[Tensor, "*S"], rng: torch.Generator | None) -> Float[Tensor, "*S"]:
    return torch.randn(like.shape, generator=rng, dtype=like.dtype, device=like.device)


def log_prob(out: ActorOutput, choice: Choice) -> Float[Tensor, " B"]:
    """Log-density of an action: of tanh(u) for the axes."""
    total = squashed_log_prob(choice.u, out.mean, out.log_std).sum(-1)
    for k, p in enumerate(out.log_p):
        total = total + p.gather(-1, choice.picks[:, k : k + 1]).squeeze(-1)
    return total


def entropy(out: ActorOutput) -> Float[Tensor, " B"]:
    """Of the branches exactly; of the squashed axes with one sample for the slope of tanh, differentiable."""
    u = out.mean + out.log_std.exp() * torch.randn_like(out.mean)
    total = squashed_entropy(u, out.log_std).sum(-1)
    for p in out.log_p:
        total = total - (p.exp() * p.clamp_min(-50.0)).sum(-1)
    return total


class ActorCritic(nn.Module):
    """Actor, critic, the critic's slow copy, and the running range of returns."""

    range: Float[Tensor, " 2"]
    dreamt: Int64[Tensor, ""]
    """Steps that they have been trained for."""

    def __init__(self, features: int, spec: ActionSpec, units: int, layers: int, bins: int) -> None:
        super().__init__()
        self.actor = Actor(features, spec, units, layers)
        self.critic = mlp(features, units, layers, bins, 0.0)
        self.slow = copy.deepcopy(self.critic).requires_grad_(False)
        self.register_buffer("range", torch.zeros(2))
        self.register_buffer("dreamt", torch.zeros((), dtype=torch.int64))


class Dreamer(nn.Module):
    """World model, actor and critics as one module: what a file of kind `dreamer` holds."""

    def __init__(self, sizes: WorldSizes, spec: ActionSpec, units: int = UNITS, layers: int = LAYERS) -> None:
        super().__init__()
        self.model = WorldModel(sizes)
        self.policy = ActorCritic(sizes.features, spec, units, layers, sizes.bins)


def world_sizes(features: int, spec: ActionSpec) -> WorldSizes:
    """Widths of the world model of a policy with these observations and actions."""
    return WorldSizes(obs=features, action=spec.width, masks=sum(spec.branches), **TINY)


class DreamCarry(NamedTuple):
    """Memory of the policy for each game: the model's state, and the action just taken, written out."""

    latent: Latent
    action: Float[Tensor, "B A"]


def initial_carry(model: WorldModel, games: int) -> DreamCarry:
    """Before the first observation."""
    latent = model.rssm.initial(games)
    return DreamCarry(latent, latent.deter.new_zeros(games, model.sizes.action))


@torch.no_grad()
def decide(
    model: WorldModel,
    actor: Actor,
    carry: DreamCarry,
    obs: Float[Tensor, "B O"],
    is_first: Bool[Tensor, " B"],
    allowed: Bool[Tensor, "B M"] | None = None,
    *,
    explore: bool = True,
    rng: torch.Generator | None = None,
) -> tuple[DreamCarry, Choice, ActorOutput]:
    """Take in one observation of each game and choose; `allowed` bool [B, ΣB] are the choices that the game allows.

    `rng` draws the latents and the actions; torch's own generator where there is none.
    """
    latent = model.act_step(carry.latent, obs, carry.action, is_first, rng)
    out = actor(latent.features(), allowed)
    choice = actor.sample(out, rng=rng) if explore else actor.likely(out)
    return DreamCarry(latent, choice.written_out(actor.spec)), choice, out


def act(
    model: WorldModel,
    actor: Actor,
    carry: DreamCarry,
    obs: Float[Tensor, "B O"],
    is_first: Bool[Tensor, " B"],
    allowed: Bool[Tensor, "B M"] | None = None,
    *,
    explore: bool = True,
) -> tuple[DreamCarry, Choice]:
    """`decide` without the distributions."""
    carry, choice, _ = decide(model, actor, carry, obs, is_first, allowed, explore=explore)
    return carry, choice


def why_unfit(model: WorldModel, actor: Actor) -> str:
    """Why these networks, on the CPU, may not act, or "": what they say of canned observations is not finite."""
    generator, carry = torch.Generator().manual_seed(0), initial_carry(model, CANNED)
    rng = np.random.default_rng(0)
    for row in range(CANNED):
        seen = torch.from_numpy(rng.normal(0.0, row, (CANNED, model.sizes.obs)).astype(np.float32))
        first = torch.tensor([row == 0, False, True])
        carry, choice, out = decide(model, actor, carry, seen, first, rng=generator)
        parts = (carry.latent.deter, choice.u, out.mean, out.log_std, *out.log_p)
        if not all(bool(torch.isfinite(part).all()) for part in parts):
            return f"canned observation {row} gives values that are not finite"
    return ""
