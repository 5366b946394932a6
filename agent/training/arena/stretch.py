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
from agent.core.rollout import IntArray
from agent.core.types import FloatArray
from agent.learning.ppo.returns import advantages
from agent.learning.ppo.update import RolloutSequences
from agent.models.policies import TrainablePolicy
from agent.training.arena.batch import ArenaBatch, EndedRun
from agent.training.collect import Deed, Happened, Play, PolicyActor, Seen, collect

Script = Callable[[ArenaBatch, Tensor, Tensor], tuple[Tensor, Tensor]]


class Stretch(msgspec.Struct, frozen=True, eq=False):
    """Sequences of a stretch, the script's actions where there was one, the runs that ended, the mean reward."""

    sequences: RolloutSequences
    script_axes: Tensor
    script_choices: Tensor
    ended: list[EndedRun]
    reward: float


class ArenaGames:
    """A batch of runs behind `collect.Games`; `ended` are the runs that ended since it was made."""

    def __init__(self, batch: ArenaBatch) -> None:
        self.batch = batch
        self.ended: list[EndedRun] = []

    def seen(self) -> Seen:
        """What the next decisions answer."""
        return Seen(self.batch.flat(), self.batch.is_first.copy(), self.batch.elapsed_ticks / np.float32(TICK_HZ))

    def step(self, axes: FloatArray, choices: IntArray) -> Happened:
        """One decision of every run; nobody sees what follows a cut at the score's cap."""
        outcome = self.batch.step(axes, choices[:, :3].astype(np.int32), choices[:, 3].astype(np.int32))
        self.ended += outcome.ended
        return Happened(
            outcome.reward + outcome.potential, outcome.is_terminal, outcome.is_last & ~outcome.is_terminal, {}
        )


class Player:
    """A policy on a batch of runs; samples its actions."""

    def __init__(self, batch: ArenaBatch, policy: TrainablePolicy, *, length: int, gamma: float, lam: float) -> None:
        self.batch, self.policy = batch, policy
        self.actor = PolicyActor(policy, batch.count)
        self._length, self._gamma, self._lam = length, gamma, lam

    def configure(self, *, gamma: float, lam: float) -> None:
        """Go on with another discount."""
        self._gamma, self._lam = gamma, lam

    def stretch(self, steps: int, script: Script | None = None) -> Stretch:
        """Play `steps` decisions of every run; `script` may replace actions and give those to imitate."""
        games, actor = ArenaGames(self.batch), self.actor
        carries: list[Tensor] = []
        wanted: list[tuple[Tensor, Tensor]] = []

        def change(axes: Tensor, choices: Tensor) -> None:
            wanted.append((axes, choices) if script is None else script(self.batch, axes, choices))

        def act(seen: Seen) -> Deed:
            carries.append(actor.carry)
            return actor(seen)

        actor.change = change
        play = collect(games, act, steps)
        data = self._data(play, actor.value(games.seen()))
        script_axes, script_choices = (self._parts(torch.stack(rows)) for rows in zip(*wanted, strict=True))
        sequences = self._cut(data, torch.stack(carries[:: self._length]))
        return Stretch(sequences, script_axes, script_choices, games.ended, float(data["reward"].mean()))

    def _data(self, play: Play, last_values: Tensor) -> dict[str, Tensor]:
        """Columns of sequences, [T, N, …]."""
        assert play.log_probs is not None and play.values is not None
        names = ("obs", "is_first", "elapsed_s", "axes", "choices", "log_prob", "value", "reward", "terminated")
        data = {name: torch.from_numpy(column) for name, column in zip(names, play, strict=False)}
        values, terminated, reward = data["value"], data.pop("terminated"), data["reward"]
        cut = terminated | torch.from_numpy(play.truncated)
        # A run cut at the score's cap has no value of what it would have seen: its own value stands in.
        after = torch.where(cut, values, torch.cat([values[1:], last_values[None]]))
        gained = advantages(reward, values, after, terminated, cut, self._gamma, self._lam)
        allowed = torch.ones(*reward.shape, sum(self.policy.spec.branches), dtype=torch.bool)
        ones = torch.ones_like(reward)
        return data | {"advantage": gained, "return": gained + values, "weight": ones, "allowed": allowed}

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
