"""Paired episodes of weights by the tasks of their sources: in the arena by each one's metric, elsewhere by the return.

All weights play the same seeds of a task. Owns the games that it plays.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec
import numpy as np

from agent.control.motor import KIND
from agent.control.policies import build_policy
from agent.control.policy import Policy
from agent.games.contract import HostedGame
from agent.learning.merging.gate import Task, Values
from agent.models.sealed import Tensors, save_sealed
from agent.store.merging import Base, Source
from agent.training.evaluate import EvaluationRun
from agent.training.skills.measure import SEEDS, measure
from agent.training.skills.metrics import SCORE
from agent.training.skills.task import SkillTask

SEARCH_SEEDS: Final = SEEDS + 1_000_000
"""A search plays seeds from here on, which no gate plays."""


class Evaluator(Protocol):
    """Whoever plays weights on tasks."""

    @property
    def tasks(self) -> list[Task]:
        """The tasks."""
        ...

    def scores(self, tensors: Tensors, seed: int, episodes: int) -> dict[str, Values]:
        """By task, one value for each of the seeds `seed`, `seed` + 1, …; higher is better."""
        ...


class ArenaTasks:
    """Each source's task in the arena; of a source without one, the score of whole runs."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self._tasks = {source.name: _task(source) for source in sources}
        self.tasks = [Task(f"{name}: {task.metric}", name) for name, task in self._tasks.items()]

    def scores(self, tensors: Tensors, seed: int, episodes: int) -> dict[str, Values]:
        """By task, the metric of each seed."""
        seeds = range(seed, seed + episodes)
        return {task.name: measure(tensors, self._tasks[task.source], seeds) for task in self.tasks}


def _task(source: Source) -> SkillTask:
    known = {field.name for field in msgspec.structs.fields(SkillTask)}
    told = {name: value for name, value in source.task.items() if name in known}
    return msgspec.convert(told, SkillTask) if "metric" in told else SkillTask(SCORE)


class GameTask:
    """One hosted game for all sources: an arena run's score, an environment's return."""

    def __init__(self, game: HostedGame, base: Base, sources: Sequence[Source], *, frames: bool) -> None:
        self.tasks = [Task(game.name, source.name) for source in sources[:1]]
        self._game, self._base, self._frames = game, base, frames

    def scores(self, tensors: Tensors, seed: int, episodes: int) -> dict[str, Values]:
        """The game's, for each seed."""
        run = EvaluationRun(self._game, playing(self._base, tensors), frames=self._frames)
        found = []
        for at in range(episodes):
            result = run.episode(seed + at)
            found.append(result.score_s if result.level is not None else float(result.episode_return or 0.0))
        return {self.tasks[0].name: np.array(found)}


def playing(base: Base, tensors: Tensors) -> Policy:
    """A policy of the base's kind with these weights."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "merged.safetensors"
        save_sealed(path, tensors, kind=base.kind, layout=base.layout, sizes=base.sizes)
        return build_policy(base.kind, weights=path)


def evaluator_of(
    game: str, base: Base, sources: Sequence[Source], build: Callable[[], HostedGame], *, frames: bool
) -> Evaluator:
    """Who plays: the sources' own tasks where a pilot plays the arena, else the game."""
    if game == "arena" and base.kind == KIND:
        return ArenaTasks(sources)
    return GameTask(build(), base, sources, frames=frames)


def as_builtins(verdict: Any) -> dict[str, Any]:
    """A verdict as plain values."""
    found: dict[str, Any] = msgspec.to_builtins(verdict)
    return found
