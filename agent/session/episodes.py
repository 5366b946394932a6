"""Episodes as they happen: one tracker for each game, a log of what ended, statistics of it.

Statistics are made after an episode, on a lane; who reads them gets those that are there. Owns no file.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import msgspec

from agent.concurrency.lane import Runner
from agent.control.policy import Policy, capabilities_of
from agent.control.reward import OWN, SCORE, Weights
from agent.control.score import EpisodeResult, EpisodeTracker, summarise
from agent.core.clock import Clock
from agent.core.errors import GameError
from agent.core.types import Action, Observation

REST_S: Final = 0.25
SHARE_AT_WORK: Final = 0.05
"""Statistics of many short episodes take at most this share of one core."""


class EpisodeLog:
    """Watches the actor's steps, counts finished episodes, and keeps the results of the first `keep`.

    `on_enough` is called when `enough` episodes have ended, and with each one after that. weights: of the returns.
    ended: told of each game's episode that ended.
    """

    def __init__(
        self,
        games: int,
        *,
        keep: int = 10_000,
        enough: int | None = None,
        on_enough: Callable[[], None] = lambda: None,
        weights: Weights = SCORE,
        ended: Callable[[int, EpisodeResult], None] | None = None,
    ) -> None:
        self._tell = ended
        self._trackers = [EpisodeTracker(weights) for _ in range(games)]
        self._keep = max(keep, enough or 0)
        self._enough = enough
        self._on_enough = on_enough
        self.results: list[EpisodeResult] = []
        self._ended = self._wins = self._scored = 0
        self._score_sum = 0.0
        self._statistics: dict[str, Any] = {}
        self._added = asyncio.Event()

    @property
    def reward(self) -> str:
        """Which table the returns are of, `own` as soon as one of the games has declared a reward of its own."""
        names = [tracker.reward for tracker in self._trackers]
        return OWN if OWN in names else names[0]

    def on_step(self, observation: Observation, action: Action, version: int) -> None:
        """Add one step; a finished episode is logged."""
        result = self._trackers[observation.game].add(observation)
        if result is None:
            return
        if self._tell is not None:
            self._tell(observation.game, result)
        self._ended += 1
        self._wins += result.won
        if result.episode_return is not None:
            self._scored += 1
            self._score_sum += result.episode_return if self.reward == OWN else result.score_s
        if len(self.results) < self._keep:
            self.results.append(result)
            self._added.set()
            if self._enough is not None and len(self.results) >= self._enough:
                self._on_enough()

    async def keep_statistics(self, lane: Runner, clock: Clock) -> None:
        """Make the statistics anew after each episode, on the lane; ends by cancellation.

        Episodes that end while it works or rests are in the next ones.
        """
        while True:
            await self._added.wait()
            self._added.clear()
            results, begun_s = tuple(self.results), clock.now_s()
            self._statistics = await lane.run(partial(summarise, results))
            worked_s = clock.now_s() - begun_s
            await clock.sleep_until(clock.now_s() + max(REST_S, worked_s / SHARE_AT_WORK))

    def summary(self) -> dict[str, Any]:
        """Counts of the finished episodes, and the newest statistics; computes none.

        `statistics_of`: how many episodes the statistics are of, which may be fewer than `count`.
        """
        if not self._ended:
            return {"count": 0}
        counts = {"count": self._ended, "wins": self._wins}
        if not self._statistics:
            return counts
        return {**self._statistics, **counts, "statistics_of": self._statistics["count"]}

    def mean_score(self) -> tuple[int, float | None, str]:
        """Finished episodes, their mean score (None without one), and of which measure it is."""
        mean = self._score_sum / self._scored if self._scored else None
        return self._ended, mean, "episode_return" if self.reward == OWN else "score_s"

    def whole_summary(self) -> dict[str, Any]:
        """Counts, and statistics of all kept episodes, computed now: for the end of a session."""
        found = summarise(self.results)
        if self._ended > len(self.results):
            found |= {"count": self._ended, "wins": self._wins, "statistics_of": len(self.results)}
        return found

    def as_builtins(self) -> list[dict[str, Any]]:
        """All finished episodes as plain values."""
        return [msgspec.to_builtins(result) for result in self.results]


class SeesTheGame:
    """Ends the session, by a GameError, where a pilot is sent into a game that shows no run but an environment."""

    def __init__(self, policy: Policy) -> None:
        self._name = policy.name
        self._is_pilot = capabilities_of(policy).chooses_cards is not None

    def on_step(self, observation: Observation, action: Action, version: int) -> None:
        """Look at one observation."""
        if self._is_pilot and observation.state.env is not None:
            raise GameError(
                f"{self._name}: sees the state of a run, and this game shows none, only what its environment observes; "
                "name --policy dreamer, which sees pictures, or --weights that were trained on it"
            )
