"""One member that trains a pilot in the arena by PPO, whose hyper-parameters and reward table an order sets.

It begins with a pilot's weights. What it is judged by is the score of whole runs, which no weight of the table changes.
Owns the training.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
from torch import Tensor

from agent.control.motor import pilot_tensors
from agent.control.policies import SHIPPED
from agent.control.reward import SCORE
from agent.learning.population import Value
from agent.training.arena.train import ArenaTraining
from agent.training.population.config import OF_ARENA, OF_PPO
from agent.training.population.member import Task, check_finite
from agent.training.skills.measure import measure
from agent.training.skills.metrics import SCORE as SCORE_METRIC
from agent.training.skills.task import SkillTask


class ArenaMember:
    """A training in the arena without lessons."""

    def __init__(self, task: Task, seed: int) -> None:
        begin = pilot_tensors(SHIPPED if task.begin is None else Path(task.begin))
        self.training = ArenaTraining(
            seed=seed, total_steps=task.total_steps, lesson_steps=0, runs=task.runs, begin=begin
        )  # fmt: skip

    @property
    def steps(self) -> int:
        """Steps of the weights, from the pilot that they began with."""
        return self.training.steps

    def configure(self, values: dict[str, Value]) -> None:
        """Go on with these hyper-parameters; what they do not name is as `train` has it."""
        training = self.training
        config = {name: float(values[name]) for name in OF_PPO if name in values}
        training.ppo.config = msgspec.structs.replace(training.ppo.config, **config)
        gamma = training.ppo.config.gamma
        training.player.configure(gamma=gamma, lam=training.ppo.config.lam)
        pays = {name: float(values[name]) for name in OF_ARENA if name in values}
        training.batch.pay(msgspec.structs.replace(SCORE, **pays, gamma=gamma))

    def train(self, steps: int) -> dict[str, float]:
        """At least so many decisions; raises NumberError where the training broke down."""
        until, metrics = self.training.steps + steps, dict[str, float]()
        while self.training.steps < until:
            metrics = self.training.advance()
        check_finite(self.training.ppo.tensors())
        return metrics

    def evaluate(self, first_seed: int, episodes: int) -> list[float]:
        """The score of so many whole runs, s."""
        tensors = {name: t.numpy().copy() for name, t in self.training.policy.pilot.state_dict().items()}
        seeds = range(first_seed, first_seed + episodes)
        return [float(score) for score in measure(tensors, SkillTask(SCORE_METRIC), seeds)]

    def tensors(self) -> dict[str, Tensor]:
        """Everything that a copy needs, the running worlds included."""
        return self.training.tensors()

    def load_tensors(self, tensors: dict[str, Tensor]) -> None:
        """Take up what `tensors()` gave, of this member or another; raises WeightsError."""
        self.training.recent.clear()
        self.training.returns.clear()
        self.training.load_tensors(tensors)

    def sealed(self) -> dict[str, Any]:
        """The arguments of `save_sealed` for the weights."""
        return self.training.sealed()
