"""Champion and challenger simulated: how often a challenger that is no better is promoted, and how many runs it takes.

    python -m tools.bench.challenges [--trials 200] [--share 0.3333] [--seed 0] [--out FILE]

The challenge of play itself (`agent.store.contest`) deals the runs, is looked at after each one, promotes and discards,
with a store of its own for every trial. Only the scores are drawn: those of players that die from a gamma distribution,
those of a pilot from its share of wins (1200 s) and lost runs between 190 and 720 s. Ends with 1 where a challenger
that is equal or worse was promoted in more than 5 % of the trials.
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
LOST_S: Final = (190.0, 720.0)
"""Where the lost runs lay of the pilot before the shipped one, which won 24 of 30."""
MEMORY: Final = Path("/dev/shm")


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


def trial(case: Case, folder: Path, seed: int, *, share: float = BY_HAND_SHARE) -> tuple[str, str, int]:
    """One challenge to its end: what was decided, why, and after how many runs of both."""
    policy, clock, lane = _Player(), VirtualClock(), _Inline("simulated")
    reloader = Reloader(policy, WeightsStore(folder), lane, lane, clock)
    contest = Contest(reloader, lane, lane, clock, share=share, games=1, seed=seed, min_learned=0)
    rng, runs = np.random.default_rng((seed, 1)), 0
    first = Observation(0, STILL, None, 0, 1 / 60, 0.0, 0.0, True, False, False)
    _done(reloader.begin(keep_given=False))
    _done(contest.begin())
    if not _done(contest.offer({"who": np.ones(1, np.float32)}, "simulated", decisions=1)):
        raise RuntimeError(f"{folder}: the challenger was not taken")
    try:
        while contest.challenge.is_on:
            contest.pair.step(0, [first])
            theirs = bool(contest.pair.acting(0).tensors["who"][0])
            score_s = (case.challenger if theirs else case.champion)(rng)
            contest.ended(0, EpisodeResult(score_s, score_s, score_s >= CAP_S, 0, 1, score_s / 60, 1))
            runs += 1
            _done(contest.look())
    finally:
        contest.close()
        reloader.close()
        lane.close()
    said = contest.challenge.record.decisions[-1]
    if bool(policy.tensors["who"][0]) != (said["decision"] == "promoted"):
        raise RuntimeError(f"{folder}: other weights act than were decided for")
    return said["decision"], said["why"], runs


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
    false = max(c["promoted_share"] for c in cases.values() if not c["is_better"])
    values = {
        "trials": args.trials, "share": args.share, "seed": args.seed, "looks": "after every run",
        "most_false_promotions": false, "limit": ALPHA, "passed": false <= ALPHA, "cases": cases,
    }  # fmt: skip
    publish("challenges", values, args.out)
    return 0 if values["passed"] else 1


if __name__ == "__main__":
    sys.exit(main())
