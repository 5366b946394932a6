"""Plays a world: from the pictures so far and an action to the next picture, its own pictures behind one another."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from agent.learning.pixels.losses import changed_pixels, token_numbers
from agent.models.pixels.masked import Cache, Masked, packed, unpacked
from agent.models.pixels.one_pass import OnePass
from agent.models.pixels.sizes import TOKENS
from agent.models.pixels.world import PixelWorld, to_bytes, to_unit


class Generator:
    """B worlds that are played side by side.

    temperature: 0 takes the likeliest of each digit. Uses random numbers of its own.
    """

    def __init__(self, world: PixelWorld, *, temperature: float = 0.0, seed: int = 0) -> None:
        self.world = world.eval()
        self._temperature = temperature
        self._rng = torch.Generator(next(world.parameters()).device).manual_seed(seed)
        self._frames: Tensor = torch.zeros(0)
        self._actions: Tensor = torch.zeros(0)
        self._cache = Cache([], [], 0)
        self.regime: Tensor | None = None

    @property
    def latest(self) -> UInt8[Tensor, "B S S 3"]:
        """The newest picture."""
        return to_bytes(self._frames[:, -1])

    @torch.no_grad()
    def start(self, frames: UInt8[Tensor, "B L S S 3"], actions: Float[Tensor, "B M A"]) -> None:
        """Begin behind these pictures; actions: those between them, M = L − 1."""
        length = self.world.length
        unit, width = to_unit(frames[:, -length:]), self.world.sizes.dynamics.action_width
        between = actions[:, max(0, actions.shape[1] - unit.shape[1] + 1) :]
        short = length - unit.shape[1]
        dynamics = self.world.dynamics
        if isinstance(dynamics, Masked):
            self._frames, self._cache = unit[:, -1:], dynamics.empty()
            none = unit.new_zeros(len(unit), 1, width)
            led = torch.cat([none, between], 1)
            for t in range(unit.shape[1]):
                self._commit(unit[:, t], led[:, t])
        else:
            self._frames = torch.cat([unit[:, :1].expand(-1, short, -1, -1, -1), unit], 1)
            self._actions = torch.cat([unit.new_zeros(len(unit), short, width), between], 1)
        if self.world.regime is not None:
            self.regime = _one_hot(self.world.regime.logits(unit)[:, -1])

    @torch.no_grad()
    def step(self, action: Float[Tensor, "B A"]) -> UInt8[Tensor, "B S S 3"]:
        """The next picture."""
        told = self._next_regime()
        made = self._made(action, told)
        self._take(made, action)
        self.regime = told
        return to_bytes(made)

    @torch.no_grad()
    def expect(self, action: Float[Tensor, "B A"]) -> Float[Tensor, "B 3 S S"]:
        """The next picture, without going on to it."""
        return self._made(action, self._next_regime())

    @torch.no_grad()
    def observe(self, frame: UInt8[Tensor, "B S S 3"], action: Float[Tensor, "B A"]) -> Float[Tensor, " B"]:
        """Go on with a true picture that followed; the surprise: the mean squared error of what changed, foreseen."""
        expected, true, before = self.expect(action).clamp(0, 1), to_unit(frame), self._frames[:, -1]
        weight = changed_pixels(before, true).float()
        error = ((expected - true) ** 2).mean(1, keepdim=True)
        still = (error * (1 - weight)).sum((1, 2, 3)) / (1 - weight).sum((1, 2, 3)).clamp_min(1)
        surprise = (error * weight).sum((1, 2, 3)) / weight.sum((1, 2, 3)).clamp_min(1) + still
        if self.world.regime is not None:
            self.regime = _one_hot(self.world.regime.logits(torch.stack([before, true], 1))[:, -1])
        self._take(true, action)
        return surprise

    @torch.no_grad()
    def outcome(
        self, before: UInt8[Tensor, "B S S 3"], after: UInt8[Tensor, "B S S 3"]
    ) -> tuple[Float[Tensor, " B"], Float[Tensor, " B"]]:
        """The reward of a step, and the chance that it ended the run."""
        reward, end = self.world.outcome(to_unit(before), to_unit(after))
        return reward.sign() * reward.abs().expm1(), end.sigmoid()

    def _next_regime(self) -> Tensor | None:
        regime = self.world.regime
        return None if regime is None or self.regime is None else regime.next(self.regime)

    def _made(self, action: Tensor, regime: Tensor | None) -> Tensor:
        dynamics = self.world.dynamics
        if isinstance(dynamics, OnePass):
            made: Tensor = dynamics(self._frames, torch.cat([self._actions, action[:, None]], 1), regime)
            return made
        return self._filled(dynamics, action, regime)

    def _filled(self, model: Masked, action: Tensor, regime: Tensor | None) -> Tensor:
        """MaskGIT: the surest tokens of each pass stay, by a cosine schedule."""
        tokenizer = self.world.tokenizer
        assert tokenizer is not None
        batch, passes = len(action), model.sizes.passes
        digits_per_code = len(model.levels)
        tokens = action.new_zeros(batch, TOKENS, 4 * digits_per_code)
        masked = torch.ones(batch, TOKENS, dtype=torch.bool, device=action.device)
        for i in range(passes):
            logits, _ = model.look(self._cache, tokens, action, masked, regime)
            picked, sure = self._picked(model, logits)
            stay = 0 if i == passes - 1 else math.ceil(TOKENS * math.cos(math.pi / 2 * (i + 1) / passes))
            sure = torch.where(masked, sure, torch.inf)
            hidden = torch.zeros_like(masked)
            if stay:
                hidden.scatter_(1, sure.topk(stay, 1, largest=False).indices, True)
            tokens = torch.where((masked & ~hidden)[..., None], token_numbers(tokenizer, picked), tokens)
            masked = hidden & masked
        codes: Tensor = unpacked(tokens[:, None], digits_per_code)[:, 0]
        return tokenizer.decode(codes)

    def _picked(self, model: Masked, logits: Tensor) -> tuple[Tensor, Tensor]:
        """Digits [B, N, 4, D], and the log-probability of each token."""
        digits, sure = [], logits.new_zeros(logits.shape[:2])
        for part in model.split(logits):
            log_probs = part.log_softmax(-1)
            if self._temperature:
                noise = torch.empty_like(log_probs).exponential_(generator=self._rng).log()
                index = (log_probs - self._temperature * noise).argmax(-1)
            else:
                index = log_probs.argmax(-1)
            digits.append(index)
            sure = sure + log_probs.gather(-1, index[..., None])[..., 0].sum(-1)
        return torch.stack(digits, -1), sure

    def _take(self, frame: Tensor, action: Tensor) -> None:
        frame = frame.clamp(0, 1)
        if isinstance(self.world.dynamics, Masked):
            self._frames = frame[:, None]
            self._commit(frame, action)
            return
        self._frames = torch.cat([self._frames[:, 1:], frame[:, None]], 1)
        self._actions = torch.cat([self._actions, action[:, None]], 1)[:, 1:]

    def _commit(self, frame: Tensor, action: Tensor) -> None:
        tokenizer, dynamics = self.world.tokenizer, self.world.dynamics
        assert tokenizer is not None and isinstance(dynamics, Masked)
        self._cache = dynamics.commit(self._cache, packed(tokenizer.encode(frame)[:, None])[:, 0], action)


def _one_hot(logits: Tensor) -> Tensor:
    return torch.nn.functional.one_hot(logits.argmax(-1), logits.shape[-1]).to(logits.dtype)
