"""`evaluate` in the arena: the return of a run is what the table pays. Orders: `tools.bench.ranking`."""

from __future__ import annotations

from typing import Final

import pytest

from agent.control.policies import build_policy
from agent.control.reward import COUNTERS, SCORE
from agent.core.clock import SystemClock
from agent.games.arena.game import ArenaGame
from agent.training.evaluate import evaluate

WON: Final = 1005
"""A seed on which the shipped pilot soon wins: its end pays more than its time."""


@pytest.mark.slow
def test_the_return_of_the_default_table_is_the_score_in_minutes_and_of_another_what_that_one_pays() -> None:
    game, clock = ArenaGame(), SystemClock()
    for player, seed in (("random", 1000), ("pilot", WON)):
        default = evaluate(game, build_policy(player, seed=0), clock, episodes=1, seed=seed)
        result = default["results"][0]
        assert default["reward"] == SCORE.name and result["won"] == (seed == WON)
        assert result["episode_return"] == pytest.approx(result["score_s"] / 60.0, abs=1e-4)
    other = evaluate(game, build_policy("random", seed=0), clock, episodes=1, seed=1000, weights=COUNTERS)
    assert other["reward"] == COUNTERS.name and other["results"][0]["episode_return"] < 1.0
