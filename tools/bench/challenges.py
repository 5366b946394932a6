"""Champion and challenger simulated: how often a challenger that is no better is promoted, and how many runs it takes.

    python -m tools.bench.challenges [--trials 200] [--share 0.3333] [--seed 0] [--out FILE]

The challenge of play itself (`agent.store.contest`) deals the runs, is looked at after each one, promotes and discards,
with a store of its own for every trial. Only the scores are drawn: those of players that die from a gamma distribution,
those of a pilot from its share of wins (1200 s) and lost runs between 190 and 720 s. Then plays of 120 runs in which a
harmful learner offers one challenger after the other: what they cost of the mean of runs 61 to 120. Ends with 1 where a
challenger that is equal or worse was promoted in more than 5 % of the trials.
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

import numpy as np
import structlog

from agent.concurrency.lane import Lane
from agent.control.arrays import STILL
from agent.control.policy import Capabilities, Tensors
from agent.control.reward import CAP_S
from agent.control.score import EpisodeResult
from agent.core.clock import VirtualClock
from agent.core.statistics import ALPHA
from agent.core.types import Action, Observation
from agent.store.contest import BY_HAND_SHARE, Contest
from agent.store.reload import Reloader
from agent.store.store import WeightsStore
from tools.bench._result_file import publish

T = TypeVar("T")
Scores = Callable[[np.random.Generator], float]
PLAYED, LATE, MIN_RATIO = 120, 60, 0.9
"""Runs of a play with a harmful learner, those before the ones whose mean counts, and what that is to be of the
champion's."""
LOST_S: Final = (190.0, 720.0)
"""Where the lost runs lay of the pilot before the shipped one, which won 24 of 30."""
MEMORY: Final = Path("/dev/shm")
_FIRST: Final = Observation(0, STILL, None, 0, 1 / 60, 0.0, 0.0, True, False, False)


def dying(mean_s: float, sd_s: float) -> Scores:
    """Scores of a player that always dies: right-skewed, cut at the cap."""
    shape, scale = (mean_s / sd_s) ** 2, sd_s**2 / mean_s
    return lambda rng: min(CAP_S, float(rng.gamma(shape, scale)))


def winning(share: float) -> Scores:
    """Scores of a player that wins this share of its runs."""
    return lambda rng: CAP_S if rng.random() < share else float(rng.uniform(*LOST_S))


def mixed(share: float, one: Scores, other: Scores) -> Scores:
    """This share of the runs like one, the rest like the other."""
    return lambda rng: one(rng) if rng.random() < share else other(rng)


class Case(NamedTuple):
    """Whose scores the champion and the challenger have; may_promote: the challenger is better."""

    name: str
    champion: Scores
    challenger: Scores
    may_promote: bool = False


HARMFUL: Final = "harmful"
UNTRAINED: Final = dying(146.0, 43.0)
PILOT: Final = winning(0.87)
CASES: Final = (
    Case("equal, untrained", UNTRAINED, UNTRAINED),
    Case("equal, pilot", PILOT, PILOT),
    Case("slightly worse, 146 to 140 s", UNTRAINED, dying(140.0, 43.0)),
    Case("slightly worse, wins .87 to .84", PILOT, winning(0.84)),
    Case("worse mean, mostly better", dying(500.0, 50.0), mixed(0.8, dying(560.0, 50.0), dying(150.0, 40.0))),
    Case("harmful, 146 to 60 s", UNTRAINED, dying(60.0, 18.0)),
    Case("harmful, pilot to 100 s", PILOT, dying(100.0, 30.0)),
    Case("untrained to pilot", UNTRAINED, PILOT, may_promote=True),
    Case("124 to 401 s", dying(124.0, 41.0), dying(401.0, 146.0), may_promote=True),
    Case("wins .87 to .97", PILOT, winning(0.97), may_promote=True),
)


class _Inline(Lane):
    """Runs at once what it is given, so that a simulation needs no other thread."""

    def submit(self, fn: Callable[[], T]) -> Future[T]:
        future: Future[T] = Future()
        future.set_result(fn())
        return future

    async def run(self, fn: Callable[[], T]) -> T:
        return fn()


class _Player:
    """A policy whose one weight says whose scores its runs have."""

    name, kind, sizes = "player", "simulated", None
    layout: Final = {"who": 1}

    def __init__(self) -> None:
        self.tensors: Tensors = {"who": np.zeros(1, np.float32)}
        self.version = 0

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(reloadable=self)

    def warm_up(self) -> None: ...

    def initial(self, games: int) -> int:
        return 0

    def prepare(self, tensors: Tensors, where: str) -> Tensors:
        return tensors

    def load(self, prepared: Tensors, version: int) -> None:
        self.tensors, self.version = prepared, version

    def step(self, carry: int, observations: Sequence[Observation | None]) -> tuple[int, list[Action | None]]:
        return carry, [None] * len(observations)


