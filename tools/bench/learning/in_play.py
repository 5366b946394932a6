"""Does the pilot get better while it plays? The score of its likeliest actions over decisions, on unseen seeds.

Eight arenas in lock-step, the learner for play (METABONK_SERVED_POLICY=off-policy), 120,000 decisions an arm:

- `untrained`: from an untrained pilot, with nothing but its own play;
- `untrained, lessons`: the same with 56,000 decisions of the kiter as prior data;
- `untrained, shuffled`: as the first, told of other decisions' rewards: must not gain;
- `untrained, lessons, shuffled`: as the second, told of other decisions' rewards, in the lessons too: what it gains it
  gains by imitation, and what the second has above it at the end comes from rewards;
- `pilot tier 1`, `pilot tier 3`: from the shipped pilot, the latter for 300,000 decisions.

Scores are those of 60 runs that nothing was learned from, before and after; every 30,000 decisions the first 20 of them
are played. The arm with lessons must end at twice its score before, the 95 % intervals (bootstrap over runs) apart; the
control must not gain; with lessons, true rewards must end above exchanged ones; on tier 1 the paired difference must
not lie below −5 %. Gains of the others are reported with their intervals.

BENCH_STEPS sets another number of decisions, `--arm` runs one arm. The reward is minutes survived, with potentials that
play does not add; see `SurvivalReward`.

The policy is `control.motor.Motor` with its own recorder, the games are hosted arenas, and the learners are those that
the learner's process holds (`PolicyLearner`); only the sockets and the pipe between them are left out.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
import numpy as np
import torch

from agent.control.motor import Motor, checked_reflex, pilot_tensors
from agent.control.policies import SHIPPED
from agent.control.reward import RewardTable, Weights
from agent.control.score import CAP_S, EpisodeResult
from agent.control.untrained import default_sizes, untrained_tensors
from agent.core.rollout import Rollout
from agent.core.statistics import bootstrap, paired_difference
from agent.core.types import GameState, Observation
from agent.games.arena import state as layout
from agent.games.arena.game import ArenaGame
from agent.games.arena.rules_hash import rules_hash
from agent.learner.lessons import lessons
from agent.learning.configs import OFF_POLICY, PILOT, Budget, OffPolicyConfig, PolicySpec
from agent.learning.learner import PolicyLearner
from agent.models.sealed import content_sha256
from agent.training.arena.batch import run_seed
from agent.training.arena.lockstep import LockstepPlayer
from agent.training.dream import TrainingGame

DEFAULT_SEEDS: Final = 3
DECISIONS, REDUCED_DECISIONS, EVERY = 120_000, 4_096, 30_000
EPISODES, BETWEEN_EPISODES, REDUCED_EPISODES, UNSEEN_SEED = 60, 20, 4, 500_000
LESSONS, REDUCED_LESSONS = 56_000, 2_048
UNTRAINED, TAUGHT, SHUFFLED = "untrained", "untrained, lessons", "untrained, shuffled"
TAUGHT_SHUFFLED: Final = "untrained, lessons, shuffled"
TIER_1, TIER_3 = "pilot tier 1", "pilot tier 3"
TIERS: Final = {TIER_1: 0, TIER_3: 2}
DECISIONS_OF: Final = {TIER_3: 300_000}
ARMS: Final = (TAUGHT, UNTRAINED, SHUFFLED, TAUGHT_SHUFFLED, *TIERS)
REDUCED_ARMS: Final = (TAUGHT,)
CONTROL_SEEDS: Final = 1
CONFIG = OffPolicyConfig(updates_per_decision=0.05)
"""Updates are capped so that a run ends within 80 minutes of one core."""


GAMES: Final = 8
HEALTH, LEVEL = 1.0, 0.1
"""Potentials, in minutes: of full health, and of a level."""
MINUTES: Final = Weights("minutes", minute=1.0)
TICKS: Final = 4
Tensors = dict[str, Any]


class SurvivalReward:
    """The minutes of a reward table, and potentials of health and level, which play does not add."""

    def __init__(self, gamma: float) -> None:
        self._gamma = gamma ** (1.0 / TICKS)
        self._table = RewardTable(MINUTES)
        self._potential = 0.0

    def of(self, observation: Observation) -> float:
        """Reward since the observation before; 0 for the first of an episode."""
        state, minutes = observation.state, self._table.of(observation)
        if observation.is_first:
            self._potential = _potential(state)
            return 0.0
        after = 0.0 if observation.is_last and observation.is_terminal else _potential(state)
        helped, self._potential = self._gamma * after - self._potential, after
        return minutes + helped


def _potential(state: GameState) -> float:
    level = state.run.level + state.run.xp_fraction if state.run is not None else 0.0
    return HEALTH * state.health / max(state.max_health, 1.0) + LEVEL * level


class TierGame(ArenaGame):
    """The arena on one tier, the lowest being 0."""

    def __init__(self, tier: int) -> None:
        self._tier = tier
        super().__init__()

    def _new_run(self) -> None:
        self.tier = self._tier
        super()._new_run()


def greedy_scores(tensors: Tensors, seeds: Sequence[int], tier: int) -> list[float]:
    """Score of the likeliest actions on each seed, in seconds."""
    player, scores = LockstepPlayer(checked_reflex(tensors, "in play")), []
    for seed in seeds:
        player.begin(seed)
        player._worlds.reset(0, run_seed(seed, 0), tier=tier)
        while player.advance():
            pass
        won = player.world["phase"] == layout.WON
        scores.append(round(CAP_S if won else min(float(player.world["time_s"]), CAP_S), 2))
    return scores


class InPlay:
    """One policy learning from eight games; `change` may alter each rollout and lesson before it is learned from."""

    def __init__(
        self, tensors: Tensors, config: OffPolicyConfig, *, tier: int = 0, games: int = GAMES, lessons_of: int = 0,
        change: Callable[[Rollout], Rollout] = lambda rollout: rollout,
    ) -> None:  # fmt: skip
        torch.manual_seed(config.seed)
        budget = Budget(served=OFF_POLICY, use_active_inference=False, off_policy=config)
        spec = PolicySpec(name="pilot", kind=PILOT, sizes=default_sizes(), seed=config.seed)
        self.learner = PolicyLearner(spec, budget)
        self.learner.take_weights(tensors)
        self.motor = Motor(tensors, seed=config.seed)
        self._rollouts: list[Rollout] = []
        names = tuple(f"arena {k}" for k in range(games))
        self.recorder = self.motor.learn(names, self._rollouts.append, off_policy=True)
        self.recorder.pay_by(*(SurvivalReward(config.gamma) for _ in names))
        first = 10_000_000 * (1 + config.seed)
        self._seats = [TrainingGame(k, TierGame(tier), first + 100_000 * k, pictures=False) for k in range(games)]
        self._carry, self._change = self.motor.initial(games), change
        self.results: list[EpisodeResult] = []
        self.figures: dict[str, float] = {}
        if lessons_of:
            assert self.learner.off_policy is not None
            for lesson in lessons(TierGame(tier), lessons_of, reward=SurvivalReward(config.gamma)):
                self.learner.off_policy.take_lessons(change(lesson))

    @property
    def decisions(self) -> int:
        """Made so far, in all games."""
        return self.recorder.rows_total

    def advance(self) -> None:
        """Play until rollouts are full, learn from each, and act with what was learned."""
        while not self._rollouts:
            seen = [seat.observe() for seat in self._seats]
            self._carry, actions = self.motor.step(self._carry, [observation for observation, _ in seen])
            for seat, (observation, result), action in zip(self._seats, seen, actions, strict=True):
                if result is not None:
                    self.results.append(result)
                seat.act(observation, action)
        while self._rollouts:
            rollout = self._change(self._rollouts.pop(0))
            for part in self.learner.parts:
                self.figures |= part.update(rollout)
        weights = self.learner.weights()
        self.motor.load(self.motor.prepare(weights, "in play"), self.motor.version + 1)


def shuffled(seed: int) -> Callable[[Rollout], Rollout]:
    """Exchanges the rewards of a rollout's decisions at random: nothing can be learned from them."""
    random = np.random.default_rng(seed)

    def change(rollout: Rollout) -> Rollout:
        return msgspec.structs.replace(rollout, rewards=random.permutation(rollout.rewards))

    return change


