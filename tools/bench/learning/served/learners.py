"""What may learn and act in play, beside each other: score at equal decisions, and at equal processor time.

From nothing, eight arenas of tier 1 in lock-step, one arm for each METABONK_SERVED_POLICY: `ppo`, `ppo+dream`,
`dreamer`, `off-policy`, and `off-policy, lessons` with 20,000 decisions of the kiter. All are paid the table `score`,
as in play. Reduced for its time: 15,000 decisions and one seed, the score of the likeliest actions on 20 runs that
nothing was learned from, before, on the way, and after. Processor time is that of the updates alone. Untrained weights
are the control: what does not score more than them has learned nothing. Reports; fails only where an arm was not run.

BENCH_STEPS sets another number of decisions.
"""

from __future__ import annotations

import os
import time
from typing import Any, Final

import numpy as np
import torch

from agent.control.dreamer import DreamPilot
from agent.control.motor import Motor
from agent.control.reward import SCORE, RewardTable
from agent.control.untrained import untrained_tensors
from agent.core.settings import load_settings
from agent.core.statistics import bootstrap, paired_difference
from agent.games.arena.game import ArenaGame
from agent.games.arena.rules_hash import rules_hash
from agent.learner.lessons import lessons
from agent.learning.configs import learner_budget
from agent.learning.learner import PolicyLearner
from agent.training.dream import DreamTraining, TrainingGame
from agent.training.evaluate import EvaluationRun
from tools.bench.learning.in_play import greedy_scores
from tools.bench.learning.served._pilot import OWN, spec_of_pilot

DEFAULT_SEEDS: Final = 3
DECISIONS, REDUCED_DECISIONS, EVERY = 15_360, 2_048, 7_680
EPISODES, REDUCED_EPISODES, UNSEEN_SEED = 20, 2, 500_000
GAMES: Final = 8
LESSONS, REDUCED_LESSONS = 20_000, 1_024
TAUGHT: Final = "off-policy, lessons"
ARMS: Final = (TAUGHT, "off-policy", "ppo", "ppo+dream", "dreamer")
REDUCED_ARMS: Final = ("ppo",)


class PilotArm:
    """An untrained pilot that learns from eight arenas by what a setting says."""

    def __init__(self, served: str, seed: int, lessons_of: int) -> None:
        torch.manual_seed(seed)
        budget = learner_budget(load_settings(None, {"METABONK_SERVED_POLICY": served} | OWN))
        self.learner = PolicyLearner(spec_of_pilot(seed), budget)
        self.tensors = untrained_tensors(seed)
        self.learner.take_weights(self.tensors)
        self.motor = Motor(self.tensors, seed=seed)
        self._rollouts: list[Any] = []
        names = tuple(f"arena {k}" for k in range(GAMES))
        self._recorder = self.motor.learn(names, self._rollouts.append, off_policy=served == "off-policy")
        self._recorder.pay_by(*(RewardTable(SCORE) for _ in names))
        first = 50_000_000 + 1_000_000 * seed
        self._seats = [TrainingGame(k, ArenaGame(), first + 1000 * k, pictures=False) for k in range(GAMES)]
        self._carry = self.motor.initial(GAMES)
        self.cpu_s = 0.0
        for lesson in lessons(ArenaGame(), lessons_of, reward=RewardTable(SCORE)) if lessons_of else ():
            assert self.learner.off_policy is not None
            self.learner.off_policy.take_lessons(lesson)

    @property
    def decisions(self) -> int:
        """Made so far, in all games."""
        return self._recorder.rows_total

    def advance(self) -> None:
        """Play until rollouts are full, and learn from each."""
        while not self._rollouts:
            seen = [seat.observe() for seat in self._seats]
            self._carry, actions = self.motor.step(self._carry, [observation for observation, _ in seen])
            for seat, (observation, _), action in zip(self._seats, seen, actions, strict=True):
                seat.act(observation, action)
        while self._rollouts:
            rollout, begun_s = self._rollouts.pop(0), time.process_time()
            for part in self.learner.parts:
                part.update(rollout)
            self.cpu_s += time.process_time() - begun_s
        self.tensors = self.learner.weights()
        self.motor.load(self.motor.prepare(self.tensors, "learners"), self.motor.version + 1)

    def scores_s(self, seeds: range) -> list[float]:
        """Of the likeliest actions."""
        return greedy_scores(self.tensors, seeds, 0)


