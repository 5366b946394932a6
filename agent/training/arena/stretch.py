"""Stretches of play of a batch of runs by a policy, as the sequences that learners take.

Owns the runs' memory between stretches; no learning.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import numpy as np
import torch
from torch import Tensor

from agent.core.clock import TICK_HZ
from agent.learning.ppo.returns import advantages
from agent.learning.ppo.update import RolloutSequences
from agent.models.heads import log_prob, sample
from agent.models.policies import TrainablePolicy
from agent.training.arena.batch import ArenaBatch, EndedRun

Script = Callable[[ArenaBatch, Tensor, Tensor], tuple[Tensor, Tensor]]


class Stretch(msgspec.Struct, frozen=True, eq=False):
    """Sequences of a stretch, the script's actions where there was one, the runs that ended, the mean reward."""

    sequences: RolloutSequences
    script_axes: Tensor
    script_choices: Tensor
    ended: list[EndedRun]
    reward: float


class Player:
    """A policy on a batch of runs; samples its actions."""

    def __init__(self, batch: ArenaBatch, policy: TrainablePolicy, *, length: int, gamma: float, lam: float) -> None:
        self.batch, self.policy = batch, policy
        self.carry = policy.initial(batch.count)
        self._length, self._gamma, self._lam = length, gamma, lam

    def _row(self) -> tuple[Tensor, Tensor, Tensor]:
        b = self.batch
        return (
            torch.from_numpy(b.flat()),
            torch.from_numpy(b.is_first.copy()),
            torch.from_numpy(b.elapsed_ticks / TICK_HZ),
        )

    @torch.no_grad()
    def stretch(self, steps: int, script: Script | None = None) -> Stretch:
        """Play `steps` decisions of every run; `script` may replace actions and give those to imitate."""
        names = (
            "obs",
            "is_first",
            "elapsed_s",
            "axes",
            "choices",
            "log_prob",
            "value",
            "script_axes",
            "script_choices",
        )
        kept: dict[str, list[Tensor]] = {name: [] for name in names}
        carries, rewards, terminal, last, ended = [], [], [], [], []
        for step in range(steps):
            obs, is_first, elapsed_s = self._row()
            if step % self._length == 0:
                carries.append(self.carry)
            heads, self.carry = self.policy(obs[:, None], self.carry, is_first[:, None], elapsed_s[:, None])
            axes, choices = (x[:, 0] for x in sample(heads))
            wanted = (axes, choices)
            if script is not None:
                wanted = script(self.batch, axes, choices)
            row = (obs, is_first, elapsed_s, axes, choices, log_prob(heads, axes[:, None], choices[:, None])[:, 0])
            for name, value in zip(names, (*row, heads.value[:, 0], *wanted), strict=True):
                kept[name].append(value)
            outcome = self.batch.step(
                axes.numpy(), choices[:, :3].numpy().astype(np.int32), choices[:, 3].numpy().astype(np.int32)
            )
            rewards.append(torch.from_numpy(outcome.reward))
            terminal.append(torch.from_numpy(outcome.is_terminal))
            last.append(torch.from_numpy(outcome.is_last))
            ended += outcome.ended
        obs, is_first, elapsed_s = self._row()
        heads, _ = self.policy(obs[:, None], self.carry, is_first[:, None], elapsed_s[:, None])
        data = {name: torch.stack(rows) for name, rows in kept.items()}
        values = data["value"]
        after_values = torch.cat([values[1:], heads.value[:, 0][None]])
        cut = torch.stack(last)
        # A run cut at the score's cap has no value of what it would have seen: its own value stands in.
        after_values = torch.where(cut, values, after_values)
        reward = torch.stack(rewards)
        advantage = advantages(reward, values, after_values, torch.stack(terminal), cut, self._gamma, self._lam)
        data |= {"advantage": advantage, "return": advantage + values, "weight": torch.ones_like(reward)}
        data["allowed"] = torch.ones(*reward.shape, sum(self.policy.spec.branches), dtype=torch.bool)
        sequences = self._cut(data, torch.stack(carries))
        extra = (self._parts(data["script_axes"]), self._parts(data["script_choices"]))
        return Stretch(sequences, *extra, ended, float(reward.mean()))

    def _parts(self, x: Tensor) -> Tensor:
        """[T, N, …] → [T/L · N, L, …]."""
        steps, runs = x.shape[:2]
        parts = x.reshape(steps // self._length, self._length, runs, *x.shape[2:]).transpose(1, 2)
        return parts.reshape(-1, self._length, *x.shape[2:])

    def _cut(self, data: dict[str, Tensor], carries: Tensor) -> RolloutSequences:
        p = {name: self._parts(rows) for name, rows in data.items()}
        return RolloutSequences(
            p["obs"], carries.reshape(-1, carries.shape[-1]), p["is_first"], p["elapsed_s"], p["axes"], p["choices"],
            p["allowed"], p["log_prob"], p["value"], p["advantage"], p["return"], p["weight"],
        )  # fmt: skip