def one_arm(seed: int, arm: str, reduced: bool) -> dict[str, Any]:
    """One arm: the curve of scores, what the learner believes at the end, and how fast it was."""
    if arm in (SHUFFLED, TAUGHT_SHUFFLED) and seed >= CONTROL_SEEDS:
        return {}
    asked = int(os.environ.get("BENCH_STEPS") or DECISIONS_OF.get(arm, DECISIONS))
    decisions, tier = REDUCED_DECISIONS if reduced else asked, TIERS.get(arm, 0)
    lessons_of = (REDUCED_LESSONS if reduced else LESSONS) * (arm in (TAUGHT, TAUGHT_SHUFFLED))
    seeds = range(UNSEEN_SEED, UNSEEN_SEED + (REDUCED_EPISODES if reduced else EPISODES))
    tensors = pilot_tensors(SHIPPED) if arm in TIERS else untrained_tensors(seed)
    config = msgspec.structs.replace(CONFIG, seed=seed, prior_weight=0.1 if arm in TIERS else 0.0)
    change = {"change": shuffled(seed)} if arm in (SHUFFLED, TAUGHT_SHUFFLED) else {}
    start = time.perf_counter()
    play = InPlay(tensors, config, tier=tier, lessons_of=lessons_of, **change)
    scores = Scores(tier)
    curve = [_point(0, scores.of(tensors, seeds), play)]
    while play.decisions < decisions:
        play.advance()
        if play.decisions >= decisions or play.decisions >= curve[-1]["decisions"] + EVERY:
            some = seeds if play.decisions >= decisions else seeds[:BETWEEN_EPISODES]
            curve.append(_point(play.decisions, scores.of(play.motor.tensors, some), play))
            print(f"in play, seed {seed}, {arm}: {_said(curve[-1])}", flush=True)
    return {
        "tier": tier + 1, "lessons": lessons_of, "curve": curve,
        "config": msgspec.to_builtins(config), "decisions_per_s": play.decisions / (time.perf_counter() - start),
    }  # fmt: skip


