"""`train`: PPO, or a dreamer where the setting says so; `train outcomes` beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agent.commands.cli import run
from agent.control.reward import COUNTERS, SCORE
from agent.learning.configs import Budget
from agent.training import command, outcomes
from agent.training.arena.train import ArenaTraining
from agent.training.options import OutcomesOptions, TrainOptions


@pytest.mark.parametrize("served", ["ppo", "dreamer"])
def test_the_setting_says_what_is_trained(served: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setenv("METABONK_SERVED_POLICY", served)
    monkeypatch.setattr(command, "train", lambda options, budget, *rest: asked.append((options, budget)) or 0)
    assert run(["train", "--game", "mine:Maze", "--steps", "9", "--out", "o"]) == 0
    options, budget = asked[0]
    assert options == TrainOptions(game="mine:Maze", steps=9, out=Path("o"))
    assert isinstance(budget, Budget) if served == "dreamer" else budget is None


def test_the_setting_says_what_is_paid(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(command, "train", lambda *given: asked.append(given[-1]) or 0)
    for name in ("score", "counters"):
        monkeypatch.setenv("METABONK_REWARD_TABLE", name)
        assert run(["train", "--steps", "9", "--out", "o"]) == 0
    assert asked == [SCORE, COUNTERS]


def test_the_arena_is_trained_with_the_table_and_a_checkpoint_is_of_one() -> None:
    options = TrainOptions(steps=9, out=Path("o"))
    training = command.build_training(options, None, COUNTERS)
    assert isinstance(training, ArenaTraining) and training.batch.weights == COUNTERS
    assert training.ppo.config.gamma == COUNTERS.gamma and training.sealed()["notes"]["reward"] == "counters"
    assert command.asked(options, None, COUNTERS) != command.asked(options, None) == {"game": "arena", "seed": 0}


def test_a_third_of_the_steps_are_lessons_where_ppo_trains_in_the_arena() -> None:
    options = TrainOptions(steps=9, out=Path("o"))
    assert command.lesson_steps(options, None) == 3 and command.lesson_steps(options, Budget()) == 0
    assert command.lesson_steps(TrainOptions(game="mine:Maze", steps=9, out=Path("o")), None) == 0
    assert command.lesson_steps(TrainOptions(steps=9, out=Path("o"), lesson_steps=0), None) == 0


def test_outcomes_are_a_form_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(outcomes, "train_outcomes", lambda options, *rest: asked.append(options) or 0)
    assert run(["train", "outcomes", "--decisions", "3"]) == 0
    assert asked == [OutcomesOptions(decisions=3)]
