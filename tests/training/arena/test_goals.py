"""Subgoals in a batch of runs: vectors as a state gives them, and what is counted."""

from __future__ import annotations

import numpy as np

from agent.control.chunks.policy import TRAINED
from agent.core.goals.progress import Tally, begin
from agent.core.goals.vector import GOAL_FEATURES, GoalColumn, features
from agent.games.arena import state as layout
from agent.games.arena.game import ArenaGame
from agent.training.arena.batch import ArenaBatch
from agent.training.arena.goals import CHEST, NONE, SHRINE, counted, goal_vectors


def test_vectors_of_a_batch_are_those_of_a_state() -> None:
    batch, game = ArenaBatch(1, 3), ArenaGame()
    game.reset(3, start="run")
    state = game.state()
    for at, subgoal in enumerate(TRAINED):
        wanted = np.zeros(GOAL_FEATURES, np.float32)
        features(begin(subgoal, Tally(), state, 0.0), None, state, wanted)
        found = goal_vectors(batch, np.array([at], np.int32))[0]
        assert np.allclose(found[:GOAL_FEATURES], wanted, atol=1e-4), subgoal.describe()
        assert found[GoalColumn.THERE] == 1.0
    assert not goal_vectors(batch, np.array([NONE], np.int32)).any()


def test_a_used_shrine_and_a_bought_chest_are_counted() -> None:
    batch = ArenaBatch(1, 3)
    before = counted(batch)[0]
    world = batch.records[0]
    shrine = int(np.flatnonzero(world["thing_kind"][: world["things"]] == layout.THING_SHRINE)[0])
    world["thing_used"][shrine], world["chests_bought"] = 1, world["chests_bought"] + 1
    grown = counted(batch)[0] - before
    assert grown[SHRINE] == 1 and grown[CHEST] == 1 and grown.sum() == 2
