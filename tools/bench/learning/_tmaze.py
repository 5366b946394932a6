"""The T-maze with a noisy television, many at once, in numpy alone."""

from __future__ import annotations

from typing import Any

import numpy as np

WAIT, CUE, LEFT, RIGHT, WATCH = range(5)
NOTHING, CUE_LEFT, CUE_RIGHT, WON, LOST, PICTURE = range(6)
ACTIONS, PICTURES, STEPS = 5, 8, 3
OUTCOMES = PICTURE + PICTURES
VALIDITY, COST, PRIZE, LOSS = 0.98, -0.05, 1.0, -0.6
LIKING = (COST, COST, COST, PRIZE, LOSS) + (COST,) * PICTURES
CEILING = VALIDITY


class Maze:
    """Many mazes at once; a maze that is over gives NOTHING and pays nothing."""

    def __init__(self, count: int, rng: np.random.Generator) -> None:
        self.rng, self.count = rng, count
        self.prize = rng.integers(0, 2, count)
        self.told = np.where(rng.random(count) < VALIDITY, self.prize, 1 - self.prize)
        self.over = np.zeros(count, np.bool_)
        self.age = 0

    def step(self, actions: Any) -> tuple[Any, Any]:
        """Outcomes and payoffs."""
        arm = (actions == LEFT) | (actions == RIGHT)
        outcome = np.full(self.count, NOTHING)
        outcome = np.where(actions == CUE, CUE_LEFT + self.told, outcome)
        outcome = np.where(arm, np.where(actions - LEFT == self.prize, WON, LOST), outcome)
        outcome = np.where(actions == WATCH, PICTURE + self.rng.integers(0, PICTURES, self.count), outcome)
        payoff = np.where(self.over, 0.0, np.array(LIKING)[outcome])
        outcome = np.where(self.over, NOTHING, outcome)
        self.age += 1
        self.over = self.over | arm | (self.age >= STEPS)
        return outcome, payoff
