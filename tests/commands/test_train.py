"""`train`: PPO, or a dreamer where the setting says so; `train outcomes` beside it."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch
from rich.console import Console

from agent.commands.cli import run
from agent.control.policies import SHIPPED
from agent.control.reward import COUNTERS, SCORE
from agent.core.clock import SystemClock
from agent.core.errors import SettingsError
from agent.learning.configs import Budget
from agent.training import command, outcomes
from agent.training.arena.train import LENGTH, ArenaTraining
from agent.training.dream import DreamTraining
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


def test_a_checkpoint_is_of_the_weights_that_its_training_began_with() -> None:
    earlier = SHIPPED.with_name("pilot-0.1.0.safetensors")
    pilots = [TrainOptions(steps=9, out=Path("o"), begin=begin) for begin in (None, SHIPPED, earlier)]
    assert len({str(command.asked(options, None)) for options in pilots}) == 3
    motors = [replace(options, policy="motor") for options in pilots]
    default, shipped, other = (command.asked(options, None) for options in motors)
    assert default == shipped != other


def test_training_and_its_folder_are_told_of_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Any] = []

    class Folder:
        def __init__(self, out: Path, asked: Any, resume: bool) -> None:
            told.append(asked["reward"]["name"])

        def kept(self) -> None:
            return None

    def build(options: TrainOptions, budget: Budget | None, weights: Any = SCORE, kept: Any = None) -> Any:
        told.append(weights)
        raise SettingsError("enough")

    monkeypatch.setattr(command, "TrainingFolder", Folder)
    monkeypatch.setattr(command, "build_training", build)
    with pytest.raises(SettingsError, match="enough"):
        command.train(TrainOptions(steps=9, out=Path("o")), None, SystemClock(), Console(), weights=COUNTERS)
    assert told == ["counters", COUNTERS]


def test_a_dreamer_in_the_arena_is_paid_by_the_table_and_its_weights_name_it() -> None:
    training = command.build_training(TrainOptions(steps=9, out=Path("o"), copies=1), Budget(), COUNTERS)
    assert isinstance(training, DreamTraining) and training.sealed()["notes"]["reward"] == "counters"
    assert training._recorder._buffers[0].rewards.weights == COUNTERS
    assert training.seats[0]._tracker.reward == "counters"


def test_ppo_in_the_arena_is_paid_with_potentials_and_discounted_by_the_table() -> None:
    def returns(**changes: float) -> torch.Tensor:
        """What a first stretch pays from the same state, by a table of its own."""
        torch.manual_seed(0)
        table = msgspec.structs.replace(SCORE, name="mine", **changes)
        training = ArenaTraining(seed=0, total_steps=9, lesson_steps=0, runs=1, weights=table)
        return training.player.stretch(LENGTH).sequences.returns

    usual = returns()
    assert not torch.allclose(usual, returns(level_potential=30.0)), "potentials count"
    still = {"minute": 0.0, "level_potential": 0.0, "health_potential": 0.0, "boss_potential": 0.0}
    assert not torch.allclose(returns(**still, gamma=0.5), returns(**still)), "the discount is the table's"


def test_a_third_of_the_steps_are_lessons_where_ppo_trains_in_the_arena() -> None:
    options = TrainOptions(steps=9, out=Path("o"))
    assert command.lesson_steps(options, None) == 3 and command.lesson_steps(options, Budget()) == 0
    assert command.lesson_steps(TrainOptions(game="mine:Maze", steps=9, out=Path("o")), None) == 0
    assert command.lesson_steps(TrainOptions(steps=9, out=Path("o"), lesson_steps=0), None) == 0


@pytest.mark.parametrize(
    "options",
    [
        TrainOptions(steps=9, out=Path("o"), lesson_steps=4, begin=Path("mine.safetensors"), seed=3),
        TrainOptions(steps=9, out=Path("o"), policy="motor", begin=Path("my pilot.safetensors")),
        TrainOptions(
            game="gym:minatar.gym:MinAtar/Seaquest-v1?a=1&b=2", steps=9, out=Path("o"), preset="memory", copies=2,
            paint_flags=True, lr_schedule="cosine", gamma=0.5, profile=Path("keys.toml"),
        ),
        TrainOptions(game="mine:Maze", steps=9, out=Path("o"), paint_flags=False),
    ],
)  # fmt: skip
def test_the_command_that_weights_name_is_the_one_that_made_them(
    options: TrainOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(command, "train", lambda options, *rest: asked.append(options) or 0)
    words = shlex.split(command._command(options, None, {}))
    assert words[:3] == ["python", "-m", "agent"] and run([*words[3:], "--out", "o"]) == 0
    assert asked == [options]


def test_outcomes_are_a_form_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(outcomes, "train_outcomes", lambda options, *rest: asked.append(options) or 0)
    assert run(["train", "outcomes", "--decisions", "3"]) == 0
    assert asked == [OutcomesOptions(decisions=3)]


def test_the_progress_tells_reward_and_return_of_every_game() -> None:
    told = command._describe(
        "gym:A-v0", {"reward": 0.25, "episode_return": 12.0, "eval_return": 9.5, "value_loss": 1.0}
    )
    assert told == "gym:A-v0, reward 0.25, return 12, held out 9.5"
    assert command._describe("arena", {"score_s": 99.6, "reward": 0.01}) == "arena, score 100 s, reward 0.01"
