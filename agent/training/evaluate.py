"""Whole episodes of a hosted game in lock-step, as fast as possible, without a socket.

The game advances one tick for each action; nothing expires and nothing is late. Same game, policy and seed give the
same actions, to the bit.
"""

from __future__ import annotations

import contextlib
import hashlib
import sys
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from agent.control.arbiter import Arbiter
from agent.control.policy import Policy
from agent.control.reward import SCORE, Weights
from agent.control.score import EpisodeResult, EpisodeTracker, summarise
from agent.core.clock import TICK_HZ, Clock
from agent.core.errors import GameError, NumberError
from agent.core.types import Frame, GameState, Observation
from agent.games.contract import HostedGame
from agent.link.wire import encode_action

REPORT_SCHEMA = "metabonk-evaluation/1"
FRAME_EVERY = 6
DECISION_S = 4 / TICK_HZ
MAX_TICKS = 3600 * TICK_HZ


def observe(game: HostedGame, index: int, state: GameState, frame: Frame | None, tick: int) -> Observation:
    """What game `index` shows, `tick` ticks after its run began."""
    run = state.run
    ended = run is not None and run.run_ended
    return Observation(
        game=index,
        state=state,
        frame=frame,
        sequence=tick,
        elapsed_s=game.tick_s if tick else 0.0,
        received_at_s=tick * game.tick_s,
        reward=run.reward if run is not None else 0.0,
        is_first=tick == 0,
        is_last=ended,
        is_terminal=run is not None and ended and not run.run_truncated,
        is_won=run is not None and run.run_won,
    )


def cast_of(game: HostedGame) -> dict[str, Any]:
    """Who plays and where, of a game that has characters and tiers and does not begin with its default."""
    cast: dict[str, Any] = getattr(game, "cast", {})
    return cast


def picture_ticks(game: HostedGame) -> int:
    """Ticks of a game from one picture to the next, for a policy that wants one with each of its decisions."""
    return max(1, round(DECISION_S / game.tick_s))


class EvaluationRun:
    """One policy on one game, episode after episode."""

    def __init__(
        self,
        game: HostedGame,
        policy: Policy,
        *,
        frames: bool,
        frame_every: int = FRAME_EVERY,
        weights: Weights = SCORE,
    ) -> None:
        self.action_hash = hashlib.sha256()
        self.reward = ""
        self._weights = weights
        self._game = game
        self._policy = policy
        self._frames, self._frame_every = frames, frame_every
        self._arbiter = Arbiter()

    def episode(self, seed: int) -> EpisodeResult:
        """Play one episode from the start of a run, or up to a reward or an observation that is no number."""
        tracker = EpisodeTracker(self._weights)
        try:
            return self._play(seed, tracker)
        except NumberError as error:
            return tracker.broken(str(error))

    def _play(self, seed: int, tracker: EpisodeTracker) -> EpisodeResult:
        game = self._game
        game.reset(seed, start="run")
        carry = self._policy.initial(1)
        frame: Frame | None = None
        for tick in range(MAX_TICKS):
            state = game.state()
            if self._frames and tick % self._frame_every == 0:
                frame = Frame(game.render(), tick * game.tick_s, tick * game.tick_s)
            observation = observe(game, 0, state, frame, tick)
            result = tracker.add(observation)
            if result is not None:
                self.reward = tracker.reward
                return result
            carry, actions = self._policy.step(carry, [observation])
            action = self._arbiter.choose(actions[0]).action
            self.action_hash.update(encode_action(action))
            game.tick(action)
        raise GameError(f"no episode of {game.name} with seed {seed} ended within {MAX_TICKS} ticks")


@contextlib.contextmanager
def telling_of_a_break(
    report: Callable[[], dict[str, Any]], on_broken: Callable[[dict[str, Any]], None]
) -> Iterator[None]:
    """A context that gives `on_broken` the report, with `broken_off`: why, where it is interrupted or fails."""
    try:
        yield
    finally:
        error = sys.exception()
        if error is not None:
            why = "interrupted" if isinstance(error, KeyboardInterrupt) else f"{type(error).__name__}: {error}"
            on_broken({**report(), "broken_off": why})


def evaluate(
    game: HostedGame,
    policy: Policy,
    clock: Clock,
    *,
    episodes: int,
    seed: int,
    frames: bool = False,
    frame_every: int = FRAME_EVERY,
    weights: Weights = SCORE,
    on_episode: Callable[[int, EpisodeResult], None] = lambda index, result: None,
    on_begun: Callable[[], None] = lambda: None,
    on_broken: Callable[[dict[str, Any]], None] = lambda report: None,
) -> dict[str, Any]:
    """Play `episodes` episodes with seeds `seed`, `seed`+1, … and return the report's values.

    weights: the table of the returns, where the game has no reward of its own.

    `on_begun` is called when all is ready. Where it is interrupted or fails, `on_broken` gets the report of the
    episodes that ended, with `broken_off`: why.
    """
    policy.warm_up()
    on_begun()
    rollout = EvaluationRun(game, policy, frames=frames, frame_every=frame_every, weights=weights)
    start_s = clock.now_s()
    results: list[EpisodeResult] = []

    def report() -> dict[str, Any]:
        return {
            "schema": REPORT_SCHEMA,
            "game": game.name,
            "rules": game.rules,
            **cast_of(game),
            "policy": policy.name,
            "reward": rollout.reward,
            "seed": seed,
            "episodes": episodes,
            "statistics": summarise(results),
            "results": [msgspec.to_builtins(r) for r in results],
            "action_hash": rollout.action_hash.hexdigest(),
            "wall_seconds": round(clock.now_s() - start_s, 3),
        }

    with telling_of_a_break(report, on_broken):
        for index in range(episodes):
            results.append(rollout.episode(seed + index))
            on_episode(index, results[-1])
    return report()
