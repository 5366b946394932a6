"""Arenas in lock-step in one process, with what play has: the store, the contest, and the learner's own process.

The arenas are the batch of training, which encodes, decides and answers menus as a pilot that plays does, but holds its
axes between decisions; so a run costs a sixth of the time. What is left out beside are the sockets, and what a person
may do. Play waits for the learner as `play --lock-step` does.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from agent.concurrency.lane import Lane
from agent.concurrency.supervise import Supervisor
from agent.control.arbiter import Arbiter
from agent.control.arrays import STILL
from agent.control.experience import (
    Sampled,
    allowed_choices,
    button_log_prob,
    choice_log_prob,
    sampled_axes,
)
from agent.control.motor import MAX_TICKS, Motor
from agent.control.policy import Tensors
from agent.control.reflex.network import Decision, decide, squashed
from agent.control.reward import SCORE, Weights
from agent.control.score import EpisodeResult
from agent.core.clock import TICK_S, SystemClock
from agent.core.rollout import Rollout
from agent.core.types import Action, Observation
from agent.learner.client import Learning
from agent.learner.live import LiveLearning
from agent.learner.pace import Pace
from agent.learning.configs import Budget, spec_of
from agent.session.step_runner import StepRunner
from agent.store.contest import MIN_LEARNED, Contest
from agent.store.reload import Reloader
from agent.store.store import WeightsStore
from agent.training.arena.batch import ArenaBatch, Cast, EndedRun

GAMES: Final = 8
FIRST_SEED: Final = 70_000_000
SWITCH_INTERVAL_S: Final = 0.0001
"""The loop is never idle, and the lanes would starve: weights took 45 s to be prepared on a quiet machine."""
DECISIONS_AT_ONCE: Final = 4
"""Decisions between two turns of the parts beside play."""
CHAMPION: Final = "champion"
CHALLENGER: Final = "challenger"
BOTH: Final = "both"
"""Who played a run: the challenger of a run that was decided meanwhile leaves its end to the champion."""
_PLAYING: Final = allowed_choices(True, None)


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


class _Paid:
    """Pays what an observation says."""

    def of(self, observation: Observation) -> float:
        """Its reward."""
        return observation.reward


class BatchMotor(Motor):
    """A pilot whose observations are the rows of a batch, and whose actions are written into `axes` … `cards`.

    A shallow copy, as a challenger is, shares all of them and the memory.
    """

    def __init__(self, tensors: Tensors, batch: ArenaBatch, *, seed: int) -> None:
        super().__init__(tensors, seed=seed)
        self._runs = batch
        self._hidden = np.zeros((batch.count, self.reflex.gates.b.shape[0] // 4), np.float32)
        self._picture = np.zeros_like(self.reflex.picture.b)
        self.axes, self.buttons = np.zeros((batch.count, 4), np.float32), np.zeros((batch.count, 3), np.int32)
        self.cards = np.zeros(batch.count, np.int32)
        self._rng = np.random.default_rng(seed)

    def step(self, carry: Any, observations: Sequence[Observation | None]) -> tuple[Any, list[Action | None]]:
        """One decision of each row that has an observation."""
        return carry, [None if o is None else self._row(o) for o in observations]

    def _row(self, observation: Observation) -> Action:
        k, o, ticks = observation.game, self._runs.observed, float(self._runs.elapsed_ticks[observation.game])
        if self.recorder is not None:
            self.recorder.observe(observation)
        if observation.is_first:
            self._hidden[k] = 0.0
        before = self._hidden[k].copy()
        d = decide(
            self.reflex, o.self_[k], o.tokens[k], o.mask[k], o.rings[k], o.cards[k], self._picture, before,
            min(ticks, MAX_TICKS),
        )  # fmt: skip
        self._hidden[k] = d.hidden
        sampled = self._menu(k, d) if self._runs.in_menu[k] else self._drawn(d)
        if self.recorder is not None:
            seen = (o.self_[k], o.tokens[k].ravel(), o.mask[k], o.rings[k].ravel(), o.cards[k].ravel())
            row = np.concatenate(seen)
            self.recorder.write(observation, row, before, ticks * TICK_S, d.value, sampled, self.version)
        self.axes[k], self.buttons[k], self.cards[k] = sampled.axes, sampled.choices[:3], sampled.choices[3]
        mx, my, lx, ly = (float(a) for a in sampled.axes)
        fire, ability, interact = (bool(c) for c in sampled.choices[:3])
        return Action((mx, my), (lx, ly), fire, ability, interact)

    def _menu(self, k: int, d: Decision) -> Sampled:
        choosing = bool(self._runs.choosing[k])
        noise = self._rng.gumbel(size=len(d.cards)) if self.recorder is not None else 0.0
        card = int(np.argmax(d.cards + noise)) if choosing else 0
        there = (self._runs.observed.cards[k] != 0).any(1) if choosing else None
        chance = choice_log_prob(d.cards, card) if choosing else 0.0
        return Sampled(np.zeros(4, np.float32), (0, 0, 0, card), chance, allowed_choices(False, there))

    def _drawn(self, d: Decision) -> Sampled:
        if self.recorder is None:
            fire, ability, interact = (int(b > 0) for b in d.buttons)
            return Sampled(np.array(squashed(d.axes), np.float32), (fire, ability, interact, 0), 0.0, _PLAYING)
        noise = self._rng.standard_normal(4).astype(np.float32)
        axes, chance = sampled_axes(d.axes, self.tensors["axes_log_std"], noise)
        pressed = [bool(b > 0) for b in d.buttons + self._rng.logistic(size=len(d.buttons))]
        chance += sum(button_log_prob(float(b), p) for b, p in zip(d.buttons, pressed, strict=True))
        return Sampled(axes, (int(pressed[0]), int(pressed[1]), int(pressed[2]), 0), chance, _PLAYING)


def _compile(tensors: Tensors) -> None:
    """Compile what a decision needs, before there is a loop that it would hold up."""
    batch = ArenaBatch(1, 0)
    motor = BatchMotor(tensors, batch, seed=0)
    motor.step(None, [Observation(0, STILL, None, None, 0.0, 0.0, 0.0, True, False, False)])
    batch.step(motor.axes, motor.buttons, motor.cards)


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
        self._batch = ArenaBatch(
            play.games, FIRST_SEED + 1_000_000 * play.seed, casts=[Cast(play.tier - 1)], weights=play.paid_by or SCORE
        )
        self.motor = BatchMotor(tensors, self._batch, seed=play.seed)
        self._pace = Pace(self._clock, play.games, real_time=False)
        self._reloader = Reloader(self.motor, store, runner, disk, self._clock, say=self._say)
        self._live: LiveLearning | None = None
        self._learning: Learning | None = None
        part: Callable[[int], None] | None = None
        recorder = None
        if play.paid_by is not None:
            recorder = self.motor.learn(names, self._emit)
            recorder.pay_by(*(_Paid() for _ in names))
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
        self._rewards = np.zeros(play.games, np.float32)
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

    def play(self, runs: int, until: Sequence[str] = (), also: Callable[[], Awaitable[None]] | None = None) -> None:
        """Play so many runs, or until one of these kinds is said, and close; `also` runs beside play."""
        _compile(self.motor.tensors)
        before = sys.getswitchinterval()
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        try:
            asyncio.run(self._run(runs, until, also))
        finally:
            sys.setswitchinterval(before)
            for close in (self.contest.close, self._reloader.close, *(lane.close for lane in self._lanes)):
                close()
            if self._learning is not None:
                self._learning.close()

    async def _run(self, runs: int, until: Sequence[str], also: Callable[[], Awaitable[None]] | None) -> None:
        await self._reloader.begin(keep_given=False)
        await self.contest.begin()
        beside: dict[str, Callable[[], Awaitable[None]]] = {
            "watch": self._reloader.watch,
            "mend": self._reloader.mend,
            "contest": self.contest.run,
        }
        if self._live is not None:
            self._live.begin()
            beside["learning from play"] = self._live.run
        if also is not None:
            beside["also"] = also
        try:
            async with asyncio.TaskGroup() as group:
                for name, run in beside.items():
                    group.create_task(self._supervisor.run(name, run), name=name)
                await self._steps(runs, until)
                raise _Enough
        except* _Enough:
            pass
        await self.contest.finish()

    async def _steps(self, runs: int, until: Sequence[str]) -> None:
        carry = self.motor.initial(self._play.games)
        while len(self.runs) < runs and not any(said["kind"] in until for said in self.said):
            await self._pace.room()
            for _ in range(DECISIONS_AT_ONCE):
                carry = self._decide(carry)
            await asyncio.sleep(0)

    def _decide(self, carry: Any) -> Any:
        """One decision of every game, and what it leads to."""
        batch, motor, pair = self._batch, self.motor, self.contest.pair
        seen: list[Observation | None] = [
            Observation(
                game=k, state=STILL, frame=None, sequence=None, elapsed_s=float(batch.elapsed_ticks[k]) * TICK_S,
                received_at_s=0.0, reward=float(self._rewards[k]), is_first=bool(batch.is_first[k]), is_last=False,
                is_terminal=False,
            )
            for k in range(batch.count)
        ]  # fmt: skip
        carry, actions = pair.step(carry, seen)
        for k, (observation, action) in enumerate(zip(seen, actions, strict=True)):
            assert observation is not None
            if observation.is_first:
                self._begun[k] = self._by(k), self.contest.challenge.runs_a_block
            self.contest.stepped(pair.version(k), observation, self._arbiter.choose(action), False)
        outcome = batch.step(motor.axes, motor.buttons, motor.cards)
        self._rewards = np.where(outcome.is_last, np.float32(0.0), outcome.reward)
        for k, run in zip(np.flatnonzero(outcome.is_last).tolist(), outcome.ended, strict=True):
            self._ended(k, run, float(outcome.reward[k]), bool(outcome.is_terminal[k]))
        return carry

    def _by(self, game: int) -> str:
        return CHAMPION if self.contest.pair.acting(game) is self.motor else CHALLENGER

    def _ended(self, game: int, run: EndedRun, reward: float, is_terminal: bool) -> None:
        if self.motor.recorder is not None:
            last = Observation(
                game=game, state=STILL, frame=None, sequence=None, elapsed_s=TICK_S, received_at_s=0.0, reward=reward,
                is_first=False, is_last=True, is_terminal=is_terminal,
            )  # fmt: skip
            self.motor.recorder.observe(last)
        by, one_in = self._begun[game]
        self.runs.append(Run(by if by == self._by(game) else BOTH, run.score_s, run.won, one_in))
        self.contest.ended(
            game,
            EpisodeResult(run.score_s, run.score_s, run.won, run.kills, run.level, run.episode_return, run.decisions),
        )

    def status(self) -> dict[str, Any]:
        """What `/status` shows of the contest, of learning, and of parts that failed."""
        return {
            "challenge": self.contest.status(), "supervisor": self._supervisor.status(),
            "learning": {} if self._live is None else self._live.status(),
            "losses": {} if self._learning is None else self._learning.losses(),
        }  # fmt: skip
