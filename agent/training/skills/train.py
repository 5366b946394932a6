"""Training of a skill: the pilot that it begins with is taught by a script that plays for the metric, then by PPO.

The normaliser stays as it was, so that skills of one pilot can be added. Runs are cut early, where a skill is measured.
A weapon's cards have lessons of their own; what these have collected is no part of a checkpoint. Owns the runs and the
learner.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from agent.control.reward import SCORE, Weights
from agent.control.score import CAP_S
from agent.models.policies import PilotPolicy
from agent.models.sealed import Tensors
from agent.training.arena.batch import ArenaBatch, Outcome
from agent.training.arena.train import LESSON_LR, ArenaTraining
from agent.training.skills.cards import WeaponCards, WeaponLessons
from agent.training.skills.metrics import SCORE as SCORE_METRIC
from agent.training.skills.metrics import weapon_id
from agent.training.skills.task import SkillTask, SkillTeacher

RUNS: Final = 32
FIRST_SEED: Final = 30_000_000
"""Runs have seeds from here on."""
UNTIL_S: Final = 300.0
"""Runs of a training are cut there: longer than a skill is measured, so that it also knows what follows."""
PAYS: Final = 2.0
"""Minutes survived that a run's usual amount of the metric is worth."""
LESSONS_SHARE: Final = 0.6
GAMMA: Final = 0.998
CARDS: Final = 10.0
"""How much a choice of a card counts in lessons: one decision in sixty is one."""


class FrozenPilotPolicy(PilotPolicy):
    """A pilot whose normaliser does not change."""

    def observe(self, obs: Tensor) -> None:
        """Take in nothing."""


class SkillBatch(ArenaBatch):
    """Runs that also pay for growth of a metric: `pay` for each unit."""

    def __init__(self, count: int, seed: int, task: SkillTask, *, ticks: int, weights: Weights, pay: float) -> None:
        self._task, self._metric, self._pay = task, task.measure, pay
        self._before: NDArray[np.float64] = np.zeros(count)
        until_s = CAP_S if task.metric == SCORE_METRIC else UNTIL_S
        super().__init__(count, seed, ticks=ticks, casts=task.casts(), weights=weights, until_s=until_s)
        self._before = self._metric.count(self.records)

    def _begin(self, row: int) -> None:
        super()._begin(row)
        self._task.prepare(self.records[row], self.worlds.catalog.rules)
        self._before[row] = self._metric.count(self.records[row : row + 1])[0]

    def load_tensors(self, tensors: dict[str, NDArray[Any]]) -> None:
        """Take up what `tensors()` gave."""
        super().load_tensors(tensors)
        self._before = self._metric.count(self.records)

    def _outcome(self, playing: NDArray[np.bool_]) -> Outcome:
        after = self._metric.count(self.records)
        gained = self._metric.growth(self._before, after)
        self._before = after
        outcome = super()._outcome(playing)
        return msgspec.structs.replace(outcome, reward=(outcome.reward + self._pay * gained).astype(np.float32))


class SkillTraining(ArenaTraining):
    """A pilot that becomes a skill; `steps` counts decisions. usual: what a run of the base has of the metric."""

    def __init__(self, task: SkillTask, base: Tensors, *, usual: float, seed: int, total_steps: int) -> None:
        self.task, self._base = task, base
        lessons = 0 if task.metric == SCORE_METRIC else int(LESSONS_SHARE * total_steps)
        pay = 0.0 if task.metric == SCORE_METRIC else PAYS / max(abs(usual), task.measure.floor)
        weights = msgspec.structs.replace(SCORE, gamma=GAMMA)
        batch = SkillBatch(
            RUNS, FIRST_SEED * (1 + seed), task, ticks=int(base["decision_ticks"]), weights=weights, pay=pay
        )
        teacher = SkillTeacher(task)
        super().__init__(
            seed=seed, total_steps=total_steps, lesson_steps=lessons, weights=weights, begin=base,
            policy=FrozenPilotPolicy, batch=batch, teacher=teacher, cards=CARDS,
        )  # fmt: skip

        if task.weapon:
            lessons_of_cards = WeaponLessons(
                self.player, self.policy, lr=LESSON_LR, seed=seed, teacher=teacher, cards=CARDS
            )  # fmt: skip
            lessons_of_cards.weapon = teacher.cards = WeaponCards(self.policy.pilot, weapon_id(task.weapon), seed=seed)
            self.lessons = lessons_of_cards

    def pilot(self) -> Tensors:
        """The pilot's weights as they are now; copies."""
        return {name: t.numpy().copy() for name, t in self.policy.pilot.state_dict().items()}
