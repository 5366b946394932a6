"""Scores of whole episodes: survival time capped at 20 minutes, a win counting as the cap; kills beside it.

Statistics are those of `core.statistics`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from agent.control.reward import CAP_S, SCORE, RewardTable, Weights
from agent.core.statistics import summary
from agent.core.types import Observation

__all__ = ["CAP_S", "EpisodeResult", "EpisodeTracker", "in_words", "summarise"]


class EpisodeResult(msgspec.Struct, frozen=True, omit_defaults=True):
    """One finished episode; times are the game's own seconds.

    kills, level are None of a game that has no levels. truncated: a time limit ended it, no death and no win.
    episode_return is None where the game gave a reward or an observation that is no number; `error` says which.
    """

    score_s: float
    survival_s: float
    won: bool
    kills: int | None
    level: int | None
    episode_return: float | None
    steps: int
    truncated: bool = False
    error: str = ""


class EpisodeTracker:
    """Turns one game's observations into episode results."""

    def __init__(self, weights: Weights = SCORE) -> None:
        self._rewards = RewardTable(weights)
        self._return = 0.0
        self._steps = 0
        self._survival_s = 0.0

    @property
    def reward(self) -> str:
        """Which table the returns are of; see `RewardTable.name`."""
        return self._rewards.name

    def broken(self, error: str) -> EpisodeResult:
        """The result of an episode that cannot go on since the game gave something that is no number."""
        survival_s, steps = round(self._survival_s, 3), self._steps
        self._return, self._steps = 0.0, 0
        return EpisodeResult(min(survival_s, CAP_S), survival_s, False, None, None, None, steps, error=error)

    def add(self, observation: Observation) -> EpisodeResult | None:
        """Add one observation; the result of the episode that it ends, if it ends one."""
        if observation.is_first and not observation.is_last:
            self._return, self._steps = 0.0, 0
        self._return += self._rewards.of(observation)
        self._steps += 1
        self._survival_s = observation.state.game_time_s
        if not observation.is_last:
            return None
        state, run = observation.state, observation.state.run
        survival_s, has_levels = state.game_time_s, run is not None and run.level > 0
        result = EpisodeResult(
            score_s=round(CAP_S if observation.is_won else min(survival_s, CAP_S), 3),
            survival_s=round(survival_s, 3),
            won=observation.is_won,
            kills=run.kills if run is not None and has_levels else None,
            level=run.level if run is not None and has_levels else None,
            episode_return=round(self._return, 6),
            steps=self._steps,
            truncated=not observation.is_terminal,
        )
        self._return, self._steps = 0.0, 0
        return result


def summarise(results: Sequence[EpisodeResult]) -> dict[str, Any]:
    """Statistics of finished episodes by measure, with their count; a measure that no episode has is None.

    Episodes that a time limit cut are counted as `truncated`, those that broke off at something that is no number as
    `not_finite`; these are in no measure.
    """
    if not results:
        return {"count": 0}
    whole = [r for r in results if r.episode_return is not None]
    counts = {
        "count": len(results), "truncated": sum(r.truncated for r in results), "not_finite": len(results) - len(whole)
    }  # fmt: skip
    return {
        **{name: number for name, number in counts.items() if number or name == "count"},
        "wins": sum(r.won for r in results),
        "score_s": _measure(r.score_s for r in whole),
        "survival_s": _measure(r.survival_s for r in whole),
        "kills": _measure(r.kills for r in whole),
        "level": _measure(r.level for r in whole),
        "episode_return": _measure(r.episode_return for r in whole),
    }


def _measure(values: Iterable[float | None]) -> dict[str, Any] | None:
    known = [float(value) for value in values if value is not None]
    return summary(known) if known else None


def in_words(result: EpisodeResult) -> str:
    """One episode in a line, by what its game has."""
    if result.episode_return is None:
        return f"no result: {result.error}"
    said = [f"{result.survival_s:.1f} s"]
    if result.level is not None:
        said += [f"{result.kills} kills", f"level {result.level}"]
    said += [f"return {result.episode_return:.2f}"] + ["cut by its time limit"] * result.truncated
    return ", ".join(said)
