"""Scores of whole episodes: survival time capped at 20 minutes, a win counting as the cap; kills beside it.

Statistics are those of `core.statistics`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from agent.control.reward import RewardTable
from agent.core.statistics import summary
from agent.core.types import Observation

CAP_S: Final = 1200.0


class EpisodeResult(msgspec.Struct, frozen=True, omit_defaults=True):
    """One finished episode; times are the game's own seconds. truncated: a time limit ended it, no death and no win."""

    score_s: float
    survival_s: float
    won: bool
    kills: int
    level: int
    episode_return: float
    steps: int
    truncated: bool = False


class EpisodeTracker:
    """Turns one game's observations into episode results."""

    def __init__(self) -> None:
        self._rewards = RewardTable()
        self._return = 0.0
        self._steps = 0

    def add(self, observation: Observation) -> EpisodeResult | None:
        """Add one observation; the result of the episode that it ends, if it ends one."""
        if observation.is_first and not observation.is_last:
            self._return, self._steps = 0.0, 0
        self._return += self._rewards.of(observation)
        self._steps += 1
        if not observation.is_last:
            return None
        state, run = observation.state, observation.state.run
        survival_s = state.game_time_s
        result = EpisodeResult(
            score_s=round(CAP_S if observation.is_won else min(survival_s, CAP_S), 3),
            survival_s=round(survival_s, 3),
            won=observation.is_won,
            kills=run.kills if run is not None else 0,
            level=run.level if run is not None else 0,
            episode_return=round(self._return, 6),
            steps=self._steps,
            truncated=not observation.is_terminal,
        )
        self._return, self._steps = 0.0, 0
        return result


def summarise(results: Sequence[EpisodeResult]) -> dict[str, Any]:
    """Statistics of finished episodes by measure, with their count."""
    if not results:
        return {"count": 0}
    return {
        "count": len(results),
        "wins": sum(r.won for r in results),
        "score_s": summary([r.score_s for r in results]),
        "survival_s": summary([r.survival_s for r in results]),
        "kills": summary([float(r.kills) for r in results]),
        "level": summary([float(r.level) for r in results]),
        "episode_return": summary([r.episode_return for r in results]),
    }
