"""What tokenizer and dynamics learn from. Changed and unchanged pixels count alike: few change, and those matter."""

from __future__ import annotations

from typing import Final

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional as F

from agent.models.pixels.masked import Masked, digit_targets, packed
from agent.models.pixels.one_pass import OnePass
from agent.models.pixels.tokenizer import Tokenizer
from agent.models.pixels.world import PixelWorld

CHANGED: Final = 6 / 255
"""A pixel changed where one of its colours did by more."""
GRADIENT: Final = 0.1
BETA: Final = 0.1
"""Of the regime's KL."""
USAGE: Final = 0.1
"""Of the entropy of the regimes' use."""
MAX_NOISE: Final = 0.1
"""Of the pictures that the CNN sees, so that its own errors are no surprise to it."""


def changed_pixels(before: Float[Tensor, "*B 3 S S"], after: Float[Tensor, "*B 3 S S"]) -> Bool[Tensor, "*B 1 S S"]:
    """Where two pictures differ."""
    return (after - before).abs().amax(-3, keepdim=True) > CHANGED


def balanced(error: Float[Tensor, "B C H W"], changed: Bool[Tensor, "B 1 H W"]) -> Float[Tensor, ""]:
    """The mean over changed pixels and the mean over the others, added."""
    weight = changed.to(error.dtype)
    per_pixel = error.mean(1, keepdim=True)
    there = (per_pixel * weight).sum() / weight.sum().clamp_min(1)
    elsewhere = (per_pixel * (1 - weight)).sum() / (1 - weight).sum().clamp_min(1)
    return there + elsewhere


def gradient_difference(made: Float[Tensor, "B 3 S S"], true: Float[Tensor, "B 3 S S"]) -> Float[Tensor, ""]:
    """How far the edges are from the true ones."""
    loss = made.new_zeros(())
    for axis in (-1, -2):
        loss = loss + (made.diff(dim=axis).abs() - true.diff(dim=axis).abs()).abs().mean()
    return loss


def picture_loss(
    made: Float[Tensor, "B 3 S S"], true: Float[Tensor, "B 3 S S"], before: Float[Tensor, "B 3 S S"]
) -> Float[Tensor, ""]:
    """Of pictures that were made, against the true ones and those before them."""
    return balanced((made - true) ** 2, changed_pixels(before, true)) + GRADIENT * gradient_difference(made, true)


def tokenizer_loss(tokenizer: Tokenizer, before: Float[Tensor, "B 3 S S"], frames: Float[Tensor, "B 3 S S"]) -> Tensor:
    """Of pictures that went through codes."""
    return picture_loss(tokenizer(frames), frames, before)


def one_pass_loss(
    model: OnePass, frames: Float[Tensor, "B L 3 S S"], actions: Float[Tensor, "B L A"],
    regime: Float[Tensor, "B L K"] | None, *, noise: float = 0.0,
) -> Float[Tensor, ""]:  # fmt: skip
    """Of the pictures behind the first `context` ones, each made from those before, its own among them."""
    context = model.sizes.context
    seen = frames[:, :context]
    if noise:
        spread = torch.rand(len(frames), 1, 1, 1, 1, device=frames.device) * noise
        seen = seen + spread * torch.randn_like(seen)
    losses = []
    for t in range(context, frames.shape[1]):
        told = None if regime is None else regime[:, t]
        made = model(seen, actions[:, t - context : t], told)
        losses.append(picture_loss(made, frames[:, t], frames[:, t - 1]))
        seen = torch.cat([seen[:, 1:], made[:, None]], 1)
    return torch.stack(losses).mean()


def encoded(tokenizer: Tokenizer, frames: Float[Tensor, "B L 3 S S"]) -> Float[Tensor, "B L D 8 8"]:
    """Codes of stretches of pictures."""
    codes = tokenizer.encode(frames.flatten(0, 1))
    return codes.reshape(*frames.shape[:2], *codes.shape[1:])


def led_to(actions: Float[Tensor, "B L A"]) -> Float[Tensor, "B L A"]:
    """The action that led to each picture; none to the first."""
    return torch.cat([torch.zeros_like(actions[:, :1]), actions[:, :-1]], 1)


