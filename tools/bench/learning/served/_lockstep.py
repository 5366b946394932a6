"""Arenas in lock-step in one process, with what play has: the store, the contest, and the learner's own process.

Only the sockets are left out, and what a person may do. Play waits for the learner as `play --lock-step` does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import msgspec

from agent.concurrency.lane import Lane
from agent.concurrency.supervise import Supervisor
from agent.control.arbiter import Arbiter
from agent.control.motor import Motor
from agent.control.policy import Tensors
from agent.control.reward import RewardTable, Weights
from agent.control.score import EpisodeResult
from agent.core.clock import SystemClock
from agent.core.rollout import Rollout
from agent.core.types import Observation
from agent.games.arena.game import ArenaGame
from agent.learner.client import Learning
from agent.learner.live import LiveLearning
from agent.learner.pace import Pace
from agent.learning.configs import Budget, spec_of
from agent.session.step_runner import StepRunner
from agent.store.contest import MIN_LEARNED, Contest
from agent.store.reload import Reloader
from agent.store.store import WeightsStore
from agent.training.dream import TrainingGame

GAMES: Final = 8
FIRST_SEED: Final = 70_000_000
TICKS_AT_ONCE: Final = 8
"""Ticks between two turns of the parts beside play."""
CHAMPION: Final = "champion"
CHALLENGER: Final = "challenger"
BOTH: Final = "both"
"""Who played a run: the challenger of a run that was decided meanwhile leaves its end to the champion."""


class Run(msgspec.Struct, frozen=True):
    """A run that ended. one_in: one of so many runs was the challenger's when it began."""

    by: str
    score_s: float
    won: bool
    one_in: int


class Play(msgspec.Struct, frozen=True, kw_only=True):
    """What is played. paid_by: the learner's table, None: nothing learns. min_learned: see `store.contest`.

    one_in: one of so many rollouts is learned from, so that more runs can be played in the time.
    """

    folder: Path
    share: float
    tier: int
    seed: int
    budget: Budget = Budget()
    paid_by: Weights | None = None
    games: int = GAMES
    min_learned: int = MIN_LEARNED
    one_in: int = 1


class _Enough(Exception):
    """All runs were played; ends the TaskGroup."""


class LockstepContest:
    """A pilot that plays arenas while it learns; `runs` are those that ended, in order, `said` what was told."""

    def __init__(self, tensors: Tensors, play: Play) -> None:
        self.runs: list[Run] = []
        self.said: list[dict[str, Any]] = []
        self._play = play
        names = tuple(f"arena {k}" for k in range(play.games))
        self._clock = SystemClock()
        self._lanes = Lane("steps"), Lane("disk")
        runner, disk, store = StepRunner(self._lanes[0]), self._lanes[1], WeightsStore(play.folder)
        runner.on_loop = True  # the steps run on the loop
        self._supervisor = Supervisor(self._clock)
        self.motor = Motor(tensors, seed=play.seed)
        self._pace = Pace(self._clock, play.games, real_time=False)
        self._reloader = Reloader(self.motor, store, runner, disk, self._clock, say=self._say)
        self._live: LiveLearning | None = None
        self._learning: Learning | None = None
        part: Callable[[int], None] | None = None
        recorder = None
        if play.paid_by is not None:
            recorder = self.motor.learn(names, self._emit)
            recorder.pay_by(*(RewardTable(play.paid_by) for _ in names))
            part = recorder.part
        self.contest = Contest(
            self._reloader, runner, disk, self._clock, share=play.share, games=play.games, seed=play.seed, part=part,
            say=self._say, min_learned=play.min_learned,
        )  # fmt: skip
        if recorder is not None and play.paid_by is not None:
            self._learning = Learning(store, disk, self._clock, self._supervisor, play.budget, say=self._say)
            spec = spec_of(
                self.motor.name, self.motor.kind, recorder.features, self.motor.spec, self.motor.sizes, play.seed,
                paid_by=play.paid_by.label,
            )  # fmt: skip
            self._live = LiveLearning(
                self._pace, recorder, self._learning, self._reloader, self.contest, spec, disk, self._clock,
                paid_by=play.paid_by,
            )  # fmt: skip
        first = FIRST_SEED + 1_000_000 * play.seed
        self._seats = [
            TrainingGame(k, ArenaGame(tier=play.tier), first + 1000 * k, pictures=False) for k in range(play.games)
        ]
        self._begun, self._rollouts = [(CHAMPION, 1)] * play.games, 0
        self._arbiter = Arbiter()

    def _emit(self, rollout: Rollout) -> None:
        self._rollouts += 1
        if self._rollouts % self._play.one_in == 0:
            self._pace.rollouts.put(rollout)

    def _say(self, kind: str, message: str, payload: dict[str, Any]) -> None:
        self.said.append({"after_runs": len(self.runs), "kind": kind, "message": message})
        if kind.startswith("challenger") or kind in ("weights_rolled_back", "part_parked"):
            print(f"{len(self.runs)} runs: {message}", flush=True)

    async def play(self, runs: int, until: str = "") -> None:
        """Play so many runs, or until something of this kind is said."""
        with ExitStack() as stack:
            for close in (*(lane.close for lane in self._lanes), self._reloader.close, self.contest.close):
                stack.callback(close)
            if self._learning is not None:
                stack.callback(self._learning.close)
            await self._reloader.begin(keep_given=False)
            await self.contest.begin()
            try:
                async with asyncio.TaskGroup() as group:
                    beside = {"watch": self._reloader.watch, "mend": self._reloader.mend, "contest": self.contest.run}
                    if self._live is not None:
                        self._live.begin()
                        beside["learning from play"] = self._live.run
                    for name, run in beside.items():
                        group.create_task(self._supervisor.run(name, run), name=name)
                    await self._steps(runs, until)
                    raise _Enough
            except* _Enough:
                pass
            await self.contest.finish()

    async def _steps(self, runs: int, until: str) -> None:
        carry = self.motor.initial(self._play.games)
        while len(self.runs) < runs and not any(said["kind"] == until for said in self.said):
            await self._pace.room()
            for _ in range(TICKS_AT_ONCE):
                carry = self._tick(carry)
            await asyncio.sleep(0)

    def _tick(self, carry: Any) -> Any:
        """One tick of every game."""
        pair = self.contest.pair
        seen = [seat.observe() for seat in self._seats]
        carry, actions = pair.step(carry, [observation for observation, _ in seen])
        for seat, (observation, result), action in zip(self._seats, seen, actions, strict=True):
            game = observation.game
            if observation.is_first:
                self._begun[game] = self._by(game), self.contest.challenge.runs_a_block
            self.contest.stepped(pair.version(game), observation, self._arbiter.choose(action), False)
            if result is not None:
                self._ended(observation, result)
            seat.act(observation, action)
        return carry

    def _by(self, game: int) -> str:
        return CHAMPION if self.contest.pair.acting(game) is self.motor else CHALLENGER

    def _ended(self, observation: Observation, result: EpisodeResult) -> None:
        game = observation.game
        by, one_in = self._begun[game]
        self.runs.append(Run(by if by == self._by(game) else BOTH, result.score_s, result.won, one_in))
        self.contest.ended(game, result)

    def status(self) -> dict[str, Any]:
        """What `/status` shows of the contest, of learning, and of parts that failed."""
        return {
            "challenge": self.contest.status(), "supervisor": self._supervisor.status(),
            "learning": {} if self._live is None else self._live.status(),
            "losses": {} if self._learning is None else self._learning.losses(),
        }  # fmt: skip
