"""`evaluate` in the arena: policies are ranked by the return of the default table as by their score."""

from __future__ import annotations

import numpy as np
import pytest

from agent.control.policies import build_policy
from agent.control.reward import COUNTERS, SCORE, Weights
from agent.control.score import EpisodeResult, EpisodeTracker
from agent.core.clock import SystemClock
from agent.core.types import Observation
from agent.games.arena.game import ArenaGame
from agent.training import evaluate as module

NAMES = ("random", "untrained-pilot", "kiter", "pilot")
SEEDS = (1002, 1005)
"""Two short runs of each player, among them a win."""


@pytest.mark.slow
def test_the_return_of_the_default_table_ranks_players_as_the_score_does(monkeypatch: pytest.MonkeyPatch) -> None:
    by_counters: list[float] = []

    class Both(EpisodeTracker):
        """Follows the table `counters` beside its own."""

        def __init__(self, weights: Weights) -> None:
            super().__init__(weights)
            self.counters = EpisodeTracker(COUNTERS)

        def add(self, observation: Observation) -> EpisodeResult | None:
            other = self.counters.add(observation)
            if other is not None:
                by_counters.append(other.episode_return or 0.0)
            return super().add(observation)

    monkeypatch.setattr(module, "EpisodeTracker", Both)
    scores, returns = np.zeros(len(NAMES)), np.zeros(len(NAMES))
    game = ArenaGame()
    for at, name in enumerate(NAMES):
        policy = build_policy(name, seed=0)
        for seed in SEEDS:
            report = module.evaluate(game, policy, SystemClock(), episodes=1, seed=seed, weights=SCORE)
            scores[at] += report["results"][0]["score_s"]
            returns[at] += report["results"][0]["episode_return"]
    assert [NAMES[i] for i in np.argsort(scores)] == list(NAMES)
    assert (np.argsort(returns) == np.argsort(scores)).all()
    assert returns == pytest.approx(scores / 60.0, abs=1e-4)
    counters = np.array(by_counters).reshape(len(NAMES), len(SEEDS)).sum(1)
    assert counters[NAMES.index("kiter")] > counters[NAMES.index("pilot")], "the old table ranked them otherwise"
