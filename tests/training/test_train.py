"""Training as a command: it resumes, refuses, writes what it says, and imitation makes a pilot like its teacher."""

from __future__ import annotations

import io
import itertools
import json
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces
from rich.console import Console

from agent.control.motor import pilot_tensors
from agent.core.clock import SystemClock
from agent.core.errors import SettingsError, WeightsError
from agent.learning.configs import Budget
from agent.models.sealed import read_manifest
from agent.training.arena.train import ArenaTraining
from agent.training.command import build_training, train
from agent.training.gym import GymTraining
from agent.training.options import EnvironmentOptions, TrainOptions
from agent.training.presets.preset import Preset

torch.set_num_threads(1)


QUIET = Console(file=io.StringIO())


def arena() -> ArenaTraining:
    return ArenaTraining(seed=1, total_steps=1280, lesson_steps=256, runs=4)


def test_a_resumed_training_goes_on_as_if_it_had_not_stopped() -> None:
    one = arena()
    for _ in range(2):
        one.advance()
    kept = {name: t.clone() for name, t in one.tensors().items()}
    straight = [one.advance() for _ in range(2)]
    two = arena()
    two.load_tensors(kept)
    resumed = [two.advance() for _ in range(2)]
    assert resumed == straight
    first, second = one.tensors(), two.tensors()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert one.steps == 4 * 256 and straight[-1]["lesson"] == 0.0


def test_the_arena_tells_the_return_of_its_runs_and_counts_anew_from_a_checkpoint_without() -> None:
    """The sum of a decision's rewards over a run; potentials are no part of it."""
    training = ArenaTraining(seed=1, total_steps=100_000, lesson_steps=0, runs=2)
    batch, paid, ended = training.batch, np.zeros(2), []
    rng = np.random.default_rng(0)
    for _ in range(3_000):
        outcome = batch.step(
            rng.uniform(-1, 1, (2, 4)).astype(np.float32), np.zeros((2, 3), np.int32), np.zeros(2, np.int32)
        )
        paid += outcome.reward
        ended += list(zip(outcome.ended, paid[outcome.is_last], strict=True))
        paid[outcome.is_last] = 0.0
    assert ended and all(run.episode_return == pytest.approx(total) != 0.0 for run, total in ended)
    training.returns.extend(run.episode_return for run, _ in ended)
    kept = training.tensors()
    assert kept["returns"].tolist() == [run.episode_return for run, _ in ended]
    del kept["returns"], kept["batch.returns"]
    other = ArenaTraining(seed=1, total_steps=100_000, lesson_steps=0, runs=2)
    other.load_tensors(kept)
    assert not other.returns and not other.batch._returns.any()


def test_a_checkpoint_of_another_training_is_refused() -> None:
    kept = arena().tensors()
    other = ArenaTraining(seed=1, total_steps=1280, lesson_steps=0, runs=3)
    with pytest.raises(WeightsError, match="3 runs"):
        other.load_tensors(kept)


def test_lessons_bring_a_pilot_nearer_to_its_teacher() -> None:
    training = ArenaTraining(seed=0, total_steps=10_000, lesson_steps=9_000, runs=8)
    seen = [training.advance() for _ in range(10)]
    assert seen[-1]["imitation_axes"] < 0.9 * seen[0]["imitation_axes"]
    assert seen[-1]["imitation_choices"] < 0.75 * seen[0]["imitation_choices"]


def test_the_command_writes_weights_curve_and_events_and_goes_on(tmp_path: Path) -> None:
    def asked(steps: int, *, resume: bool = False, seed: int = 0) -> TrainOptions:
        return TrainOptions(game="gym:CartPole-v1", steps=steps, seed=seed, out=tmp_path, resume=resume, copies=2)

    assert train(asked(256), None, SystemClock(), QUIET) == 0
    with pytest.raises(SettingsError, match="--resume"):
        train(asked(512), None, SystemClock(), QUIET)
    with pytest.raises(SettingsError, match="asked for"):
        train(asked(512, resume=True, seed=3), None, SystemClock(), QUIET)
    assert train(asked(512, resume=True), None, SystemClock(), QUIET) == 0
    lines = [json.loads(line) for line in (tmp_path / "curve.jsonl").read_text().splitlines()]
    assert [line["steps"] for line in lines] == [256, 512]
    assert lines[1]["episodes"] > lines[0]["episodes"] and lines[1]["wall_s"] > lines[0]["wall_s"]
    manifest = read_manifest(tmp_path / "policy.safetensors")
    assert manifest.kind == "flat-policy" and manifest.notes["steps"] == 512
    assert len(list(tmp_path.glob("events.out.tfevents.*"))) == 2


