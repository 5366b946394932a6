"""The world model's network: a recurrent state-space model with discrete latents, and the heads that read it.

Conventions: `actions[t]` of a sequence *led to* `obs[t]` (it is the action of the step before; `learning.replay` shifts
rollouts so). deter h_t = f(h_{t−1}, z_{t−1}, a_{t−1}); posterior q(z_t | h_t, o_t), prior p(z_t | h_t); reward and
continue heads read (h_t, z_t) and speak of what arrived with o_t. Follows DreamerV3 (Hafner et al., Nature 2025): block
GRU, RMSNorm and SiLU, unimix, symexp two-hot reward. Owns no loss and no state; the carry is `Latent`.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from agent.models.distributions import sample_one_hot, two_hot_bins, unimix
from agent.models.encoder import RunningNorm
from agent.models.sizes import WorldSizes


class Latent(NamedTuple):
    """State of the model: deter [*, H] and stoch [*, S, K], one-hot."""

    deter: Float[Tensor, "*B H"]
    stoch: Float[Tensor, "*B S K"]

    def features(self) -> Float[Tensor, "*B F"]:
        """Both, side by side."""
        return torch.cat([self.deter, self.stoch.flatten(-2)], -1)

    def detach(self) -> Latent:
        """The same numbers without their history."""
        return Latent(self.deter.detach(), self.stoch.detach())


class Observed(NamedTuple):
    """A sequence as the model saw it: latents, and log-probabilities of posterior and prior [B, T, S, K]."""

    latent: Latent
    posterior: Float[Tensor, "B T S K"]
    prior: Float[Tensor, "B T S K"]


def _random_(weight: Tensor, inputs: int, scale: float = 1.0) -> None:
    deviation = 1.0 / math.sqrt(inputs) / 0.87962566
    nn.init.trunc_normal_(weight, 0.0, deviation, -2 * deviation, 2 * deviation)
    with torch.no_grad():
        weight.mul_(scale)


def linear(inputs: int, outputs: int, scale: float = 1.0) -> nn.Linear:
    """A layer with weights of variance scale² / inputs, cut at two deviations."""
    layer = nn.Linear(inputs, outputs)
    _random_(layer.weight, inputs, scale)
    nn.init.zeros_(layer.bias)
    return layer


def mlp(inputs: int, units: int, layers: int, outputs: int | None = None, scale: float = 1.0) -> nn.Sequential:
    """Layers of Linear, RMSNorm and SiLU, then a linear read-out where `outputs` is given."""
    parts: list[nn.Module] = []
    for _ in range(layers):
        parts += [linear(inputs, units), nn.RMSNorm(units, eps=1e-4), nn.SiLU()]
        inputs = units
    if outputs is not None:
        parts.append(linear(inputs, outputs, scale))
    return nn.Sequential(*parts)


class BlockLinear(nn.Module):
    """A linear layer whose matrix has `blocks` blocks on its diagonal."""

    def __init__(self, blocks: int, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(blocks, inputs, outputs))
        self.bias = nn.Parameter(torch.zeros(blocks, 1, outputs))
        _random_(self.weight, inputs)

    def forward(self, x: Float[Tensor, "G B I"]) -> Float[Tensor, "G B O"]:
        """Every block by itself."""
        return torch.baddbmm(self.bias, x, self.weight)


class RSSM(nn.Module):
    """Dynamics, posterior and prior."""

    def __init__(self, sizes: WorldSizes) -> None:
        super().__init__()
        if sizes.deter % sizes.blocks:
            raise ValueError(f"deter {sizes.deter} is no multiple of blocks {sizes.blocks}")
        self.sizes = sizes
        flat, hidden, blocks = sizes.stoch * sizes.classes, sizes.hidden, sizes.blocks
        each = sizes.deter // blocks
        self.in_deter, self.in_stoch = mlp(sizes.deter, hidden, 1), mlp(flat, hidden, 1)
        self.in_action = mlp(sizes.action, hidden, 1)
        self.hid = BlockLinear(blocks, 3 * hidden + each, each)
        self.hid_norm = nn.RMSNorm(sizes.deter, eps=1e-4)
        self.gru = BlockLinear(blocks, each, 3 * each)
        self.post_embed, self.post_deter = linear(sizes.units, hidden), linear(sizes.deter, hidden)
        self.post_out = nn.Sequential(nn.RMSNorm(hidden, eps=1e-4), nn.SiLU(), linear(hidden, flat))
        self.prior_out = mlp(sizes.deter, hidden, 2, flat)

    def initial(self, batch: int) -> Latent:
        """The state before an episode."""
        device, s = self.hid.weight.device, self.sizes
        return Latent(torch.zeros(batch, s.deter, device=device), torch.zeros(batch, s.stoch, s.classes, device=device))

    def _groups(self, x: Float[Tensor, "B D"]) -> Float[Tensor, "G B E"]:
        return x.view(x.shape[0], self.sizes.blocks, -1).transpose(0, 1)

    def _flat(self, x: Float[Tensor, "G B E"]) -> Float[Tensor, "B D"]:
        return x.transpose(0, 1).flatten(1)

    def _next_deter(self, latent: Latent, action: Float[Tensor, "B U"]) -> Float[Tensor, "B D"]:
        """The deterministic step; `action` has passed through `in_action`."""
        joined = torch.cat([self.in_deter(latent.deter), self.in_stoch(latent.stoch.flatten(1)), action], 1)
        joined = joined.unsqueeze(0).expand(self.sizes.blocks, -1, -1)
        x = self._flat(self.hid(torch.cat([self._groups(latent.deter), joined], 2)))
        gates = self.gru(self._groups(nn.functional.silu(self.hid_norm(x))))
        reset, candidate, update = (self._flat(g) for g in gates.chunk(3, 2))
        update = torch.sigmoid(update - 1.0)
        return torch.lerp(latent.deter, torch.tanh(torch.sigmoid(reset) * candidate), update)

    def _log_p(self, logits: Float[Tensor, "*B L"]) -> Float[Tensor, "*B S K"]:
        return unimix(logits.view(*logits.shape[:-1], self.sizes.stoch, self.sizes.classes), self.sizes.unimix)

    def prior(self, deter: Float[Tensor, "*B D"]) -> Float[Tensor, "*B S K"]:
        """Log-probabilities of the latent before its observation."""
        return self._log_p(self.prior_out(deter))

    def imagine_step(self, latent: Latent, action: Float[Tensor, "B A"]) -> Latent:
        """The next state where `action` is taken in `latent`, sampled from the prior."""
        deter = self._next_deter(latent, self.in_action(action))
        return Latent(deter, sample_one_hot(self.prior(deter)))

    def _observe_step(
        self,
        latent: Latent,
        action: Float[Tensor, "B U"],
        embed: Float[Tensor, "B U"],
        keep: Float[Tensor, "B 1"],
        rng: torch.Generator | None,
    ) -> tuple[Latent, Float[Tensor, "B S K"]]:
        latent = Latent(latent.deter * keep, latent.stoch * keep.unsqueeze(-1))
        deter = self._next_deter(latent, action)
        log_p = self._log_p(self.post_out(embed + self.post_deter(deter)))
        return Latent(deter, sample_one_hot(log_p, rng)), log_p

    def observe(
        self,
        latent: Latent,
        embed: Float[Tensor, "B T E"],
        actions: Float[Tensor, "B T A"],
        is_first: Bool[Tensor, "B T"],
        rng: torch.Generator | None = None,
    ) -> Observed:
        """Posterior states along a sequence; `actions[:, t]` led to step t; where is_first, all before is forgotten."""
        keep = 1.0 - is_first.to(embed.dtype).unsqueeze(-1)
        action = self.in_action(actions * keep)
        projected = self.post_embed(embed)
        deters, stochs, posteriors = [], [], []
        for t in range(embed.shape[1]):
            latent, log_p = self._observe_step(latent, action[:, t], projected[:, t], keep[:, t], rng)
            deters.append(latent.deter)
            stochs.append(latent.stoch)
            posteriors.append(log_p)
        deter = torch.stack(deters, 1)
        return Observed(Latent(deter, torch.stack(stochs, 1)), torch.stack(posteriors, 1), self.prior(deter))


class WorldModel(nn.Module):
    """RSSM with its encoder, decoder, and heads for reward, continuation and allowed choices."""

    bins: Float[Tensor, " K"]

    def __init__(self, sizes: WorldSizes) -> None:
        super().__init__()
        self.sizes = sizes
        self.norm = RunningNorm(sizes.obs)
        self.encoder = mlp(sizes.obs, sizes.units, sizes.layers)
        self.rssm = RSSM(sizes)
        self.decoder = mlp(sizes.features, sizes.units, sizes.layers, sizes.obs)
        self.reward = mlp(sizes.features, sizes.units, 1, sizes.bins, 0.0)
        self.proceed = mlp(sizes.features, sizes.units, 1, 1)
        self.allowed = mlp(sizes.features, sizes.units, 1, sizes.masks) if sizes.masks else None
        self.register_buffer("bins", two_hot_bins(sizes.bins), persistent=False)

    def normalised(self, obs: Float[Tensor, "*B O"]) -> Float[Tensor, "*B O"]:
        """Observations in units of their running deviation: what is encoded and reconstructed."""
        flat: Tensor = self.norm(obs.reshape(-1, obs.shape[-1]))
        return flat.reshape(obs.shape)

    def observe(
        self,
        latent: Latent,
        obs: Float[Tensor, "B T O"],
        actions: Float[Tensor, "B T A"],
        is_first: Bool[Tensor, "B T"],
    ) -> Observed:
        """Posterior along a sequence of *normalised* observations."""
        return self.rssm.observe(latent, self.encoder(obs), actions, is_first)

    @torch.no_grad()
    def act_step(
        self,
        latent: Latent,
        obs: Float[Tensor, "B O"],
        action: Float[Tensor, "B A"],
        is_first: Bool[Tensor, " B"],
        rng: torch.Generator | None = None,
    ) -> Latent:
        """The posterior after one raw observation that `action` led to; `rng` draws it."""
        embed = self.encoder(self.normalised(obs)).unsqueeze(1)
        seen = self.rssm.observe(latent, embed, action.unsqueeze(1), is_first.unsqueeze(1), rng)
        return Latent(seen.latent.deter[:, 0], seen.latent.stoch[:, 0])
