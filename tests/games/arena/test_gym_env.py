"""The arena as one Gymnasium environment: what it refuses."""

from __future__ import annotations

import pytest

from agent.core.errors import GameError
from agent.games.arena.gym_env import ArenaEnv
from agent.games.arena.state import DEAD
from tests.games.arena.test_gym_rows import NAN, neutral


def test_a_step_before_the_first_reset_and_options_that_mean_nothing_are_errors() -> None:
    env = ArenaEnv()
    with pytest.raises(GameError, match="reset"):
        env.step(neutral())
    for options in ({"tier": 99}, {"character": -1}, {"tier": NAN}, {"character": "bob"}):
        with pytest.raises(GameError, match=str(*options)):
            env.reset(seed=0, options=options)
    with pytest.raises(GameError, match="render_mode"):
        ArenaEnv(render_mode="ansi")


def test_a_step_after_the_end_brings_no_reward() -> None:
    env = ArenaEnv()
    env.reset(seed=0)
    env._worlds.records["phase"][0] = DEAD
    steps = [env.step(neutral()) for _ in range(3)]
    assert [step[1] for step in steps] == [-5.0, 0.0, 0.0] and all(step[2] for step in steps)
