"""From encoded observations to one vector: the player, a set of entities, sectors around, and the picture.

The set is pooled as in Deep Sets (Zaheer et al. 2017): the same network for every token, then maximum and mean.
Entities or picture may be absent.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from agent.models.sizes import EncoderSizes


class RunningNorm(nn.Module):
    """Running mean and variance of features, saved with the weights (Welford, in batches)."""

    mean: Float[Tensor, " F"]
    var: Float[Tensor, " F"]
    count: Float[Tensor, ""]

    def __init__(self, features: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("var", torch.ones(features))
        self.register_buffer("count", torch.zeros(()))

    @torch.no_grad()
    def update(self, x: Float[Tensor, "B F"]) -> None:
        """Take in a batch."""
        n = x.shape[0]
        total = self.count + n
        delta = x.mean(0) - self.mean
        between = delta.square() * self.count * n / total
        self.var.copy_((self.var * self.count + x.var(0, unbiased=False) * n + between) / total)
        self.mean.add_(delta * n / total)
        self.count.copy_(total)

    def forward(self, x: Float[Tensor, "*B F"]) -> Float[Tensor, "*B F"]:
        """Features with mean 0 and variance 1, cut at ±8."""
        return ((x - self.mean) * torch.rsqrt(self.var + 1e-4)).clamp(-8.0, 8.0)


class PictureEncoder(nn.Module):
    """A small convolutional network over a picture of 64 × 64."""

    def __init__(self, out: int) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(3, 16, 8, 4), nn.SiLU(), nn.Conv2d(16, 32, 4, 2), nn.SiLU(), nn.Conv2d(32, 32, 3, 1), nn.SiLU(),
            nn.Flatten(), nn.Linear(32 * 4 * 4, out), nn.LayerNorm(out), nn.SiLU(),
        )  # fmt: skip

    def forward(self, picture: UInt8[Tensor, "B 3 64 64"]) -> Float[Tensor, "B P"]:
        """An embedding of each picture."""
        embedding: Tensor = self.net(picture.float() * (1.0 / 255.0) - 0.5)
        return embedding


class ObservationEncoder(nn.Module):
    """Everything that one instant shows, as a vector of `sizes.hidden`."""

    def __init__(self, sizes: EncoderSizes) -> None:
        super().__init__()
        self.sizes = sizes
        flat = sizes.self_features + sizes.rings
        self.norm = RunningNorm(flat)
        self.flat = nn.Sequential(nn.Linear(flat, sizes.hidden), nn.LayerNorm(sizes.hidden), nn.SiLU())
        self.token = nn.Sequential(
            nn.Linear(sizes.token_features, sizes.token_hidden), nn.SiLU(),
            nn.Linear(sizes.token_hidden, sizes.token_hidden),
        )  # fmt: skip
        self.picture = PictureEncoder(sizes.picture)
        joined = sizes.hidden + 2 * sizes.token_hidden + sizes.picture
        join = nn.Linear(joined, sizes.hidden)
        # Without this, who was trained without pictures would act on noise where one is shown.
        nn.init.zeros_(join.weight[:, -sizes.picture :])
        self.join = nn.Sequential(join, nn.LayerNorm(sizes.hidden), nn.SiLU())

    def forward(
        self,
        self_: Float[Tensor, "B S"],
        tokens: Float[Tensor, "B N F"],
        mask: Float[Tensor, "B N"],
        rings: Float[Tensor, "B R"],
        picture: Float[Tensor, "B P"],
    ) -> Float[Tensor, "B H"]:
        """`picture` is an embedding, zeros where there is no picture."""
        flat = self.flat(self.norm(torch.cat([self_, rings], 1)))
        token = self.token(tokens)
        there = mask.unsqueeze(-1)
        highest = torch.where(there > 0, token, -1e4).amax(1).clamp_min(-20.0)
        mean = (token * there).sum(1) / mask.sum(1, keepdim=True).clamp_min(1.0)
        joined: Tensor = self.join(torch.cat([flat, highest, mean, picture], 1))
        return joined
