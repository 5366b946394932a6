"""A transformer that fills in the tokens of the next picture in a few passes (MaskGIT, Chang et al., CVPR 2022).

A picture's 8 x 8 codes are 16 tokens of 2 x 2 codes, behind one token of the action that led to it; the action is also
added to each. Tokens see their own picture and all before it. In training a clean copy of every picture stands beside
the masked one, and the masked pictures see only clean ones, exactly as in play, where the clean ones are a cache.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int64, Shaped
from torch import Tensor, nn
from torch.nn import functional as F

from agent.models.pixels.sizes import GRID, PACK, TOKENS, DynamicsSizes

PER_PICTURE = TOKENS + 1
"""Tokens of a picture, that of the action included."""


class Cache(NamedTuple):
    """Keys and values of the pictures so far, of each layer [B, heads, pictures · 17, d], and the next one's number."""

    keys: list[Tensor]
    values: list[Tensor]
    time: int


def packed(codes: Shaped[Tensor, "B T D 8 8"]) -> Shaped[Tensor, "B T N P"]:
    """Codes as tokens of 2 x 2 codes."""
    batch, length, digits = codes.shape[:3]
    side = GRID // PACK
    grid = codes.reshape(batch, length, digits, side, PACK, side, PACK)
    return grid.permute(0, 1, 3, 5, 4, 6, 2).reshape(batch, length, TOKENS, -1)


def unpacked(tokens: Tensor, digits: int) -> Tensor:
    """Tokens [B, T, 16, 4 · digits] as codes [B, T, digits, 8, 8]."""
    batch, length = tokens.shape[:2]
    side = GRID // PACK
    grid = tokens.reshape(batch, length, side, side, PACK, PACK, digits)
    return grid.permute(0, 1, 6, 2, 4, 3, 5).reshape(batch, length, digits, GRID, GRID)


def _turned(x: Tensor, times: Tensor) -> Tensor:
    """Rotary positions of time. x: [B, heads, L, d]; times: [L]."""
    half = x.shape[-1] // 2
    angles = times[:, None] * (0.1 ** (torch.arange(half, device=x.device) * (4.0 / half)))
    first, second = x.chunk(2, -1)
    cos, sin = angles.cos(), angles.sin()
    return torch.cat([first * cos - second * sin, first * sin + second * cos], -1)