def _done(coroutine: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that waits for nothing; raises RuntimeError where it does."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        found: T = stop.value
        return found
    coroutine.close()
    raise RuntimeError("a simulated challenge waited for something")


class _Play:
    """One game of a simulated player, with a challenge of its own."""

    def __init__(self, folder: Path, seed: int, share: float) -> None:
        self.policy, clock, self._lane = _Player(), VirtualClock(), _Inline("simulated")
        self._reloader = Reloader(self.policy, WeightsStore(folder), self._lane, self._lane, clock)
        self.contest = Contest(
            self._reloader, self._lane, self._lane, clock, share=share, games=1, seed=seed, min_learned=0
        )
        self._rng = np.random.default_rng((seed, 1))
        _done(self._reloader.begin(keep_given=False))
        _done(self.contest.begin())

    def offer(self) -> None:
        """The learner's challenger begins; raises RuntimeError where it is not taken."""
        if not _done(self.contest.offer({"who": np.ones(1, np.float32)}, "simulated", decisions=1)):
            raise RuntimeError("the challenger was not taken")

    def run(self, case: Case) -> tuple[bool, float]:
        """Play one run and look: whether it was the challenger's, and its score in seconds."""
        self.contest.pair.step(0, [_FIRST])
        theirs = bool(self.contest.pair.acting(0).tensors["who"][0])
        score_s = (case.challenger if theirs else case.champion)(self._rng)
        self.contest.ended(0, EpisodeResult(score_s, score_s, score_s >= CAP_S, 0, 1, score_s / 60, 1))
        _done(self.contest.look())
        return theirs, score_s

    def close(self) -> None:
        """End the play."""
        self.contest.close()
        self._reloader.close()
        self._lane.close()


def trial(case: Case, folder: Path, seed: int, *, share: float = BY_HAND_SHARE) -> tuple[str, str, int]:
    """One challenge to its end: what was decided, why, and after how many runs of both."""
    play, runs = _Play(folder, seed, share), 0
    play.offer()
    try:
        while play.contest.challenge.is_on:
            play.run(case)
            runs += 1
    finally:
        play.close()
    said = play.contest.challenge.record.decisions[-1]
    if bool(play.policy.tensors["who"][0]) != (said["decision"] == "promoted"):
        raise RuntimeError(f"{folder}: other weights act than were decided for")
    return said["decision"], said["why"], runs


def late_ratio(case: Case, folder: Path, seed: int, share: float) -> float:
    """A play in which the learner offers one challenger after the other: mean of its late runs over the champion's."""
    play, scores, of_champion = _Play(folder, seed, share), list[float](), list[float]()
    try:
        for _ in range(PLAYED):
            if not play.contest.challenge.is_on:
                play.offer()
            theirs, score_s = play.run(case)
            scores.append(score_s)
            if not theirs:
                of_champion.append(score_s)
    finally:
        play.close()
    return float(np.mean(scores[LATE:]) / np.mean(of_champion))


def harmful_learner(case: Case, trials: int, seed: int, share: float) -> dict[str, float]:
    """Of so many plays: the mean of `late_ratio`, and how often it is at least `MIN_RATIO`."""
    found = []
    for k in range(trials):
        with tempfile.TemporaryDirectory(prefix="challenge-", dir=MEMORY if MEMORY.is_dir() else None) as name:
            found.append(late_ratio(case, Path(name), seed + k, share))
    within = round(float(np.mean([ratio >= MIN_RATIO for ratio in found])), 4)
    return {"late_ratio": round(float(np.mean(found)), 4), "within_share": within}


def _median(runs: Sequence[int]) -> float | None:
    return float(np.median(runs)) if len(runs) else None


def simulated(case: Case, trials: int, seed: int, share: float) -> dict[str, Any]:
    """All trials of a case: shares of the decisions, and the median runs until each."""
    ends = []
    for k in range(trials):
        with tempfile.TemporaryDirectory(prefix="challenge-", dir=MEMORY if MEMORY.is_dir() else None) as name:
            ends.append(trial(case, Path(name), seed + k, share=share))
    promoted = [runs for decision, _, runs in ends if decision == "promoted"]
    discarded = [runs for decision, _, runs in ends if decision != "promoted"]
    return {
        "is_better": case.may_promote, "promoted": len(promoted), "promoted_share": round(len(promoted) / trials, 4),
        "lower_shown_share": round(sum("lower" in why for _, why, _ in ends) / trials, 4),
        "median_runs": _median([runs for *_, runs in ends]),
        "median_runs_promoted": _median(promoted), "median_runs_discarded": _median(discarded),
    }  # fmt: skip


def main() -> int:
    """Simulate every case, publish; 1 where one that is no better was promoted too often."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--share", type=float, default=round(BY_HAND_SHARE, 4), help="of the runs: the challenger's")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="write the result file here")
    args = parser.parse_args()
    if args.trials < 1 or not 0 < args.share <= 0.5:
        parser.error("--trials: at least 1; --share: above 0, at most 0.5")
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    cases = {}
    for case in CASES:
        cases[case.name] = simulated(case, args.trials, args.seed, args.share)
        print(case.name, cases[case.name], file=sys.stderr, flush=True)
    harmful = {}
    for case in CASES:
        if case.name.startswith(HARMFUL):
            harmful[case.name] = harmful_learner(case, args.trials, args.seed, args.share)
            print("one after the other:", case.name, harmful[case.name], file=sys.stderr, flush=True)
    false = max(c["promoted_share"] for c in cases.values() if not c["is_better"])
    values = {
        "trials": args.trials, "share": args.share, "seed": args.seed, "looks": "after every run",
        "most_false_promotions": false, "limit": ALPHA, "passed": false <= ALPHA, "cases": cases,
        "harmful_learner": harmful,
    }  # fmt: skip
    publish("challenges", values, args.out)
    return 0 if values["passed"] else 1


if __name__ == "__main__":
    sys.exit(main())
