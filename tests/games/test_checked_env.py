"""A reward or an observation that is no number: refused where it enters, before anything is learned or written."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from rich.console import Console

from agent.commands.cli import run
from agent.core.clock import SystemClock
from agent.core.errors import NumberError, UserCodeError
from agent.core.types import NEUTRAL
from agent.games.gymnasium_host import GymnasiumGame
from agent.learning.configs import Budget
from agent.models.sealed import load_sealed
from agent.training.command import train
from agent.training.dream import DreamTraining
from agent.training.gym import GymTraining
from agent.training.options import EnvironmentOptions, TrainOptions

LENGTH = 20


class Faulty(gymnasium.Env[Any, Any]):
    """LENGTH steps of one point; at step `at` of all, reward and observation are what `bad` says."""

    metadata = {"render_modes": ["rgb_array"]}
    observation_space = spaces.Box(-1.0, 1.0, (4,), np.float32)
    action_space = spaces.Discrete(2)
    bad: Any = float("nan")
    at = 0
    seen = 0.0

    def __init__(self, render_mode: str | None = None) -> None:
        self.total = self.steps = 0

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.steps = 0
        return np.zeros(4, np.float32), {}

    def step(self, action: Any) -> Any:
        self.total, self.steps = self.total + 1, self.steps + 1
        bad = self.total == self.at
        seen = np.full(4, self.seen if bad else 0.5, np.float32)
        return seen, self.bad if bad else 1.0, self.steps == LENGTH, False, {}

    def render(self) -> Any:
        return np.zeros((84, 84, 3), np.uint8)


@pytest.fixture(autouse=True)
def game(monkeypatch: pytest.MonkeyPatch) -> Any:
    gymnasium.register("Faulty-v0", entry_point=Faulty)
    monkeypatch.setattr(Faulty, "bad", float("nan"))
    monkeypatch.setattr(Faulty, "seen", 0.0)
    yield "gym:Faulty-v0"
    gymnasium.registry.pop("Faulty-v0")


BAD = [float("nan"), float("inf"), None, np.float32("nan"), 1e39, 10**400, np.array([1.0, 2.0]), "one", "1"]


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: repr(bad)[:20])
def test_a_reward_that_is_none_ends_the_step_and_names_itself(
    game: str, bad: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Faulty, "bad", bad)
    monkeypatch.setattr(Faulty, "at", 3)
    hosted = GymnasiumGame(game)
    hosted.tick(NEUTRAL)
    hosted.tick(NEUTRAL)
    with pytest.raises(NumberError, match=r"Faulty-v0: step returned the reward") as caught:
        hosted.tick(NEUTRAL)
    assert "\n" not in str(caught.value)
    with pytest.raises(NumberError, match="reward"):
        GymTraining(game, seed=0, total_steps=1000, options=EnvironmentOptions(copies=1))._play()


def test_a_reward_that_cannot_be_learned_from_ends_a_training_in_one_line(
    game: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Faulty, "bad", -2e9)
    monkeypatch.setattr(Faulty, "at", 3)
    with pytest.raises(NumberError, match=r"^gym:Faulty-v0: its rewards holds -2e\+09 to"):
        GymTraining(game, seed=0, total_steps=1000, options=EnvironmentOptions(copies=1)).advance()
    budget = Budget(world_steps=1, world_batch=2, world_length=4)
    with pytest.raises(NumberError, match=r"^gym:Faulty-v0: its rewards holds -2e\+09 to"):
        DreamTraining(game, seed=0, copies=1, budget=budget, rollout_steps=8).advance()


@pytest.mark.parametrize(
    ("name", "does", "said"),
    [
        ("step", lambda self, action: 1 / 0, "step raised ZeroDivisionError"),
        ("step", lambda self, action: (np.zeros(4, np.float32), 1.0, False, {}), "step returned .* truncated, info"),
        (
            "reset",
            lambda self, seed=None, options=None: np.zeros(4, np.float32),
            "reset returned .*; observation",
        ),
        ("reset", lambda self: None, "reset raised TypeError"),
    ],
)
def test_an_environment_that_raises_or_is_of_an_older_gym_is_said_in_one_line_also_in_training(
    game: str, name: str, does: Any, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Faulty, name, does)
    with pytest.raises(UserCodeError, match=f"^gym:Faulty-v0: {said}") as caught:
        GymTraining(game, seed=0, total_steps=1000, options=EnvironmentOptions(copies=1)).advance()
    assert "\n" not in str(caught.value)


def test_an_environment_that_fails_when_it_is_closed_costs_no_results(
    game: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Faulty, "close", lambda self: 1 / 0)
    code, report = evaluated(game, tmp_path, 1)
    assert code == 0 and report["results"][0]["episode_return"] == 20.0


def test_an_observation_that_is_none_is_refused_by_whoever_learns_from_it(
    game: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Faulty, "bad", 1.0)
    monkeypatch.setattr(Faulty, "seen", np.nan)
    monkeypatch.setattr(Faulty, "at", 3)
    with pytest.raises(NumberError, match="NaN"):
        GymTraining(game, seed=0, total_steps=1000, options=EnvironmentOptions(copies=1))._play()


def evaluated(game: str, folder: Path, episodes: int) -> tuple[int, dict[str, Any]]:
    path = folder / "r.json"
    code = run(["evaluate", "--game", game, "--policy", "random", "--episodes", str(episodes), "--report", str(path)])

    def refuse(name: str) -> None:
        raise ValueError(f"{name} is no JSON")

    return code, json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)


def test_evaluate_reports_the_other_episodes_and_counts_the_broken_one(
    game: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Faulty, "at", LENGTH + 5)
    code, report = evaluated(game, tmp_path, 3)
    assert code == 0 and [r["episode_return"] for r in report["results"]] == [20.0, None, 20.0]
    assert report["results"][1]["steps"] == 5 and "reward nan" in report["results"][1]["error"]
    statistics = report["statistics"]
    assert (statistics["count"], statistics["not_finite"], statistics["episode_return"]["mean"]) == (3, 1, 20.0)
    assert statistics["kills"] is statistics["level"] is None, "a game without levels has no kills"
    said = capsys.readouterr().err
    assert "episode 1: no result: gym:Faulty-v0: step returned the reward nan" in said and "kills" not in said
    monkeypatch.setattr(Faulty, "at", 2)
    code, report = evaluated(game, tmp_path, 1)
    assert code == 1 and report["statistics"]["episode_return"] is None and report["statistics"]["not_finite"] == 1


def test_training_ends_with_what_was_good_before(game: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Faulty, "at", 300)
    options = TrainOptions(game=game, steps=1024, seed=0, out=tmp_path, copies=1)
    with pytest.raises(NumberError, match="reward nan"):
        train(options, None, SystemClock(), Console(file=io.StringIO()))
    _, tensors = load_sealed(tmp_path / "checkpoint.safetensors")
    assert tensors["counters"][0] == 256 and all(np.isfinite(t).all() for t in tensors.values())
    lines = [json.loads(line) for line in (tmp_path / "curve.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [line["steps"] for line in lines] == [128, 256]
    monkeypatch.setattr(Faulty, "at", 0)
    again = TrainOptions(game=game, steps=384, seed=0, out=tmp_path, copies=1, resume=True)
    assert train(again, None, SystemClock(), Console(file=io.StringIO())) == 0
