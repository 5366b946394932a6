"""Who plays weights: the sources' own tasks where a pilot plays the arena, else the game's own score."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from agent.control import encode
from agent.control.untrained import untrained_tensors
from agent.games.contract import HostedGame
from agent.models.sealed import content_sha256
from agent.store.merging import Base, Source
from agent.training.merging import evaluate as module
from agent.training.merging.evaluate import ArenaTasks, GameTask, evaluator_of, playing

PILOT = untrained_tensors(0)
BASE = Base(PILOT, "pilot", encode.describe(), {}, content_sha256(PILOT))
SOURCES = [
    Source("rich", PILOT, "x", {"metric": "gold", "weapon": "", "character": "Robinette", "seconds": 180.0}),
    Source("file", PILOT, "y"),
]


def _no_game() -> HostedGame:
    raise AssertionError("no game is needed")


def test_a_pilots_sources_are_played_at_their_own_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def measure(tensors: Any, task: Any, seeds: range) -> np.ndarray:
        asked.append((task.metric, task.character, list(seeds)))
        return np.zeros(len(seeds))

    monkeypatch.setattr(module, "measure", measure)
    found = evaluator_of("arena", BASE, SOURCES, _no_game, frames=False)
    assert isinstance(found, ArenaTasks) and [t.name for t in found.tasks] == ["rich: gold", "file: score"]
    assert found.scores(PILOT, 7, 2).keys() == {"rich: gold", "file: score"}
    assert asked == [("gold", "Robinette", [7, 8]), ("score", "", [7, 8])]


class Short:
    """A game that pays the first axis for three ticks."""

    name, rules, tick_s, content = "short", "r", 1 / 60, ""

    def reset(self, seed: int, start: str = "run") -> None:
        self.seed = seed


def test_another_game_is_one_task_of_all_sources(monkeypatch: pytest.MonkeyPatch) -> None:
    class Episode:
        level = None
        episode_return = 3.5

    class Run:
        def __init__(self, game: Any, policy: Any, *, frames: bool) -> None:
            assert policy.name == "pilot" and not frames

        def episode(self, seed: int) -> Episode:
            return Episode()

    monkeypatch.setattr(module, "EvaluationRun", Run)
    found = evaluator_of("gym:CartPole-v1", BASE, SOURCES, Short, frames=False)  # type: ignore[arg-type]
    assert isinstance(found, GameTask) and [(t.name, t.source) for t in found.tasks] == [("short", "rich")]
    assert found.scores(PILOT, 7, 3)["short"].tolist() == [3.5] * 3


def test_weights_become_a_policy_of_the_bases_kind() -> None:
    policy: Any = playing(BASE, PILOT)
    assert policy.name == "pilot" and content_sha256(policy.tensors) == BASE.sha256
