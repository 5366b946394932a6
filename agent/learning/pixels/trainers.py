"""One step after another of a tokenizer and of dynamics. What is drawn in a step depends on the seed and its number."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn

from agent.core.errors import WeightsError
from agent.learning.adam import Adam
from agent.learning.pixels.episodes import Episodes, Windows
from agent.learning.pixels.losses import (
    BETA,
    MAX_NOISE,
    USAGE,
    encoded,
    masked_loss,
    one_pass_loss,
    outcome_loss,
    tokenizer_loss,
)
from agent.learning.tensors import load_adam, module_tensors, moment_tensors, take_up
from agent.models.pixels.masked import Masked
from agent.models.pixels.tokenizer import Tokenizer
from agent.models.pixels.world import PixelWorld, to_unit

LR: Final = 1e-3
DYNAMICS_LR: Final = 6e-4
WARM_UP: Final = 30
MAX_NORM: Final = 1.0
PAIRS: Final = 32
DROPPED: Final = 0.1
"""Of windows: those whose actions are not told."""
OWN_FROM: Final = 2 / 3
"""Of training: from there on dynamics see pictures of their own."""
_ADAM: Final = "adam.{name}.{moment}"


class _Trainer:
    """A module, its optimiser, and steps."""

    def __init__(self, module: nn.Module, episodes: Episodes, lr: float, seed: int, device: torch.device) -> None:
        self.module = module.to(device).train()
        self.episodes, self.seed, self.device = episodes, seed, device
        self.steps = 0
        self._lr = lr
        self._named = list(module.named_parameters())
        self._optimiser = Adam([p for _, p in self._named], lr)

    def _draw(self) -> np.random.Generator:
        torch.manual_seed(self.seed * 1_000_003 + self.steps)
        return np.random.default_rng((self.seed, self.steps))

    def _descend(self, loss: Tensor, share: float) -> None:
        """One step down, at the rate of this share of the training."""
        warm = min(1.0, (self.steps + 1) / WARM_UP)
        self._optimiser.lr = self._lr * warm * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * min(1.0, share))))
        self._optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        for is_outcome in (True, False):  # its loss is larger, and must not shorten the others' steps
            part = [p for name, p in self._named if name.startswith("outcome.") == is_outcome]
            if part:
                nn.utils.clip_grad_norm_(part, MAX_NORM)
        self._optimiser.step()
        self.steps += 1

    def _picked(self, windows: Windows) -> tuple[Tensor, Tensor]:
        frames = to_unit(torch.from_numpy(windows.frames).to(self.device))
        return frames, torch.from_numpy(windows.actions).to(self.device)

    def tensors(self) -> dict[str, Tensor]:
        """Everything that a resumed training needs."""
        return {
            **module_tensors(self.module, "model."), **moment_tensors(_ADAM, self._named, self._optimiser.state),
            "steps": torch.tensor([self.steps]),
        }  # fmt: skip

    def load_tensors(self, tensors: dict[str, Tensor]) -> None:
        """Take up what `tensors()` gave; raises WeightsError."""
        if "steps" not in tensors:
            raise WeightsError("not a checkpoint of a training: steps missing")
        own = {name: t for name, t in tensors.items() if name.startswith("model.")}
        take_up(module_tensors(self.module, "model."), own)
        moments = {name: t.to(self.device) for name, t in tensors.items() if name.startswith("adam.")}
        load_adam(_ADAM, self._named, self._optimiser, moments)
        self.steps = int(tensors["steps"])


class TokenizerTrainer(_Trainer):
    """Pairs of pictures; the second goes through codes, the first says which of its pixels changed."""

    module: Tokenizer

    def __init__(self, tokenizer: Tokenizer, episodes: Episodes, *, seed: int, device: torch.device) -> None:
        super().__init__(tokenizer, episodes, LR, seed, device)

    def advance(self, share: float) -> dict[str, float]:
        """One step; share: how much of the training is done, 0 … 1."""
        frames, _ = self._picked(self.episodes.windows(self._draw(), PAIRS, 2))
        loss = tokenizer_loss(self.module, frames[:, 0], frames[:, 1])
        self._descend(loss, share)
        return {"loss": float(loss.detach())}


class DynamicsTrainer(_Trainer):
    """Dynamics of either kind, with regime and outcome; the tokenizer does not move.

    blind: actions are not told, for a control.
    """

    module: PixelWorld

    def __init__(
        self, world: PixelWorld, episodes: Episodes, *, seed: int, device: torch.device, blind: bool = False
    ) -> None:
        if world.tokenizer is not None:
            world.tokenizer.requires_grad_(False)
        super().__init__(world, episodes, DYNAMICS_LR, seed, device)
        self._named = [(name, p) for name, p in self._named if p.requires_grad]
        self._optimiser = Adam([p for _, p in self._named], DYNAMICS_LR)
        self._blind = blind
        self._has_outcomes = all(e.rewards is not None and e.dones is not None for e in episodes.items)

    def advance(self, share: float) -> dict[str, float]:
        """One step; share: how much of the training is done, 0 … 1."""
        world, rng = self.module, self._draw()
        dynamics = world.dynamics
        if isinstance(dynamics, Masked):
            length, count = dynamics.sizes.window, 8
        else:
            ahead = 1 if share < OWN_FROM else 2 if share < 0.5 * (1 + OWN_FROM) else 4
            length, count = dynamics.sizes.context + ahead, 16 if ahead < 4 else 8
        windows = self.episodes.windows(rng, count, length)
        frames, actions = self._picked(windows)
        told = torch.zeros_like(actions) if self._blind else self._dropped(actions)
        metrics: dict[str, float] = {}
        loss, regime = torch.zeros((), device=self.device), None
        if world.regime is not None:
            logits = world.regime.logits(frames)
            regime = world.regime.draw(logits, max(0.5, 1.0 - share))
            terms = world.regime.losses(logits, regime)
            loss = BETA * terms.divergence - USAGE * terms.usage
            metrics |= {"regime_kl": float(terms.divergence.detach()), "regime_entropy": float(terms.usage.detach())}
        if isinstance(dynamics, Masked):
            assert world.tokenizer is not None
            with torch.no_grad():
                codes = encoded(world.tokenizer, frames)
            made = masked_loss(
                dynamics, world.tokenizer, codes, told, regime, ratio=(0.5, 1.0), corrupt=0.05 + 0.15 * share,
                own=0.5 if share >= OWN_FROM else 0.0,
            )  # fmt: skip
        else:
            made = one_pass_loss(dynamics, frames, told, regime, noise=MAX_NOISE)
        loss = loss + made
        metrics["loss"] = float(made.detach())
        if self._has_outcomes:
            earned = self._outcome(frames, windows)
            loss, metrics["outcome_loss"] = loss + earned, float(earned.detach())
        self._descend(loss, share)
        return metrics

    def _dropped(self, actions: Tensor) -> Tensor:
        return actions * (torch.rand(len(actions), 1, 1, device=self.device) >= DROPPED)

    def _outcome(self, frames: Tensor, windows: Windows) -> Tensor:
        pairs = list(zip(windows.episodes.tolist(), windows.starts.tolist(), strict=True))
        length, items = frames.shape[1], self.episodes.items
        rewards = np.stack([np.asarray(items[i].rewards)[s : s + length] for i, s in pairs]).astype(np.float32)
        ends = np.stack([np.asarray(items[i].dones)[s : s + length] for i, s in pairs]).astype(np.float32)
        given = (torch.from_numpy(array).to(self.device) for array in (rewards, ends))
        return outcome_loss(self.module, frames, *given)
