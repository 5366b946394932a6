"""Reward tables of games without a reward of their own: what the counters of a run pay.

`score`, the default, pays the score: a minute survived is 1, a win pays the rest of the cap at once, death 0. Its
undiscounted return is the score in minutes. PPO in `train` adds potentials, γΦ(s′) − Φ(s), which cannot change the
order of policies (Ng et al. 1999); learners of play get none. Φ grows with levels, health and progress to the boss, and
is 0 where a run is over.

`counters` is the table of version 0.1.0: kills, levels, damage, and the end. A TOML file may name weights of its own.

A game that has ever declared a reward of its own in BLX1 keeps it from then on; a Gymnasium environment has its own. An
end by a time limit is neither death nor win.
"""

from __future__ import annotations

from agent.core.rewards.tables import (
    CAP_S,
    COUNTERS,
    OUTCOMES,
    OWN,
    SCORE,
    TABLES,
    Weights,
    load_weights,
)
from agent.core.types import GameState, Observation

__all__ = [
    "CAP_S",
    "COUNTERS",
    "OUTCOMES",
    "OWN",
    "SCORE",
    "TABLES",
    "RewardTable",
    "Weights",
    "load_weights",
]


class RewardTable:
    """Rewards of one game, from the differences between its successive observations; no potentials."""

    def __init__(self, weights: Weights = SCORE) -> None:
        self.weights = weights
        self._before: GameState | None = None
        self._declared = False

    @property
    def name(self) -> str:
        """The table's name, or `own` where the game has a reward of its own."""
        return OWN if self._declared else self.weights.name

    def of(self, observation: Observation) -> float:
        """Reward since the observation before, without potentials; 0 for the first of an episode."""
        before, state = self._before, observation.state
        self._before = state
        self._declared |= observation.reward != 0.0 or state.env is not None
        if self._declared:
            return observation.reward
        reward = self._changes(observation, before)
        if observation.is_last and (observation.is_won or observation.is_terminal):
            reward += self._end(observation, before)
        return reward

    def _changes(self, observation: Observation, before: GameState | None) -> float:
        state = observation.state
        if observation.is_first or before is None or before.run is None or state.run is None:
            return 0.0
        if state.run.run_seed != before.run.run_seed:
            return 0.0
        gained = state.run.level + state.run.xp_fraction - before.run.level - before.run.xp_fraction
        taken = state.run.damage_taken - before.run.damage_taken
        passed_s = min(state.game_time_s, CAP_S) - min(before.game_time_s, CAP_S)
        return self.weights.change(state.run.kills - before.run.kills, gained, taken, state.max_health, passed_s)

    def _end(self, observation: Observation, before: GameState | None) -> float:
        ended_s = observation.state.game_time_s
        if before is not None and not observation.is_first:  # the state may be the next run's already
            ended_s = max(ended_s, before.game_time_s)
        return self.weights.end(observation.is_won, ended_s)
