"""The arena as one Gymnasium environment: what it refuses."""

from __future__ import annotations

import pytest

from agent.core.errors import GameError
from agent.games.arena.gym_env import ArenaEnv
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