class Scores:
    """Scores on unseen seeds. Weights that were played already are not played again: runs repeat to the bit."""

    def __init__(self, tier: int) -> None:
        self._tier = tier
        self._known: dict[str, dict[int, float]] = {}

    def of(self, tensors: Tensors, seeds: range) -> list[float]:
        """Of the likeliest actions, in seconds."""
        known = self._known.setdefault(content_sha256(tensors), {})
        missing = [seed for seed in seeds if seed not in known]
        if missing:
            known |= dict(zip(missing, greedy_scores(tensors, missing, self._tier), strict=True))
        return [known[seed] for seed in seeds]


def _point(decisions: int, scores: list[float], play: InPlay) -> dict[str, Any]:
    """One point of the curve: scores on unseen seeds, those of the last runs of training, and figures."""
    recent = [result.score_s for result in play.results[-20:]]
    return {
        "decisions": decisions, "scores_s": scores, "runs": len(play.results),
        "played_s": round(float(np.mean(recent)), 1) if recent else None,
        "figures": {name: round(value, 4) for name, value in play.figures.items()},
    }  # fmt: skip


def _said(point: dict[str, Any]) -> str:
    explained = point["figures"].get("off_policy_value_explained", 0.0)
    return f"{point['decisions']} decisions, {np.mean(point['scores_s']):.0f} s, value explained {explained:.2f}"


def interval(scores: list[float]) -> dict[str, float]:
    """Mean with its 95 % bootstrap interval over runs."""
    value, low, high = bootstrap(scores)
    return {"mean": round(value, 1), "low": round(low, 1), "high": round(high, 1)}


def _compared(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """Before and after of all seeds of an arm."""
    before = [s for part in parts for s in part["curve"][0]["scores_s"]]
    after = [s for part in parts for s in part["curve"][-1]["scores_s"]]
    difference = paired_difference(after, before)
    return {
        "seeds": len(parts), "decisions": parts[0]["curve"][-1]["decisions"], "before_s": interval(before),
        "after_s": interval(after), "ratio": round(float(np.mean(after) / np.mean(before)), 3),
        "difference_s": {"mean": difference.value, "low": difference.low, "high": difference.high},
        "curve": [
            {"decisions": points[0]["decisions"], **interval([s for p in points for s in p["scores_s"]])}
            for points in zip(*(part["curve"] for part in parts), strict=False)
        ],
        "figures": [part["curve"][-1]["figures"] for part in parts],
    }  # fmt: skip


def _of_rewards(arms: dict[str, list[dict[str, Any]]]) -> dict[str, float]:
    """How far lessons with true rewards end above lessons with exchanged ones, paired by game seed."""
    pairs = list(zip(arms[TAUGHT], arms[TAUGHT_SHUFFLED], strict=False))
    if not pairs:
        return {}
    true, exchanged = ([s for pair in pairs for s in pair[k]["curve"][-1]["scores_s"]] for k in (0, 1))
    return paired_difference(true, exchanged)._asdict()


def _checks(arm: str, table: dict[str, Any]) -> dict[str, bool]:
    """What must hold of an arm; nothing where its gain is only reported."""
    before, after, difference = table["before_s"], table["after_s"], table["difference_s"]
    if arm == TAUGHT:
        return {
            "with lessons: twice the score before": table["ratio"] >= 2.0,
            "with lessons: the intervals are apart": after["low"] > before["high"],
        }
    if arm == SHUFFLED:
        return {"control, shuffled rewards: no gain": difference["low"] <= 0.0}
    if arm == TIER_1:
        return {"tier 1: not worse than by 5 %": difference["low"] >= -0.05 * before["mean"]}
    return {}


def summarise(rows: list[dict[str, Any]], reduced: bool) -> dict[str, Any]:
    """Every arm before and after, and the checks."""
    arms = {arm: [row[arm] for row in rows if row.get(arm)] for arm in ARMS}
    tables = {arm: _compared(parts) for arm, parts in arms.items() if parts}
    checks: dict[str, bool] = {}
    if not reduced:
        checks = {f"{arm} was run": arm in tables for arm in ARMS}
        for arm, table in tables.items():
            checks |= _checks(arm, table)
    added = _of_rewards(arms)
    if added and not reduced:
        tables[TAUGHT_SHUFFLED]["rewards_add_s"] = added
        checks["with lessons: true rewards end above exchanged ones"] = added["low"] > 0.0
    return {
        "rules": rules_hash(), "arms": tables, "checks": checks, "rows": rows,
        "passed": all(checks.values()),
    }  # fmt: skip
