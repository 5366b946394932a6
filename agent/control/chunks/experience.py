"""What a motor plays, written down for its learner: the condition of each decision, what was done, what it paid.

Cards are not the motor's, so no menu is a row; what a menu pays belongs to the decision before it. A subgoal that is
pursued pays what it did where the motor was trained.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from agent.control.experience import RolloutRecorder, Sampled
from agent.core.goals.progress import Tally
from agent.core.rollout import MOTOR_ACTIONS, Rollout
from agent.core.types import FloatArray, Observation

ALLOWED: Final = np.ones(sum(MOTOR_ACTIONS.branches), np.bool_)


class PaidSubgoals:
    """A table of rewards of one game, and beside it what the subgoal that is pursued gained.

    paid: what one chest, shrine, boss or level is worth to who pursues it; pursued: which of them is pursued now, None
    for none of them. Bosses are counted as the planner counts them.
    """

    def __init__(self, table: Any, paid: tuple[float, ...], pursued: Callable[[], int | None]) -> None:
        self._table, self._paid, self._pursued = table, paid, pursued
        self._tally = Tally()

    def of(self, observation: Observation) -> float:
        """Reward since the observation before."""
        reward: float = self._table.of(observation)
        before = self._counts()
        self._tally.add(observation.state, is_first=observation.is_first)
        goal = self._pursued()
        if goal is None or observation.is_first or observation.is_last:
            return reward
        return reward + self._paid[goal] * max(0.0, self._counts()[goal] - before[goal])

    def _counts(self) -> tuple[float, ...]:
        tally = self._tally
        return tally.chests, tally.shrines, tally.bosses, tally.xp


class MotorRecorder(RolloutRecorder):
    """Rollouts of a motor; `pursued`: which subgoal a game pursues, see `PaidSubgoals`."""

    def __init__(
        self, policy: str, names: tuple[str, ...], emit: Callable[[Rollout], None], *, steps: int, features: int,
        paid: tuple[float, ...], pursued: Callable[[int], int | None],
    ) -> None:  # fmt: skip
        super().__init__(
            policy, names, 0, emit, steps=steps, features=features, spec=MOTOR_ACTIONS, valued=False, off_policy=True
        )
        self._paid, self._pursued = paid, pursued

    def pay_by(self, *rewards: Any) -> None:
        """Let these say what is paid, one a game, and the subgoals beside them."""

        def asked(game: int) -> Callable[[], int | None]:
            return lambda: self._pursued(game)

        super().pay_by(*(PaidSubgoals(each, self._paid, asked(game)) for game, each in enumerate(rewards)))

    def decided(
        self, observation: Observation, condition: FloatArray, action: FloatArray, interact: bool, waited_s: float,
        version: int,
    ) -> None:  # fmt: skip
        """Write down a decision: `action` [7] as it was executed, but for `interact`, which the pilot adds to."""
        pressed = int(action[4] > 0), int(action[5] > 0), int(interact)
        sampled = Sampled(action[:4], pressed, 0.0, ALLOWED)
        self.write(observation, condition, np.zeros(0, np.float32), waited_s, 0.0, sampled, version)
