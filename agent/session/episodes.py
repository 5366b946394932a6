"""Episodes as they happen: one tracker for each game, a log of what ended.

Owns no file; the report reads it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from agent.control.score import EpisodeResult, EpisodeTracker, summarise
from agent.core.types import Action, Observation


class EpisodeLog:
    """Watches the actor's steps and keeps the result of every finished episode.

    `on_enough` is called when `enough` episodes have ended, and with each one after that.
    """

    def __init__(
        self,
        games: int,
        *,
        keep: int = 10_000,
        enough: int | None = None,
        on_enough: Callable[[], None] = lambda: None,
    ) -> None:
        self._trackers = [EpisodeTracker() for _ in range(games)]
        self._keep = max(keep, enough or 0)
        self._enough = enough
        self._on_enough = on_enough
        self.results: list[EpisodeResult] = []

    def on_step(self, observation: Observation, action: Action, version: int) -> None:
        """Add one step; a finished episode is logged."""
        result = self._trackers[observation.game].add(observation)
        if result is not None and len(self.results) < self._keep:
            self.results.append(result)
            if self._enough is not None and len(self.results) >= self._enough:
                self._on_enough()

    def summary(self) -> dict[str, Any]:
        """Counts and means of the finished episodes; empty statistics while there are none."""
        return summarise(self.results)

    def as_builtins(self) -> list[dict[str, Any]]:
        """All finished episodes as plain values."""
        return [msgspec.to_builtins(result) for result in self.results]