def digits_nll(
    model: Masked, logits: Float[Tensor, "B T N Q"], digits: Tensor, where: Bool[Tensor, "B T N"],
    changed: Bool[Tensor, "B T N"],
) -> Float[Tensor, ""]:  # fmt: skip
    """Negative log-likelihood of a token, the mean over changed ones and the mean over the others, added."""
    target = digit_targets(digits)
    target = target.reshape(*target.shape[:-1], -1, len(model.levels))
    nll = logits.new_zeros(logits.shape[:3])
    for i, part in enumerate(model.split(logits)):
        picked = part.log_softmax(-1).gather(-1, target[..., i : i + 1])[..., 0]
        nll = nll - picked.sum(-1)
    total = nll.new_zeros(())
    for mask in (where & changed, where & ~changed):
        weight = mask.to(nll.dtype)
        total = total + (nll * weight).sum() / weight.sum().clamp_min(1)
    return total


def masked_loss(
    model: Masked, tokenizer: Tokenizer, codes: Float[Tensor, "B T D 8 8"], actions: Float[Tensor, "B T A"],
    regime: Float[Tensor, "B T K"] | None, *, ratio: tuple[float, float], corrupt: float = 0.0, own: float = 0.0,
) -> Float[Tensor, ""]:  # fmt: skip
    """Of masked tokens, a share within `ratio` of each picture's but the first.

    corrupt: the share of the clean tokens that are random ones; own: the share that the model itself predicts.
    """
    tokens, led = packed(codes), led_to(actions)
    batch, length, count, _ = tokens.shape
    share = torch.rand(batch, length, 1, device=tokens.device) * (ratio[1] - ratio[0]) + ratio[0]
    masked = torch.rand(batch, length, count, device=tokens.device) < share
    masked[:, 0] = False
    context = tokens
    if own:
        with torch.no_grad():
            every = torch.ones_like(masked)
            every[:, 0] = False
            guessed = likeliest(model, tokenizer, model(tokens, led, every, regime))
        takes = (torch.rand(batch, length, 1, 1, device=tokens.device) < own) & every[..., None]
        context = torch.where(takes, guessed, context)
    if corrupt:
        other = tokens[torch.randperm(batch, device=tokens.device)].roll(1, 1)
        spoiled = torch.rand(batch, length, count, 1, device=tokens.device) < corrupt
        context = torch.where(spoiled, other, context)
    logits = model(tokens, led, masked, regime, context)
    changed = torch.cat([torch.zeros_like(masked[:, :1]), (tokens.diff(dim=1).abs() > 1e-3).any(-1)], 1)
    return digits_nll(model, logits, tokenizer.quantizer.digits(codes), masked, changed)


def likeliest(
    model: Masked, tokenizer: Tokenizer, logits: Float[Tensor, "*B N Q"]
) -> Float[Tensor, "*B N P"]:  # fmt: skip
    """The likeliest token by each digit, as numbers."""
    digits = torch.stack([part.argmax(-1) for part in model.split(logits)], -1)
    return token_numbers(tokenizer, digits)


def token_numbers(tokenizer: Tokenizer, digits: Tensor) -> Tensor:
    """Digits [.., N, 4, D] as the numbers of tokens, f32 [.., N, 4 · D]."""
    reach = tokenizer.quantizer.reach[:, 0, 0]
    return ((digits - reach) / reach).flatten(-2)


def outcome_loss(
    world: PixelWorld, frames: Float[Tensor, "B L 3 S S"], rewards: Float[Tensor, "B L"], ends: Float[Tensor, "B L"]
) -> Float[Tensor, ""]:
    """Of the reward's signed logarithm and of ends."""
    reward, end = world.outcome(frames[:, :-1].flatten(0, 1), frames[:, 1:].flatten(0, 1))
    true = rewards[:, :-1].flatten()
    loss: Tensor = ((reward - true.sign() * true.abs().log1p()) ** 2).mean()
    return loss + F.binary_cross_entropy_with_logits(end, ends[:, :-1].flatten())
