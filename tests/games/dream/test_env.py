"""A world as a game: hosted, evaluated, seeded, and its process ended with the last environment."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from gymnasium import spaces

from agent.control.random_policy import RandomPolicy
from agent.core.clock import SystemClock
from agent.core.errors import GameError, SettingsError
from agent.games.dream import env as dream_env
from agent.games.dream.env import DreamEnv
from agent.games.hosting import build_game, shown_by
from agent.games.options import GameOptions
from agent.learning.pixels.world_file import save_world
from agent.training.evaluate import evaluate
from tests.learning.pixels.files import dots_world


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path, saved = tmp_path_factory.mktemp("world") / "w.safetensors", dots_world()
    save_world(path, saved.world, saved.layout, (saved.frames, saved.actions), created_by="test", notes={})
    return path


@pytest.mark.slow
def test_a_dream_is_played_like_any_game(world: Path) -> None:
    game = build_game(GameOptions(game=f"dream:{world}?width=24&height=16&max_steps=12").from_run(3))
    env = DreamEnv(f"dream:{world}")
    process = dream_env._SHARED[world]
    try:
        assert process.users == 2 and game.tick_s == pytest.approx(0.05)
        shown = shown_by(game)
        assert shown is not None and shown.shape == (16, 24, 3) and shown.branches == (5,)
        report = evaluate(game, RandomPolicy(0), SystemClock(), episodes=2, seed=3)
        again = evaluate(game, RandomPolicy(0), SystemClock(), episodes=2, seed=3)
        assert report["results"] == again["results"] and len(report["results"]) == 2
        assert env.action_space == spaces.Discrete(5) and env.observation_space.shape == (16, 16, 3)
        first, _ = env.reset(seed=4)
        played = {}
        for choice in (0, 1):  # stay, and to the left
            env.reset(seed=4)
            for _ in range(5):
                picture, reward, *_ = env.step(choice)
            played[choice] = np.abs(picture.astype(int) - first).mean(), reward
        assert played[1][0] > 1.5 * played[0][0] and played[1][1] != played[0][1], played
        assert np.array_equal(env.reset(seed=4)[0], first) and np.array_equal(env.render(), first)
    finally:
        game.close()
        assert process.users == 1
        env.close()
    assert not dream_env._SHARED and process._child.exit_code is not None
    with pytest.raises(GameError, match="ended"):
        env.reset()


@pytest.mark.parametrize(
    ("query", "said"), [("?height=4", "height=4"), ("?depth=9", "depth=9"), ("x", "there is no file")]
)
def test_what_is_no_dream_is_refused(world: Path, query: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        build_game(GameOptions(game=f"dream:{world}{query}").from_run(0))
