"""Training of a motor in the arena: play by several players, then critics, flow and student on what was done.

One `advance` plays a stretch and makes the updates that it is worth. What was played is not part of a checkpoint: a
resumed training plays anew before it goes on. Owns the runs, the replay and the learner.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import torch
from torch import Tensor

from agent.control.chunks.policy import KIND, PILOT_PREFIX, TRAINED, describe
from agent.control.motor import pilot_tensors
from agent.control.policies import SHIPPED
from agent.control.reward import SCORE, Weights
from agent.control.untrained import pilot_of
from agent.core.errors import WeightsError
from agent.core.goals.vector import PLACED_FEATURES
from agent.games.arena.rules_hash import rules_hash
from agent.learning.configs import CpqeConfig
from agent.learning.cpqe.learner import CpqeLearner
from agent.learning.cpqe.losses import no_prefix
from agent.learning.cpqe.windows import Chunks, joined
from agent.models.sizes import CpqeSizes
from agent.training.arena.batch import ArenaBatch
from agent.training.arena.motor_data import MotorData, Shares, gather

RUNS: Final = 64
STRETCH: Final = 64
FIRST_SEED: Final = 80_000_000
"""Runs have seeds from here on, far from those of evaluations and of the pilot's training."""
UPDATES_PER_DECISION: Final = 0.06
CRITICS_EVERY: Final = 3
"""Critics learn in every third update: five of them cost as much as flow and student together."""
STUDENT_FROM: Final = 0.2
"""The share of the training after which the student learns too: before it there is little to learn from the flow."""
TURNS_FROM: Final = 0.35
"""The share after which the student takes turns with the script."""
MIN_CHUNKS: Final = 16_384
MAX_CHUNKS: Final = 150_000
"""Of each of the two kinds; the oldest go first."""
VALUES: Final = (-0.2, 1.0)
"""Between which the critics' values lie, in minutes survived."""


class MotorTraining:
    """A motor on the shipped pilot, or on that of `pilot`; `steps` counts decisions."""

    game = "arena"

    def __init__(
        self, *, seed: int, total_steps: int, runs: int = RUNS, weights: Weights = SCORE, pilot: Path = SHIPPED,
        config: CpqeConfig | None = None, shares: Shares | None = None,
    ) -> None:  # fmt: skip
        torch.manual_seed(seed)
        self.config = config or CpqeConfig(seed=seed)
        network = pilot_of(pilot_tensors(pilot))
        features = network.sizes.encoder.hidden + network.sizes.units
        low, high = VALUES
        self.sizes = CpqeSizes(features, goal=PLACED_FEATURES, low=low, high=high)
        self.learner = CpqeLearner(self.sizes, self.config)
        batch = ArenaBatch(runs, FIRST_SEED * (1 + seed), ticks=network.sizes.decision_ticks, weights=weights)
        self.data = MotorData(batch, network, shares=shares or Shares(), seed=seed)
        self.steps = 0
        self._total = total_steps
        self._own: list[Chunks] = []
        self._drawn: list[Chunks] = []
        self._random = np.random.default_rng(seed)
        self._owed = 0.0
        c = self.config
        self.about = [
            f"rewards are of the table {weights.name}, and of the subgoals " + ", ".join(g.describe() for g in TRAINED),
            f"the motor reads {features} numbers of its pilot and {PLACED_FEATURES} of a subgoal, and plans "
            f"{self.sizes.chunk} decisions",
            "scores on the way are of all that play for it, the script and the pilot too, not the motor's own",
            f"{self.sizes.members} critics look {c.backup} decisions ahead with gamma {c.gamma:g}; all "
            f"learn with lr {c.lr:g}, which falls to {c.last_lr:.0%} of it",
        ]

    def advance(self) -> dict[str, float]:
        """Play one stretch and learn from it; figures by name."""
        c, s = self.config, self.sizes
        if self.steps > TURNS_FROM * self._total:
            self.data.motor = self._first_action
        own, drawn = gather(self.data, STRETCH + c.backup, length=s.chunk, backup=c.backup, gamma=c.gamma)
        self._keep(self._own, own)
        self._keep(self._drawn, drawn)
        decisions = self.data.batch.count * (STRETCH + c.backup)
        self.steps += decisions
        self.learner.progress = min(1.0, self.steps / self._total)
        metrics = {"chunks": float(sum(map(len, self._own))), "episodes": float(len(self.data.ended))}
        if self.data.ended:
            metrics["score_s"] = float(np.mean([run.score_s for run in self.data.ended[-100:]]))
        if sum(map(len, self._own)) < min(MIN_CHUNKS, self._total // 2):
            return metrics
        self._owed += UPDATES_PER_DECISION * decisions
        return metrics | self._learn()

    @torch.no_grad()
    def _first_action(self, condition: Tensor) -> Tensor:
        """The first action [N, 7] of the student's likeliest chunk."""
        nothing = no_prefix(len(condition), self.learner.student.width, self.sizes.chunk)
        chunk: Tensor = self.learner.student(condition, nothing.actions, nothing.actions, nothing.known)
        return chunk[:, : self.sizes.action]

    def _keep(self, parts: list[Chunks], new: Chunks) -> None:
        parts.append(new)
        while sum(map(len, parts)) > MAX_CHUNKS:
            parts.pop(0)

    def _learn(self) -> dict[str, float]:
        """The updates that are owed; means of their figures."""
        own, drawn = joined(self._own), joined(self._drawn)
        found: dict[str, list[float]] = {}
        while self._owed >= 1.0:
            self._owed -= 1.0
            figures = self.learner.imitate(self._sample(own, self.config.batch))
            if self.learner.updates["flow"] % CRITICS_EVERY == 0:
                half = self._sample(own, self.config.batch // 2)
                judged = joined([half, self._sample(drawn, self.config.batch - len(half))])
                figures |= self.learner.judge(judged)
            if self.steps > STUDENT_FROM * self._total:
                figures |= self.learner.distil(self._sample(own, self.config.batch // 2))
            for name, value in figures.items():
                found.setdefault(name, []).append(value)
        return {name: float(np.mean(values)) for name, values in found.items()}

    def _sample(self, chunks: Chunks, count: int) -> Chunks:
        return chunks.rows(torch.from_numpy(self._random.integers(0, len(chunks), count)))

    def tensors(self) -> dict[str, Tensor]:
        """Everything that a restart needs, but for what was played."""
        return {**self.learner.tensors(), "steps": torch.tensor(self.steps)}

    def load_tensors(self, tensors: dict[str, Tensor]) -> None:
        """Take up what `tensors()` gave; raises WeightsError where it is of another training."""
        try:
            self.learner.load_tensors(tensors)
            self.steps = int(tensors["steps"])
        except (KeyError, ValueError) as error:
            raise WeightsError(f"not a checkpoint of a motor's training: {error}") from error

    def sealed(self) -> dict[str, Any]:
        """The arguments of `save_sealed` for the weights that are served."""
        learned = {f"student.{n}": t for n, t in self.learner.student.state_dict().items()}
        learned |= {f"critics.{n}": t for n, t in self.learner.critics.state_dict().items()}
        pilot = {PILOT_PREFIX + n: t for n, t in self.data.pilot.state_dict().items()}
        return {
            "tensors": {name: t.numpy() for name, t in (pilot | learned).items()},
            "kind": KIND,
            "layout": describe(),
            "sizes": {"pilot": msgspec.to_builtins(self.data.pilot.sizes), "motor": msgspec.to_builtins(self.sizes)},
            "notes": {"rules": rules_hash(), "steps": self.steps, "reward": self.data.batch.weights.name},
        }
