"""One reward for every game without its own: a table over the run's counters.

| event | reward |
|---|---|
| a kill | +0.02 |
| a whole level of XP | +0.5 |
| damage taken, in shares of the largest health | −1 |
| death | −5 |
| a win | +10 |

An end by a time limit is neither death nor win.

A game that has ever declared a reward of its own in BLX1 keeps it from then on; a Gymnasium environment has its own.
"""

from __future__ import annotations

from typing import Final

from agent.core.types import GameState, Observation

KILL: Final = 0.02
LEVEL: Final = 0.5
DAMAGE_SHARE: Final = -1.0
DEATH: Final = -5.0
WIN: Final = 10.0


class RewardTable:
    """Rewards of one game, from the differences between its successive observations."""

    def __init__(self) -> None:
        self._before: GameState | None = None
        self._declared = False

    def of(self, observation: Observation) -> float:
        """Reward since the observation before; 0 for the first of an episode."""
        before, state = self._before, observation.state
        self._before = state
        self._declared |= observation.reward != 0.0 or state.env is not None
        if self._declared:
            return observation.reward
        reward = 0.0
        if observation.is_last and (observation.is_won or observation.is_terminal):
            reward += WIN if observation.is_won else DEATH
        if observation.is_first or before is None or before.run is None or state.run is None:
            return reward
        if state.run.run_seed != before.run.run_seed:
            return reward
        gained = state.run.level + state.run.xp_fraction - before.run.level - before.run.xp_fraction
        reward += KILL * max(0, state.run.kills - before.run.kills)
        reward += LEVEL * max(0.0, gained)
        taken = state.run.damage_taken - before.run.damage_taken
        return reward + DAMAGE_SHARE * max(0.0, taken) / max(1.0, state.max_health)
