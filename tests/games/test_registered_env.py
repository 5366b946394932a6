"""Registered environments: arguments in the name, what is missing in one line, and MinAtar's sticky action."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from agent.commands.cli import run
from agent.core.errors import AgentError
from agent.core.types import Action
from agent.games.gymnasium_host import GymnasiumGame
from agent.games.registered_env import make_env


class Needy(gymnasium.Env[Any, Any]):
    """Wants a level; keeps what it was made with."""

    metadata = {"render_modes": ["rgb_array"]}
    observation_space = spaces.Box(-1.0, 1.0, (4,), np.float32)
    action_space = spaces.Discrete(2)

    def __init__(self, level: Any, *, hard: bool = False, names: Any = (), render_mode: str | None = None) -> None:
        if level == "bad":
            raise OSError("no such\nlevel")
        self.made = (level, hard, names)

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        return np.zeros(4, np.float32), {}

    def step(self, action: Any) -> Any:
        return np.zeros(4, np.float32), 1.0, False, False, {}

    def render(self) -> Any:
        return np.zeros((84, 84, 3), np.uint8)


@pytest.fixture(autouse=True)
def needy() -> Any:
    gymnasium.register("Needy-v0", entry_point=Needy)
    yield
    gymnasium.registry.pop("Needy-v0")


@pytest.mark.parametrize(
    ("query", "made"),
    [
        ("level=3", (3, False, ())), ("level=3&hard=true", (3, True, ())),
        ("level=deep%20sea&hard=True", ("deep sea", True, ())),
        ('level=1.5&names=["a","b"]', (1.5, False, ["a", "b"])), ("level=None", (None, False, ())),
        ("level=", ("", False, ())),
    ],
)  # fmt: skip
def test_arguments_of_the_constructor_are_written_behind_a_question_mark(query: str, made: tuple[Any, ...]) -> None:
    assert make_env(f"Needy-v0?{query}").unwrapped.made == made


def test_a_time_limit_can_be_set_and_the_profile_of_the_name_still_counts() -> None:
    game = GymnasiumGame("gym:CartPole-v1?max_episode_steps=3")
    for _ in range(3):
        game.tick(Action(move=(1.0, 0.0)))
    run_ = game.state().run
    assert run_ is not None and run_.run_ended and run_.run_truncated
    slow = GymnasiumGame("gym:minatar.gym:MinAtar/Breakout-v1?sticky_action_prob=0.0")
    assert slow.tick_s == pytest.approx(1 / 15), "the shipped profile of MinAtar"


WRONG = [
    ("Needy-v0", "needs level; write gym:Needy-v0\\?level=VALUE"),
    ("Needy-v0?hard=1", r"needs level; write gym:Needy-v0\?hard=1&level=VALUE"),
    ("Needy-v0?levl=1", "takes no levl.*level"),
    ("Needy-v0?level=1&render_mode=human", "takes no render_mode"),
    ("Needy-v0?level", r"\?NAME=VALUE"),
    ("Needy-v0?level=1&level=2", "twice"),
    ("Needy-v0?level=bad", "its constructor raised OSError: no such level"),
    ("Nedy-v0?level=1", "no environment Nedy-v0.*Needy-v0"),
    ("LunarLander-v3", r"pip install .*gymnasium\[box2d\]"),
    ("HalfCheetah-v5", r"pip install .*gymnasium\[mujoco\]"),
    ("tabular/CliffWalking-v0", r"jax is not installed; pip install .*gymnasium\[jax\]"),
    ("nosuchpackage:X-v0", "cannot import nosuchpackage: nosuchpackage is not installed; pip install nosuchpackage"),
]


@pytest.mark.parametrize(("spec", "said"), WRONG)
def test_what_is_missing_or_wrong_is_one_line_that_says_what_to_do(
    spec: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for package in ("Box2D", "mujoco", "jax"):
        monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(AgentError, match=said) as caught:
        make_env(spec)
    assert "\n" not in str(caught.value) and f"gym:{spec}" in str(caught.value)


def test_the_commands_refuse_with_it(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for command in (["evaluate", "--policy", "random"], ["train", "--steps", "10", "--out", str(tmp_path / "out")]):
        assert run([*command, "--game", "gym:Needy-v0"]) == 2
        said = capsys.readouterr().err.strip()
        assert "level=VALUE" in said and "Traceback" not in said
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["Breakout", "Freeway"])
def test_an_episode_of_a_seed_does_not_depend_on_the_episode_before(name: str) -> None:
    """MinAtar repeats the last action at random: an episode must not begin with one of the episode before."""

    def episode(env: Any, seed: int) -> list[bytes]:
        rng, seen = np.random.default_rng(seed), [env.reset(seed=seed)[0].tobytes()]
        for _ in range(60):
            observation, _, over, _, _ = env.step(int(rng.integers(1, env.action_space.n)))
            seen.append(observation.tobytes())
            if over:
                break
        return seen

    used = make_env(f"minatar.gym:MinAtar/{name}-v1")
    for seed in range(25):
        fresh = make_env(f"minatar.gym:MinAtar/{name}-v1")
        assert episode(used, seed) == episode(fresh, seed), seed