class DreamerArm:
    """An untrained dreamer that learns from eight arenas, as `train` has it learn."""

    def __init__(self, seed: int) -> None:
        budget = learner_budget(load_settings(None, {"METABONK_SERVED_POLICY": "dreamer"} | OWN))
        self._training = DreamTraining("arena", seed=seed, copies=GAMES, budget=budget)
        self._seed = seed
        self.cpu_s = 0.0
        for part in self._training.learner.parts:
            part.update = self._timed(part.update)  # type: ignore[method-assign]

    def _timed(self, update: Any) -> Any:
        def timed(rollout: Any) -> Any:
            begun_s = time.process_time()
            found = update(rollout)
            self.cpu_s += time.process_time() - begun_s
            return found

        return timed

    @property
    def decisions(self) -> int:
        """Made so far, in all games."""
        return self._training.steps

    def advance(self) -> None:
        """Play until a rollout is full, and learn from it."""
        self._training.advance()

    def scores_s(self, seeds: range) -> list[float]:
        """Of the likeliest actions."""
        policy = DreamPilot(self._training.policy.tensors, seed=self._seed)
        run = EvaluationRun(ArenaGame(), policy, frames=False)
        return [run.episode(seed).score_s for seed in seeds]


def one_arm(seed: int, arm: str, reduced: bool) -> dict[str, Any]:
    """The curve of scores over decisions and processor time."""
    decisions = REDUCED_DECISIONS if reduced else int(os.environ.get("BENCH_STEPS") or DECISIONS)
    seeds = range(UNSEEN_SEED, UNSEEN_SEED + (REDUCED_EPISODES if reduced else EPISODES))
    taught = (REDUCED_LESSONS if reduced else LESSONS) * (arm == TAUGHT)
    play = DreamerArm(seed) if arm == "dreamer" else PilotArm(arm.partition(",")[0], seed, taught)
    curve = [_point(play, seeds)]
    while play.decisions < decisions:
        play.advance()
        if play.decisions >= min(decisions, curve[-1]["decisions"] + EVERY):
            curve.append(_point(play, seeds))
            said = f"{curve[-1]['decisions']} decisions, {curve[-1]['cpu_s']} s, {np.mean(curve[-1]['scores_s']):.0f} s"
            print(f"learners, seed {seed}, {arm}: {said}", flush=True)
    return {"curve": curve, "lessons": taught}


def _point(play: Any, seeds: range) -> dict[str, Any]:
    return {"decisions": play.decisions, "cpu_s": round(play.cpu_s, 1), "scores_s": play.scores_s(seeds)}


def at_time(curve: list[dict[str, Any]], cpu_s: float) -> dict[str, Any]:
    """The last point of a curve that took no longer."""
    return [point for point in curve if point["cpu_s"] <= cpu_s][-1]


def summarise(rows: list[dict[str, Any]], reduced: bool) -> dict[str, Any]:
    """Before, after, and after as much processor time as the arm that took least."""
    arms = {arm: [row[arm] for row in rows if row.get(arm)] for arm in ARMS}
    found = {arm: parts for arm, parts in arms.items() if parts}
    quickest_s = min(part["curve"][-1]["cpu_s"] for parts in found.values() for part in parts)
    tables = {arm: _table(parts, quickest_s) for arm, parts in found.items()}
    checks = {} if reduced else {f"{arm} was run": arm in tables for arm in ARMS}
    return {"rules": rules_hash(), "quickest_cpu_s": quickest_s, "arms": tables, "checks": checks, "rows": rows,
            "passed": all(checks.values())}  # fmt: skip


def _table(parts: list[dict[str, Any]], quickest_s: float) -> dict[str, Any]:
    first, last = ([s for p in parts for s in p["curve"][k]["scores_s"]] for k in (0, -1))
    soon = [s for p in parts for s in at_time(p["curve"], quickest_s)["scores_s"]]
    gain = paired_difference(last, first)
    return {
        "seeds": len(parts), "decisions": parts[0]["curve"][-1]["decisions"],
        "cpu_s": round(float(np.mean([p["curve"][-1]["cpu_s"] for p in parts])), 1), "before_s": _interval(first),
        "after_s": _interval(last), "after_equal_time_s": _interval(soon),
        "decisions_at_equal_time": at_time(parts[0]["curve"], quickest_s)["decisions"],
        "gain_s": {"mean": round(gain.value, 1), "low": round(gain.low, 1), "high": round(gain.high, 1)},
    }  # fmt: skip


def _interval(scores: list[float]) -> dict[str, float]:
    value, low, high = bootstrap(scores)
    return {"mean": round(value, 1), "low": round(low, 1), "high": round(high, 1)}
