"""Measurements of weights on tasks that are kept: asked for again they are read, so a campaign goes on where it was."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np

from agent.core.files import write_atomically
from agent.games.arena.rules_hash import rules_hash
from agent.learning.merging.gate import Scores, Task, Values
from agent.models.sealed import Tensors, content_sha256
from agent.training.skills.measure import measure
from agent.training.skills.task import SkillTask

PARTS = Path(__file__).resolve().parents[3] / "docs" / "results" / "parts" / "skills"


class Kept:
    """Tasks by name, whose measurements lie in a folder."""

    def __init__(self, tasks: dict[str, SkillTask], folder: Path = PARTS) -> None:
        self.tasks = [Task(name, name) for name in tasks]
        self._tasks, self._folder = tasks, folder

    def value(self, tensors: Tensors, name: str, seed: int, episodes: int) -> Values:
        """The metric of one task on so many seeds."""
        task = self._tasks[name]
        asked = [rules_hash(), content_sha256(tensors), task.as_builtins(), seed, episodes]
        path = self._folder / f"{hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:20]}.json"
        if path.exists():
            return np.array(json.loads(path.read_text(encoding="utf-8"))["values"])
        values = measure(tensors, task, range(seed, seed + episodes))
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, json.dumps({"asked": asked, "values": values.tolist()}) + "\n")
        return values

    def scores(self, tensors: Tensors, seed: int, episodes: int) -> dict[str, Values]:
        """By task, the metric of each seed."""
        return {task.name: self.value(tensors, task.name, seed, episodes) for task in self.tasks}

    def of_players(self, players: dict[str, Tensors], seed: int, episodes: int) -> Scores:
        """Of each player, by task."""
        return {who: self.scores(tensors, seed, episodes) for who, tensors in players.items()}
