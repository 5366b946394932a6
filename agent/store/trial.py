"""Judges weights by the first steps that they answer: what they may not do, and when they are trusted.

Owns no weights; knows nothing of files.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from agent.control.arbiter import Verdict
from agent.control.menus import in_menu
from agent.core.types import Observation

STEPS: Final = 120
MAX_MISSED: Final = 0.10
SATURATED: Final = 0.99
MAX_SATURATED: Final = 0.90
SATURATED_AFTER: Final = 45


class Baseline:
    """The share of deadlines that were missed over the last steps before an exchange."""

    def __init__(self) -> None:
        self._missed: deque[bool] = deque(maxlen=STEPS)

    def add(self, missed: bool) -> None:
        """Take in one step."""
        self._missed.append(missed)

    @property
    def missed_share(self) -> float:
        """0 … 1; 0 where nothing is known."""
        return sum(self._missed) / len(self._missed) if self._missed else 0.0


class Trial:
    """The first 120 steps of one version.

    Fails at once on an action that is not a number or that is missing; when more than a tenth of the deadlines are
    missed, and more than twice the share that was missed before; and when nine in ten actions in play stand at the end
    of all four axes.
    """

    def __init__(self, version: int, missed_before: float) -> None:
        self.version = version
        self.steps = 0
        self._limit = max(MAX_MISSED, min(0.95, 2 * missed_before)) * STEPS
        self._missed = self._played = self._saturated = 0

    @property
    def passed(self) -> bool:
        """True when all steps are done; only asked of a trial that has not failed."""
        return self.steps >= STEPS

    def step(self, observation: Observation, verdict: Verdict, missed: bool) -> str:
        """Judge one step; the reason to roll back, or ""."""
        self.steps += 1
        self._missed += missed
        if verdict.refused in ("not_finite", "no_action"):
            return f"action {self.steps} was refused: {verdict.refused}"
        if self._missed > self._limit:
            return f"{self._missed} of the first {self.steps} deadlines missed"
        if not in_menu(observation.state):
            self._played += 1
            axes = (*verdict.action.move, *verdict.action.look)
            self._saturated += all(abs(axis) >= SATURATED for axis in axes)
            if self._played >= SATURATED_AFTER and self._saturated > MAX_SATURATED * self._played:
                return f"{self._saturated} of the first {self._played} actions stand at the end of every axis"
        return ""