class Block(nn.Module):
    """Attention and two layers; the regime scales and shifts what both read."""

    def __init__(self, units: int, heads: int, regimes: int) -> None:
        super().__init__()
        self.heads = heads
        self.norms = nn.ModuleList([nn.RMSNorm(units), nn.RMSNorm(units)])
        self.qkv = nn.Linear(units, 3 * units, bias=False)
        self.query_norm, self.key_norm = nn.RMSNorm(units // heads), nn.RMSNorm(units // heads)
        self.out = nn.Linear(units, units)
        self.wide, self.narrow = nn.Linear(units, 4 * units), nn.Linear(4 * units, units)
        self.told = nn.Linear(regimes, 4 * units, bias=False) if regimes else None
        if self.told is not None:
            nn.init.zeros_(self.told.weight)

    def forward(
        self, x: Tensor, times: Tensor, regime: Tensor | None, mask: Tensor | None, past: tuple[Tensor, Tensor] | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """x: [B, L, d] → the same, and its keys and values, which follow those of `past`."""
        told = self.told(regime).chunk(4, -1) if self.told is not None and regime is not None else None
        batch, length, units = x.shape
        y = self.norms[0](x)
        if told is not None:
            y = y * (1 + told[0]) + told[1]
        q, k, v = self.qkv(y).reshape(batch, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        q, k = _turned(self.query_norm(q), times), _turned(self.key_norm(k), times)
        keys, values = (k, v) if past is None else (torch.cat([past[0], k], 2), torch.cat([past[1], v], 2))
        seen = F.scaled_dot_product_attention(q, keys, values, attn_mask=mask)
        x = x + self.out(seen.transpose(1, 2).reshape(batch, length, units))
        y = self.norms[1](x)
        if told is not None:
            y = y * (1 + told[2]) + told[3]
        return x + self.narrow(F.silu(self.wide(y))), k, v


class Masked(nn.Module):
    """Logits of the digits of masked tokens."""

    def __init__(self, sizes: DynamicsSizes, levels: tuple[int, ...]) -> None:
        super().__init__()
        self.sizes, self.levels = sizes, levels
        units = sizes.units
        self.embed = nn.Linear(PACK * PACK * len(levels), units)
        self.action = nn.Sequential(nn.Linear(sizes.action_width, units), nn.SiLU(), nn.Linear(units, units))
        self.place = nn.Parameter(torch.randn(PER_PICTURE, units) * 0.02)
        self.hidden = nn.Parameter(torch.randn(units) * 0.02)
        self.blocks = nn.ModuleList(Block(units, sizes.heads, sizes.regimes) for _ in range(sizes.layers))
        self.norm = nn.RMSNorm(units)
        self.head = nn.Linear(units, PACK * PACK * sum(levels))

    def _embedded(self, tokens: Tensor, actions: Tensor, masked: Tensor | None) -> Tensor:
        """tokens [B, T, 16, P], actions that led to the pictures [B, T, A] → [B, T, 17, d]."""
        x = self.embed(tokens)
        if masked is not None:
            x = torch.where(masked[..., None], self.hidden, x)
        action = self.action(actions)[:, :, None]
        return torch.cat([action, x + action], 2) + self.place

    def forward(
        self,
        tokens: Float[Tensor, "B T N P"],
        actions: Float[Tensor, "B T A"],
        masked: Bool[Tensor, "B T N"],
        regime: Float[Tensor, "B T K"] | None = None,
        context: Float[Tensor, "B T N P"] | None = None,
    ) -> Float[Tensor, "B T N Q"]:
        """Logits of every token of each picture, from the unmasked ones of it and the clean pictures before.

        actions: row t led to picture t. context: what the clean copies are, instead of `tokens`.
        """
        batch, length = tokens.shape[:2]
        clean = self._embedded(tokens if context is None else context, actions, None)
        x = torch.cat([clean, self._embedded(tokens, actions, masked)], 1).flatten(1, 2)
        frames = torch.arange(length, device=x.device).repeat(2).repeat_interleave(PER_PICTURE)
        is_query = torch.arange(2 * length * PER_PICTURE, device=x.device) >= length * PER_PICTURE
        earlier = frames[:, None] > frames[None, :]
        same = (frames[:, None] == frames[None, :]) & (is_query[:, None] == is_query[None, :])
        mask = (earlier & ~is_query[None, :]) | same
        told = None
        if regime is not None:
            told = torch.cat([torch.zeros_like(regime), regime], 1).repeat_interleave(PER_PICTURE, 1)
        for block in self.blocks:
            x, _, _ = block(x, frames.float(), told, mask, None)
        queries = x.reshape(batch, 2 * length, PER_PICTURE, -1)[:, length:, 1:]
        logits: Tensor = self.head(self.norm(queries))
        return logits

    def empty(self) -> Cache:
        """No picture yet."""
        return Cache([], [], 0)

    def look(
        self, cache: Cache, tokens: Float[Tensor, "B N P"], action: Float[Tensor, "B A"],
        masked: Bool[Tensor, "B N"] | None, regime: Float[Tensor, "B K"] | None,
    ) -> tuple[Float[Tensor, "B N Q"], list[tuple[Tensor, Tensor]]]:  # fmt: skip
        """One picture behind the cache: its logits, and its keys and values."""
        x = self._embedded(tokens[:, None], action[:, None], None if masked is None else masked[:, None])[:, 0]
        times = torch.full((PER_PICTURE,), float(cache.time), device=x.device)
        told = None if regime is None else regime[:, None]
        made: list[tuple[Tensor, Tensor]] = []
        for i, block in enumerate(self.blocks):
            past = (cache.keys[i], cache.values[i]) if cache.keys else None
            x, k, v = block(x, times, told, None, past)
            made.append((k, v))
        return self.head(self.norm(x[:, 1:])), made

    def commit(self, cache: Cache, tokens: Float[Tensor, "B N P"], action: Float[Tensor, "B A"]) -> Cache:
        """The cache with a picture that is known; the oldest leaves where the window is full."""
        regime = tokens.new_zeros(len(tokens), self.sizes.regimes) if self.sizes.regimes else None
        _, made = self.look(cache, tokens, action, None, regime)
        keep = (self.sizes.window - 1) * PER_PICTURE
        olds = zip(cache.keys, cache.values, strict=True) if cache.keys else [(None, None)] * len(made)
        keys, values = [], []
        for (old_k, old_v), (k, v) in zip(olds, made, strict=True):
            keys.append((k if old_k is None else torch.cat([old_k, k], 2))[:, :, -keep:])
            values.append((v if old_v is None else torch.cat([old_v, v], 2))[:, :, -keep:])
        return Cache(keys, values, cache.time + 1)

    def split(self, logits: Float[Tensor, "*B Q"]) -> list[Float[Tensor, "*B 4 L"]]:
        """Logits of each digit, of the token's four codes."""
        codes = logits.reshape(*logits.shape[:-1], PACK * PACK, sum(self.levels))
        return list(torch.split(codes, list(self.levels), -1))


def digit_targets(digits: Int64[Tensor, "B T D 8 8"]) -> Int64[Tensor, "B T N P"]:
    """Digits in the order of tokens."""
    return packed(digits)
