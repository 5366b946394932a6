"""What a motor learns from: runs of the arena by several players, as a pilot sees and remembers them.

Owns the runs and the pilot's memory of each. Rows of the batch belong to players: the pilot as it is, the pilot
with noise, and the script of the lessons.
"""

from __future__ import annotations

from typing import Final

import msgspec
import numpy as np
import torch
from torch import Tensor

from agent.core.rollout import OFF_POLICY_SPREAD
from agent.learning.cpqe.windows import Chunks, Played, cut_chunks
from agent.models.actor_critic import Pilot, PilotOutput
from agent.training.arena.batch import ArenaBatch, EndedRun
from agent.training.arena.teacher import Teacher

KEPT_NOISE: Final = 0.9
"""Share of a decision's noise that the next one has too."""


class Shares(msgspec.Struct, frozen=True):
    """Shares of the rows that the pilot with noise and the script play; the pilot as it is plays the others."""

    noisy: float = 0.3
    script: float = 0.2


class MotorData:
    """Runs that are played on and on, and what was done in them."""

    def __init__(self, batch: ArenaBatch, pilot: Pilot, *, shares: Shares, seed: int) -> None:
        self.batch, self.pilot = batch, pilot.requires_grad_(False)
        self.ended: list[EndedRun] = []
        count = batch.count
        self._noisy = np.arange(count) < shares.noisy * count
        self._script = np.arange(count) >= (1.0 - shares.script) * count
        self._teacher = Teacher()
        self._random = np.random.default_rng(seed)
        self._hidden = torch.zeros(count, pilot.sizes.units)
        self._noise = self._random.standard_normal((count, 4)).astype(np.float32)
        self._spread = OFF_POLICY_SPREAD * pilot.axes_log_std.exp().numpy()

    @torch.no_grad()
    def _think(self) -> tuple[Tensor, PilotOutput]:
        """One step of the pilot on every run: what it sees and remembers, and what it would do."""
        o, b = self.batch.observed, self.batch
        self._hidden[torch.from_numpy(b.is_first)] = 0.0
        parts = (torch.from_numpy(x) for x in (o.self_, o.tokens, o.mask, o.rings))
        seen = self.pilot.encoder(*parts, torch.zeros(b.count, self.pilot.sizes.encoder.picture))
        ticks = torch.from_numpy(np.minimum(b.elapsed_ticks, 30.0))[:, None]
        self._hidden = self.pilot.memory(seen, self._hidden, ticks)
        out = self.pilot.decide(seen, self._hidden, torch.from_numpy(o.cards))
        return torch.cat([seen, self._hidden], 1), out

    def play(self, decisions: int) -> list[Played]:
        """Play on; what was done in each run."""
        columns: list[tuple[np.ndarray, ...]] = []
        for _ in range(decisions):
            condition, out = self._think()
            first, playing = self.batch.is_first.copy(), ~self.batch.in_menu
            axes, buttons, cards = self._act(out)
            outcome = self.batch.step(axes, buttons, cards)
            self.ended += outcome.ended
            action = np.concatenate([axes, buttons * 2.0 - 1.0], 1).astype(np.float32)
            gained = outcome.reward + outcome.potential
            columns.append((condition.numpy(), action, gained, playing, first, outcome.is_terminal))
        stacked = [np.stack(parts) for parts in zip(*columns, strict=True)]
        return [Played(*(column[:, row] for column in stacked)) for row in range(self.batch.count)]

    def _act(self, out: PilotOutput) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """What the player of each row does."""
        fresh = self._random.standard_normal(self._noise.shape).astype(np.float32)
        self._noise = KEPT_NOISE * self._noise + np.sqrt(1.0 - KEPT_NOISE**2).astype(np.float32) * fresh
        mean = out.axes_mean.numpy()
        axes = np.tanh(mean + np.where(self._noisy[:, None], self._noise * self._spread, 0.0)).astype(np.float32)
        buttons = (out.buttons.numpy() > 0).astype(np.int32)
        cards = out.cards.numpy().argmax(1).astype(np.int32)
        if self._script.any():
            a, b, c = self._teacher.act(self.batch)
            rows = self._script
            axes[rows], buttons[rows], cards[rows] = a[rows], b[rows], c[rows]
        return axes, buttons, cards


def gather(data: MotorData, decisions: int, *, length: int, backup: int, gamma: float) -> Chunks:
    """Chunks of so many decisions of every run."""
    found = [cut_chunks(p, length=length, backup=backup, gamma=gamma) for p in data.play(decisions)]
    return Chunks(*(torch.cat(parts) for parts in zip(*(msgspec.structs.astuple(c) for c in found), strict=True)))
