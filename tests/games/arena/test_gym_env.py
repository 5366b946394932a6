"""The arena as one Gymnasium environment: what it refuses."""

from __future__ import annotations

import numpy as np
import pytest

from agent.core.errors import GameError, SettingsError
from agent.core.rewards.tables import CAP_S, COUNTERS, SCORE, Weights
from agent.games.arena.gym_env import ArenaEnv
from agent.games.arena.gym_rows import TICKS_PER_STEP
from agent.games.arena.gym_vector import ArenaVectorEnv
from agent.games.arena.state import DEAD, WON
from agent.games.arena.stats import MAX_HP
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


def one_step(env: ArenaEnv, **added: float) -> float:
    """The reward of a step, after counters of the run were raised by hand."""
    world = env._worlds.records[0]
    for name, value in added.items():
        world[name] += value
    return float(env.step(neutral())[1])


@pytest.mark.parametrize("table", [SCORE, COUNTERS])
def test_a_step_pays_what_the_named_table_says(table: Weights) -> None:
    """Each is counted by hand here: what a minute, a kill, a level and damage pay, and both ends."""
    for phase in (DEAD, WON):
        env = ArenaEnv() if table is SCORE else ArenaEnv(reward=table.name)
        env.reset(seed=0)
        world = env._worlds.records[0]
        assert one_step(env) == pytest.approx(table.minute * TICKS_PER_STEP / 60 / 60)
        life = float(world["stats"][MAX_HP])
        paid = 2 * table.kill + table.level + 0.5 * table.damage + table.minute * TICKS_PER_STEP / 60 / 60
        assert one_step(env, kills=2, level=1, taken=life / 2) == pytest.approx(paid, abs=1e-6)
        world["phase"] = phase
        left_min = (CAP_S - float(world["time_s"])) / 60
        ended = table.win + table.minute * left_min if phase == WON else table.death
        assert [one_step(env) for _ in range(3)] == pytest.approx([ended, 0.0, 0.0])


def test_time_beyond_the_cap_pays_nothing_more() -> None:
    env = ArenaEnv()
    env.reset(seed=0)
    one_step(env, time_s=CAP_S)
    assert one_step(env) == 0.0
    env._worlds.records["phase"][0] = WON
    assert one_step(env) == 0.0


def test_a_table_that_is_none_is_an_error_and_environments_side_by_side_pay_alike() -> None:
    with pytest.raises(SettingsError, match="reward table 'scores'.*score"):
        ArenaEnv(reward="scores")
    many = ArenaVectorEnv(2, reward="counters")
    many.reset(seed=0)
    many._worlds.records["kills"] += np.array([0, 5])
    actions = {name: np.zeros_like(part) for name, part in many.action_space.sample().items()}
    assert many.step(actions)[1] == pytest.approx([0.0, 5 * COUNTERS.kill])
