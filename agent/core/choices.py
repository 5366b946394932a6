"""Choices as values: where they lie in what is observed, what is wanted of their outcomes, and an episode of them.

A choice is a step at which there was more than one option. Its outcome is the sum of rewards over the `window` steps
after it, as a bin between edges that the user fixes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec
import numpy as np

from agent.core.rollout import BoolArray, IntArray
from agent.core.types import FloatArray

WINDOW: Final = 900
EDGES: Final = (0.0, 5.0, 6.5, 9.0, 13.0)
LIKING: Final = (-4.0, -1.0, 0.0, 0.5, 1.0, 2.0)
"""A pilot's: rewards of the minute of play after a card, by its table OUTCOMES; below 0 lies death."""


class Preferences(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is liked: one number for each outcome. tau scales them all; weights as in `learning.active_inference`.

    closed_loop: the second choice may depend on the outcome of the first. entropy_weight seeks surprise itself, as a
    control that a noisy outcome misleads.
    """

    liking: tuple[float, ...]
    weight: float = 1.0
    tau: float = 1.0
    gain_weight: float = 0.3
    novelty_weight: float = 0.1
    entropy_weight: float = 0.0
    closed_loop: bool = False


WANTED: Final = Preferences(LIKING, gain_weight=1.0, novelty_weight=1.0)
"""Unless settings say otherwise: what is liked, what is told and what is learnt count alike, in nats."""


class ChoiceLayout(msgspec.Struct, frozen=True):
    """Where a rollout holds its choices.

    branch: which branch of the action; `options` of them. option_start: where the options' features lie in obs, one
    after the other, `option_features` each; −1: an option is its index, one-hot. context: slice of obs that describes
    the situation. window: steps whose rewards are a choice's outcome; edges: between the bins, ascending.
    """

    branch: int
    options: int
    option_start: int = -1
    option_features: int = 0
    context: tuple[int, int] = (0, 0)
    window: int = 64
    edges: tuple[float, ...] = (-1.0, 0.0, 1.0, 3.0)

    @property
    def option_width(self) -> int:
        """Features of one option."""
        return self.option_features if self.option_start >= 0 else self.options


class Choices(NamedTuple):
    """An episode's choices in order: options f32 [T, K, A], allowed bool [T, K], picks and outcomes i64 [T], ended
    bool [T] (the episode ended with the outcome), context f32 [T, C]; known i64 [T]: how many of the outcomes before
    it were known when the choice was made, always the first ones.
    """

    options: FloatArray
    allowed: BoolArray
    picks: IntArray
    outcomes: IntArray
    ended: BoolArray
    context: FloatArray
    known: IntArray


def outcomes_of(
    rewards: FloatArray, at: Sequence[int] | IntArray, layout: ChoiceLayout, *, over: bool, terminated: bool
) -> tuple[IntArray, IntArray, BoolArray, IntArray]:
    """Of choices at the ascending steps `at` of an episode with these rewards so far: the indices of those whose
    outcome is known by now, the outcomes, ended, and known as in `Choices`. over: the episode has ended. Where a time
    limit ended it, what a window beyond it would have brought is never known.
    """
    steps = np.asarray(at, np.int64)
    total = np.concatenate([[0.0], np.cumsum(rewards, dtype=np.float64)])
    end = len(rewards)
    whole = np.flatnonzero((steps + layout.window <= end) | (over and terminated))
    steps = steps[whole]
    until = np.minimum(steps + layout.window, end)
    outcome = np.searchsorted(np.array(layout.edges), total[until] - total[steps], side="right").astype(np.int64)
    known = np.searchsorted(until, steps, side="right").astype(np.int64)
    return whole, outcome, (until == end) & terminated, known
