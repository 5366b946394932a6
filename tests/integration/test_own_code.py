"""A policy and a game of the user's own, from a folder outside the checkout, as commands that a user types."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.integration.test_play import agent

POLICY = """
from agent.core.types import Action, Observation

class RunRight:
    def act(self, observation: Observation) -> Action:
        return Action(move=(1.0, 0.0))

class Breaks:
    def act(self, observation: Observation) -> Action:
        raise ValueError("lost the way")
"""
GAME = """
import gymnasium
import numpy as np

class Corridor(gymnasium.Env):
    action_space = gymnasium.spaces.Discrete(3)
    observation_space = gymnasium.spaces.Box(0, 255, (10, 10), np.uint8)

    def reset(self, *, seed=None, options=None):
        self.at = 0
        return self.board(), {}

    def step(self, action):
        self.at += {1: -1, 2: 1}.get(action, 0) * (0 < self.at or action == 2)
        return self.board(), float(self.at == 9), self.at == 9, False, {}

    def board(self):
        board = np.zeros((10, 10), np.uint8)
        board[5, self.at] = 255
        return board

class Collapses(Corridor):
    steps = 0

    def step(self, action):
        self.steps += 1
        print("a game may print")
        if self.steps == 30:
            raise ValueError("the roof came down")
        return super().step(action)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "my_policy.py").write_text(POLICY, encoding="utf-8")
    (tmp_path / "my_game.py").write_text(GAME, encoding="utf-8")
    return tmp_path


def test_both_are_evaluated_together(folder: Path) -> None:
    arguments = (
        "--policy",
        "my_policy:RunRight",
        "--game",
        "my_game:Corridor",
        "--episodes",
        "2",
        "--report",
        "r.json",
    )
    done = agent("evaluate", *arguments, folder=folder)
    assert done.returncode == 0, done.stderr
    report = json.loads((folder / "r.json").read_text(encoding="utf-8"))
    assert report["policy"] == "my_policy:RunRight" and report["game"] == "my_game:Corridor"
    assert [r["episode_return"] for r in report["results"]] == [1.0, 1.0]


@pytest.mark.slow
def test_both_are_played_together_in_real_time(folder: Path) -> None:
    arguments = ("--policy", "my_policy:RunRight", "--game", "my_game:Corridor", "--seconds", "3", "--report", "r.json")
    done = agent("play", *arguments, "--no-http", folder=folder)
    assert done.returncode == 0, done.stderr
    report = json.loads((folder / "r.json").read_text(encoding="utf-8"))
    assert report["episodes"]["count"] > 3 and report["games"][0]["link"]["acted"] > 60
    assert all(r["episode_return"] == 1.0 for r in report["episode_results"][1:])


@pytest.mark.slow
def test_a_game_that_dies_is_started_again_and_its_reason_is_said(folder: Path) -> None:
    arguments = ("--policy", "my_policy:RunRight", "--game", "my_game:Collapses", "--episodes", "4")
    done = agent("play", *arguments, "--no-http", "--report", "r.json", folder=folder)
    said = done.stderr + done.stdout
    assert done.returncode == 0 and "Traceback" not in said, said
    assert "--game my_game:Collapses: step raised ValueError: the roof came down" in said
    assert "a game may print" in said and "; the last time: --game my_game:Collapses: step raised" in said
    report = json.loads((folder / "r.json").read_text(encoding="utf-8"))
    assert report["episodes"]["count"] >= 4 and report["hosted"]["faults"]["my_game:Collapses"] >= 1
    assert "finished episodes." in said and "Kept: the report in r.json" in said


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("--policy", "my_policy:Breaks"), "--policy my_policy:Breaks: act raised ValueError: lost the way"),
        (("--game", "my_game:Coridor"), "did you mean Corridor?"),
    ],
)
def test_what_fails_while_it_plays_ends_play_with_one_line(
    folder: Path, arguments: tuple[str, ...], named: str
) -> None:
    given = {"--policy": "my_policy:RunRight", "--game": "my_game:Corridor"} | {arguments[0]: arguments[1]}
    flat = [text for pair in given.items() for text in pair]
    done = agent("play", *flat, "--seconds", "60", "--no-http", folder=folder)
    said = done.stderr + done.stdout
    assert done.returncode == 2 and named in said and "Traceback" not in said, said
    assert said.count(named) == 1