def test_what_the_arena_trains_is_what_a_motor_loads(tmp_path: Path) -> None:
    from agent.models.sealed import save_sealed

    path = tmp_path / "pilot.safetensors"
    save_sealed(path, **arena().sealed())
    assert float(pilot_tensors(path)["decision_ticks"]) == 4.0
    assert read_manifest(path).sizes["decision_ticks"] == 4


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (("bonklink://", 10, 0), "can be trained on"),
        (("arena", 0, 0), "--steps 0"),
        (("arena", 10, 11), "--lesson-steps 11"),
        (("gym:CartPole-v1", 10, 5), "--lesson-steps"),
    ],
)
def test_what_cannot_be_trained_is_refused(request_: tuple[str, int, int], message: str, tmp_path: Path) -> None:
    game, steps, lessons = request_
    with pytest.raises(SettingsError, match=message):
        build_training(TrainOptions(game=game, steps=steps, out=tmp_path, lesson_steps=lessons))


@pytest.mark.parametrize(
    ("changed", "budget", "message"),
    [
        ({}, Budget(served="dreamer"), "--policy motor: is trained in the arena, and not where a dreamer is served"),
        ({"game": "gym:CartPole-v1"}, None, "--policy motor: is trained in the arena"),
        ({"game": "gym:CartPole-v1"}, Budget(served="dreamer"), "--policy motor: is trained in the arena"),
        ({"lesson_steps": 3}, None, "--lesson-steps: a motor takes none"),
    ],
)
def test_a_motor_is_trained_in_the_arena_alone(
    tmp_path: Path, changed: dict[str, Any], budget: Budget | None, message: str
) -> None:
    with pytest.raises(SettingsError, match=message):
        build_training(TrainOptions(policy="motor", steps=10, out=tmp_path, **changed), budget)


class Endless(gymnasium.Env[np.ndarray, int]):
    """One reward a step, cut after five steps, never over. Infos of different copies do not fit together."""

    observation_space = spaces.Box(-1.0, 1.0, (2,), np.float32)
    action_space = spaces.Discrete(2)
    made = itertools.count(1)

    def __init__(self) -> None:
        self.legal = np.zeros(next(self.made))

    def reset(self, *, seed: int | None = None, options: object = None) -> tuple[np.ndarray, dict[str, object]]:
        super().reset(seed=seed)
        self.steps = 0
        return np.zeros(2, np.float32), {}

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, dict[str, object]]:
        self.steps += 1
        return np.full(2, self.steps / 5, np.float32), 1.0, False, self.steps == 5, {"legal": self.legal}


def test_an_episode_that_is_cut_is_truncated_with_its_last_sight(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.training.gym.open_env", lambda game: Endless())
    training = GymTraining("gym:endless", seed=0, total_steps=1000, options=EnvironmentOptions(copies=2))
    rollouts = training._play()
    for rollout in rollouts:
        assert rollout.truncated.sum() == 25 and not rollout.terminated.any()
        assert np.flatnonzero(rollout.is_first).tolist() == list(range(0, 128, 5))
        assert np.allclose(rollout.obs[:6, 0], [0.0, 0.2, 0.4, 0.6, 0.8, 0.0]), "each step keeps what it saw"
        assert (rollout.final_obs[:25] == 1.0).all() and np.allclose(rollout.final_obs[25], 0.6)
    assert np.isfinite(list(training.learner.update_many(rollouts).values())).all()
    assert list(training.recent) == [5.0] * 50


@pytest.mark.parametrize("space", [spaces.Box(0, 255, (8, 8, 3), np.uint8), spaces.Box(0, 1, (2,), np.float32)])
@pytest.mark.parametrize("scaled", [True, False])
def test_rewards_are_scaled_also_where_pictures_are_seen_unless_a_preset_says_no(
    monkeypatch: pytest.MonkeyPatch, space: Any, scaled: bool
) -> None:
    class Points(Endless):
        observation_space = space

        def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
            super().reset(seed=seed)
            return np.zeros(space.shape, space.dtype), {}

        def step(self, action: Any) -> Any:
            _, _, terminated, truncated, info = super().step(action)
            return np.zeros(space.shape, space.dtype), 10.0, terminated, truncated, info

    monkeypatch.setattr("agent.training.gym.open_env", lambda game: Points())
    preset = None if scaled else Preset(copies=1, scale_rewards=False)
    options = EnvironmentOptions(copies=1)
    training = GymTraining("gym:points", seed=0, total_steps=1000, options=options, preset=preset)
    returns = training.learner.sequences(training._play()[0]).returns
    assert (float(returns.max()) < 10.0) == scaled, "five tens, discounted, are 40 to 50"
