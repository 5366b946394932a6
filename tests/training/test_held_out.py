"""Held-out episodes: seeds of their own, the best weights kept, and the same returns as `evaluate` gives."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from rich.console import Console

from agent.commands.cli import run
from agent.core.clock import SystemClock
from agent.core.errors import SettingsError
from agent.models.sealed import read_manifest
from agent.training.command import train
from agent.training.gym import GymTraining
from agent.training.held_out import FIRST_SEED
from agent.training.options import EnvironmentOptions, TrainOptions

torch.set_num_threads(1)
GAME = '''
import gymnasium, numpy as np
from gymnasium import spaces

class Dots(gymnasium.Env):
    """A dot moves left or right; what a step pays depends on the action, the dot, and the seed's own noise."""

    observation_space = spaces.Dict(eye=spaces.Box(0, 255, (60, 50, 3), np.uint8), at=spaces.Box(-1.0, 1.0, (2,)))
    action_space = spaces.Discrete(3)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.t, self.weights = 0, self.np_random.normal(size=3)
        return self.look(), {}

    def look(self):
        eye = np.zeros((60, 50, 3), np.uint8)
        eye[5 * (self.t % 10) : 5 * (self.t % 10) + 20, 10:40] = self.np_random.integers(60, 255, 3)
        return {"eye": eye, "at": self.np_random.uniform(-1, 1, 2).astype(np.float32)}

    def step(self, action):
        self.t += 1
        return self.look(), float(self.weights[action] * self.np_random.uniform(0.5, 1.5)), self.t >= 30, False, {}
'''


@pytest.fixture
def game(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    name = f"dots_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text(GAME, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    return f"{name}:Dots"


def test_the_trained_file_plays_as_training_measured_it(
    game: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With frames stacked and skipped, a size of pictures, numbers beside them and a memory, without naming them."""
    out = tmp_path / "run"
    words = f"train --game {game} --steps 256 --out {out} --copies 2 --frame-stack 3 --frame-skip 2 --picture-px 40"
    assert run([*words.split(), "--memory", "8", "--width", "16", "--eval-every", "256", "--eval-episodes", "3"]) == 0
    assert "reward" in capsys.readouterr().err
    report = tmp_path / "report.json"
    best = out / "best.safetensors"
    assert run(["evaluate", "--game", game, "--weights", str(best), "--episodes", "3", "--seed", str(FIRST_SEED),
                "--report", str(report)]) == 0  # fmt: skip
    played = [result["episode_return"] for result in json.loads(report.read_text())["results"]]
    assert np.mean(played) == pytest.approx(read_manifest(best).notes["eval_return"], abs=1e-4)
    assert len(set(np.round(played, 3))) == 3
    capsys.readouterr()
    assert run(["evaluate", "--game", game, "--weights", str(best), "--episodes", "1", "--frame-skip", "1"]) == 2
    assert "2 steps for each action" in " ".join(capsys.readouterr().err.split())


class Turns(gymnasium.Env[Any, Any]):
    """One step; it pays the action. Seeds that were played are noted."""

    observation_space = gymnasium.spaces.Box(-1.0, 1.0, (1,))
    action_space = gymnasium.spaces.Discrete(2)
    seeds: list[int | None]

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.seeds.append(seed)
        return np.zeros(1, np.float32), {}

    def step(self, action: Any) -> Any:
        return np.zeros(1, np.float32), float(action), True, False, {}


def test_each_seed_is_played_once_and_the_best_weights_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Turns.seeds = []
    monkeypatch.setattr("agent.training.gym.open_env", lambda name: Turns())
    returns = iter([[1.0, 1.0], [5.0, 5.0], [2.0, 2.0]])
    training = GymTraining("gym:mine", seed=0, total_steps=1, options=EnvironmentOptions(copies=2))
    Turns.seeds.clear()
    assert training.evaluate(range(50, 55)) in ([0.0] * 5, [1.0] * 5) and sorted(map(int, Turns.seeds)) == [
        *range(50, 55)
    ]
    monkeypatch.setattr(GymTraining, "evaluate", lambda self, seeds: next(returns))

    def asked(steps: int, *, resume: bool = False) -> TrainOptions:
        return TrainOptions(
            game="gym:mine", steps=steps, out=tmp_path / "run", copies=1, eval_every=128, eval_episodes=2,
            resume=resume, tensorboard=False,
        )  # fmt: skip

    console = Console(file=io.StringIO())
    assert train(asked(256), None, SystemClock(), console) == 0
    assert train(asked(384, resume=True), None, SystemClock(), console) == 0
    lines = [json.loads(line) for line in (tmp_path / "run" / "curve.jsonl").read_text().splitlines()]
    assert [(line["eval_return"], line["eval_best"]) for line in lines] == [(1.0, 1.0), (5.0, 5.0), (2.0, 5.0)]
    notes = read_manifest(tmp_path / "run" / "best.safetensors").notes
    assert (notes["steps"], notes["eval_return"]) == (256, 5.0)
    assert read_manifest(tmp_path / "run" / "policy.safetensors").notes["steps"] == 384
    for suffix in ("", ".json"):  # weights of a person's, under that name
        (tmp_path / "run" / f"best.safetensors{suffix}").write_bytes(
            (tmp_path / "run" / f"policy.safetensors{suffix}").read_bytes()
        )
    with pytest.raises(SettingsError, match="best.safetensors: was not measured.*move it away"):
        train(asked(512, resume=True), None, SystemClock(), console)
