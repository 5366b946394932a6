"""Cloning: a policy of pictures does what recordings say, plays through `evaluate`, and learns nothing from noise."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces

from agent.commands.cli import run
from agent.control.environment.policy import EnvPolicy, env_weights
from agent.core.errors import RecordingError, SettingsError
from agent.core.rollout import ActionSpec
from agent.learning.pixels.layout import STANDARD, one_choice
from agent.models.heads import Heads
from agent.training.labels.clone import CloneTraining, cloned, columns_of

SIDE = 12
GAME = "tests.training.labels.test_clone:Sides"
STEPS = 1280 * 2


class Sides(gymnasium.Env[Any, Any]):
    """A light is on one side; whoever names the side is paid."""

    observation_space = spaces.Box(0, 255, (SIDE, SIDE, 3), np.uint8)
    action_space = spaces.Discrete(2)

    def _see(self) -> Any:
        self._side, self._left = int(self.np_random.integers(2)), self._left - 1
        return picture(self._side)

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self._left = 20
        return self._see(), {}

    def step(self, action: Any) -> Any:
        reward = float(action == self._side)
        return self._see(), reward, self._left <= 0, False, {}


def picture(side: int) -> Any:
    seen = np.zeros((SIDE, SIDE, 3), np.uint8)
    seen[:, 6 * side : 6 * side + 6] = 200
    return seen


def write(folder: Path, *, share_unknown: float = 0.0, shuffled: bool = False) -> Path:
    """Four recordings of whoever always names the side; unknown actions are wrong ones."""
    rng = np.random.default_rng(0)
    folder.mkdir()
    for index in range(4):
        sides = rng.integers(0, 2, 60)
        actions = sides.copy()
        known = rng.random(60) >= share_unknown
        actions[~known] = 1 - actions[~known]
        if shuffled:
            rng.shuffle(actions)
        np.savez(
            folder / f"{index}.npz", observations=np.stack([picture(s) for s in sides]), actions=actions,
            known=known[:, None], meta=np.array(json.dumps({"hz": 10})),
        )  # fmt: skip
    return folder


def accuracy(folder: Path) -> float:
    training = CloneTraining(GAME, folder, seed=0, total_steps=STEPS)
    figures: dict[str, float] = {}
    while training.steps < STEPS:
        figures = training.advance()
    return figures["held_out_accuracy"]


def test_unknown_labels_do_not_count(tmp_path: Path) -> None:
    assert accuracy(write(tmp_path / "most-unknown", share_unknown=0.7)) > 0.95


def test_a_control_that_is_unknown_adds_nothing_to_the_loss() -> None:
    logits = (torch.tensor([[[2.0, 0.0]]]), torch.tensor([[[0.0, 3.0]]]))
    heads = Heads(torch.zeros(1, 1, 0), torch.zeros(1, 1, 0), logits, torch.zeros(1, 1))
    done = np.array([[0.0, 0.0]], np.float32)
    both, _ = cloned(heads, done, np.array([[True, True]]), [], [0, 1])
    first, right = cloned(heads, done, np.array([[True, False]]), [], [0, 1])
    assert float(first) == pytest.approx(np.log1p(np.exp(-2.0)), abs=1e-5)
    assert right == 1.0
    assert float(both) > 1.0


def test_shuffled_labels_teach_nothing(tmp_path: Path) -> None:
    assert accuracy(write(tmp_path / "shuffled", shuffled=True)) < 0.75


def test_a_clone_is_trained_resumed_and_evaluated_by_the_commands(tmp_path: Path) -> None:
    folder, out = write(tmp_path / "seen"), tmp_path / "clone"
    asked = ["train", "--game", GAME, "--from-recordings", str(folder), "--out", str(out)]
    assert run([*asked, "--steps", "1280"]) == 0
    assert run([*asked, "--steps", str(STEPS), "--resume"]) == 0
    lines = [json.loads(line) for line in (out / "curve.jsonl").read_text().splitlines()]
    assert [line["steps"] for line in lines] == [1280 * k for k in (1, 2)]
    report = tmp_path / "report.json"
    words = ["evaluate", "--game", GAME, "--episodes", "3", "--report", str(report)]
    assert run([*words, "--weights", str(out / "policy.safetensors")]) == 0
    results = json.loads(report.read_text())["results"]
    assert [result["episode_return"] for result in results] == [19.0] * 3
    policy = EnvPolicy(env_weights(out / "history" / "policy-1280.safetensors"))
    policy.load(policy.prepare(env_weights(out / "policy.safetensors").tensors, "the newer"), 2)
    assert policy.version == 2 and policy.game == GAME


def test_what_cannot_be_cloned_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="--game gym"):
        CloneTraining("arena", tmp_path, seed=0, total_steps=1)
    with pytest.raises(RecordingError, match="takes 0 axes and choices of"):
        columns_of(STANDARD, ActionSpec(0, (2,)), "it")
    assert columns_of(one_choice(2), ActionSpec(0, (2,)), "it") == ([], [0])
    folder = write(tmp_path / "unlabelled")
    for path in folder.iterdir():
        with np.load(path) as arrays:
            np.savez(path, observations=arrays["observations"])
    with pytest.raises(RecordingError, match="python -m agent label"):
        CloneTraining(GAME, folder, seed=0, total_steps=1)
