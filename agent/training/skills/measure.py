"""What a pilot's weights do by a skill's metric: runs of the arena in lock-step, on the same seeds for all.

Owns the worlds that it plays.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from agent.control.motor import checked_reflex
from agent.control.score import CAP_S
from agent.games.arena import state as layout
from agent.models.sealed import Tensors
from agent.training.arena.lockstep import LockstepPlayer
from agent.training.skills.metrics import SCORE
from agent.training.skills.task import SECONDS, SkillTask

Values = NDArray[np.float64]
SEEDS: Final = 60_000_000
"""Runs that measure have seeds from here on, far from those of trainings and of evaluations."""


def measure(tensors: Tensors, task: SkillTask, seeds: Iterable[int]) -> Values:
    """The metric of one run for each seed [N], as `evaluate` would play it; of the score, whole runs.

    Raises WeightsError.
    """
    whole = task.metric == SCORE
    player = LockstepPlayer(checked_reflex(tensors, "measured weights"), task.cast, until_s=CAP_S if whole else SECONDS)
    return np.array([_run(player, task, seed) for seed in seeds])


def _run(player: LockstepPlayer, task: SkillTask, seed: int) -> float:
    """One run; growth is added up from menu to menu, since a new stage begins some counts anew."""
    player.begin(seed)
    task.prepare(player.world, player.rules)
    metric, total = task.measure, 0.0
    before = metric.count(player.records)
    while True:
        goes_on = player.advance()
        after = metric.count(player.records)
        total += float(metric.growth(before, after)[0])
        before = after
        if not goes_on:
            break
    if task.metric == SCORE:
        won = int(player.world["phase"]) == layout.WON
        return CAP_S if won else min(total, CAP_S)
    return total
