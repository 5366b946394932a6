"""An environment of the user's: hosted as a game, its pace, and every way in which it can be wrong."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.core.errors import AgentError, GameError, UserCodeError
from agent.core.types import Action
from agent.games.gymnasium_host import GymnasiumGame
from agent.games.options import is_gymnasium
from agent.training.gym import GymTraining
from agent.training.options import EnvironmentOptions

Write = Callable[..., str]
RIGHT = Action(move=(1.0, 0.0))
HEAD = """
import gymnasium, numpy as np
class Base(gymnasium.Env):
    metadata = {"render_fps": 20}
    action_space = gymnasium.spaces.Discrete(3)
    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.at = 0
        return self.see(), {}
    def see(self):
        board = np.zeros((10, 10), np.uint8)
        board[0, self.at] = 255
        return board
    def step(self, action):
        self.at += action == 2
        return self.see(), float(action == 2), self.at == 9, False, {}
"""


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Write:
    monkeypatch.syspath_prepend(str(tmp_path))
    count = itertools.count()

    def put(text: str = "", factory: str = "Env") -> str:
        name = f"ue_{abs(hash(request.node.name))}_{next(count)}"
        (tmp_path / f"{name}.py").write_text(HEAD + text, encoding="utf-8")
        return f"{name}:{factory}"

    return put


def test_an_own_environment_is_a_game_with_its_picture_its_pace_and_its_rewards(write: Write) -> None:
    spec = write(factory="Base")
    game = GymnasiumGame(spec)
    assert is_gymnasium(spec) and game.name == spec and game.tick_s == pytest.approx(1 / 20)
    assert game.render().shape == (90, 90, 3) and game.capture_size_px == (90, 90)
    rewards, ends = 0.0, 0
    for _ in range(9):
        game.tick(RIGHT)
        run = game.state().run
        assert run is not None
        rewards, ends = rewards + run.reward, ends + run.run_ended
    game.close()
    assert (rewards, ends) == (9.0, 1)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("def Env(): return 3", "made a int; a gymnasium.Env is needed"),
        ("def Env(): raise OSError('no disk')", r"Env raised OSError: no disk \(.*\.py:\d+\)"),
        ("class Env(gymnasium.Env): pass", "has no action_space"),
        ("class Env(Base):\n def reset(self): pass", "reset raised TypeError.*seed"),
        ("class Env(Base):\n def reset(self, **k): return 1", "reset returned 1; observation, info"),
        ("class Env(Base):\n metadata = {'render_fps': 'fast'}", "render_fps.*'fast'"),
        ("class Env(Base):\n def step(self, a): return 1, 2", "step returned .* terminated, truncated"),
        ("class Env(Base):\n def step(self, a):\n  1 / 0", r"step raised ZeroDivisionError: .*\.py:\d+\)"),
        ("class Env(Base):\n def step(self, a): return self.see(), 'x', False, False, {}", "the reward 'x'"),
        ("class Env(Base):\n def step(self, a): return self.see(), 1e999, False, False, {}", "the reward inf"),
        ("class Env(Base):\n def see(self): return 1\n def render(self): return 'x'", "render returned 'x'"),
        ("class Env(Base):\n action_space = gymnasium.spaces.Text(3)", "only Discrete"),
    ],
)
def test_an_environment_that_is_wrong_says_so_in_one_line(write: Write, text: str, named: str) -> None:
    with pytest.raises(AgentError, match=named) as caught:
        GymnasiumGame(write(text)).tick(RIGHT)
    assert "\n" not in str(caught.value)


def test_a_game_without_a_picture_is_told_what_to_show(write: Write) -> None:
    with pytest.raises(GameError, match=r"has no picture; give one as its observation"):
        GymnasiumGame(write("class Env(Base):\n def see(self): return 1\n def render(self): pass"))


def test_an_own_environment_is_trained_on_once_it_tells_what_it_shows(write: Write) -> None:
    with pytest.raises(UserCodeError, match="no observation_space"):
        GymTraining(write(factory="Base"), seed=0, total_steps=10, options=EnvironmentOptions(copies=1))
    text = "class Env(Base):\n observation_space = gymnasium.spaces.Box(0, 255, (10, 10), np.uint8)"
    training = GymTraining(write(text), seed=0, total_steps=10, options=EnvironmentOptions(copies=1))
    assert training.policy is not None
