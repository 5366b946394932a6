"""Many arenas at once are the arenas one by one."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest

from agent.core.errors import GameError
from agent.games.arena.state import DEAD
from tests.games.arena.test_gym_rows import ID, NAN


def test_a_vector_of_runs_is_the_same_runs_one_by_one_through_their_ends() -> None:
    many = gymnasium.make_vec(ID, num_envs=3, vectorization_mode="vector_entry_point")
    alone = gymnasium.make_vec(ID, num_envs=3, vectorization_mode="sync")
    assert type(gymnasium.make_vec(ID, num_envs=1)) is type(many)
    for vector in (many, alone):
        vector.action_space.seed(1)
        vector.reset(seed=5)
    ended = 0
    for tick in range(90):
        if tick == 40:  # the second run dies
            many._worlds.records["phase"][1] = alone.envs[1].unwrapped._worlds.records["phase"][0] = DEAD
        action = many.action_space.sample()
        action["choice"][:] = 1
        ours, theirs = many.step(action), alone.step(action)
        for name, column in theirs[0].items():
            assert np.array_equal(ours[0][name], column), (tick, name)
        assert all(np.array_equal(a, b) for a, b in zip(ours[1:4], theirs[1:4], strict=True)), tick
        assert set(ours[4]) == set(theirs[4]) and ours[4]["seed"].tolist() == theirs[4]["seed"].tolist()
        ended += int(ours[2].sum())
    assert ended == 1
    many.close()
    alone.close()


def test_a_vector_renders_all_and_refuses_one_bad_action_before_any_run_moves() -> None:
    vector = gymnasium.make_vec(ID, num_envs=2, render_mode="rgb_array", vectorization_mode="vector_entry_point")
    vector.reset(seed=[4, 4])
    first, second = vector.render()
    assert first.shape == (180, 320, 3) and np.array_equal(first, second)
    action = {name: np.zeros_like(part) for name, part in vector.action_space.sample().items()}
    action["move"][1, 0] = NAN
    before = vector._worlds.content_hash(0)
    with pytest.raises(GameError, match="move"):
        vector.step(action)
    assert vector._worlds.content_hash(0) == before
    with pytest.raises(GameError, match="human"):
        gymnasium.make_vec(ID, num_envs=2, render_mode="human", vectorization_mode="vector_entry_point")
    with pytest.raises(GameError, match="3 seeds"):
        vector.reset(seed=[1, 2, 3])
