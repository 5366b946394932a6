"""A harmful learner in play: what its challengers cost, and whether they are found out.

Eight arenas of tier 3 in lock-step, as fast as they can be played, the shipped pilot as the champion, one run in three
the challenger's (METABONK_CHALLENGER_SHARE), 120 runs of an arm. The learner is PPO, the default of play, spoilt:

- `lr x 100`: its learning rate is a hundred times the default;
- `reversed reward`: it is paid the table `score` with the sign turned;
- `reversed reward, untrained`: the same at ten times the learning rate, from an untrained pilot that is the champion:
  its runs are short, so that the ends, which alone the reversed table pays otherwise, are many. Each rollout is learned
  from.

Cards by outcomes are off: they are no part of what is offered. So that an arm ends within half an hour of one core, one
rollout in four is learned from; a challenger is offered after a quarter of the decisions that play waits for, so they
come as often. The store, the contest and the learner's process are those of play; only the sockets are left out.

An arm holds where none of its challengers was promoted, one at least was discarded with its figures, the share halved
once for each that was found worse, and the mean score of runs 61 to 120 is at least 0.9 of the champion's. Where none
was found worse, the runs of challengers must not lie below the champion's; `share_halved` says in which arms the share
halved at all. The champion's own runs in the same play are
the control.

BENCH_STEPS sets another number of runs.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np

from agent.control.motor import pilot_tensors
from agent.control.policies import SHIPPED
from agent.control.reward import SCORE, Weights
from agent.control.untrained import untrained_tensors
from agent.core.statistics import bootstrap
from agent.games.arena.rules_hash import rules_hash
from agent.learning.configs import PILOT_PPO, Budget
from agent.store.challenge import MIN_SHARE, WORSE
from agent.store.contest import BY_HAND_SHARE, MIN_LEARNED, WHY
from tools.bench.learning.served._lockstep import CHAMPION, LockstepContest, Play, Run

DEFAULT_SEEDS: Final = 3
RUNS, REDUCED_RUNS, FIRST = 120, 4, 60
"""Runs of an arm, and those before the ones whose mean counts."""
MIN_RATIO: Final = 0.9
TIER: Final = 3
SHARE: Final = BY_HAND_SHARE
ONE_IN: Final = 4
REVERSED: Final = Weights("reversed", minute=-SCORE.minute)
UNTRAINED_REVERSED: Final = "reversed reward, untrained"


class Harm(NamedTuple):
    """How a learner is spoilt: what it is paid, and its learning rate as a multiple.

    shipped: the shipped pilot is the champion, else an untrained one. one_in: one of so many rollouts is learned from.
    learned: decisions before the next challenger is offered.
    """

    paid_by: Weights = SCORE
    lr: float = 1.0
    shipped: bool = True
    one_in: int = ONE_IN
    learned: int = MIN_LEARNED // ONE_IN


HARMS: Final = {
    "lr x 100": Harm(lr=100.0),
    "reversed reward": Harm(REVERSED),
    UNTRAINED_REVERSED: Harm(REVERSED, 10.0, shipped=False, one_in=1, learned=MIN_LEARNED),
}
ARMS: Final = tuple(HARMS)
REDUCED_ARMS: Final = ("lr x 100",)


def budget_of(harm: Harm) -> Budget:
    """What the learner's process is told."""
    pilot = msgspec.structs.replace(PILOT_PPO, lr=PILOT_PPO.lr * harm.lr)
    return Budget(pilot=pilot, use_world=False, use_dreams=False, use_active_inference=False)


def one_arm(seed: int, arm: str, reduced: bool) -> dict[str, Any]:
    """One play to its end."""
    harm, count = HARMS[arm], REDUCED_RUNS if reduced else int(os.environ.get("BENCH_STEPS") or RUNS)
    start = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="harmful-") as folder:
        play = Play(
            folder=Path(folder), share=SHARE, tier=TIER, seed=seed, budget=budget_of(harm), paid_by=harm.paid_by,
            one_in=harm.one_in, min_learned=harm.learned,
        )  # fmt: skip
        champion = pilot_tensors(SHIPPED) if harm.shipped else untrained_tensors(seed)
        session = LockstepContest(champion, play)
        session.play(count)
    return {
        **figures(session.runs, session.status(), FIRST),
        "tier": TIER, "said": [said for said in session.said if said["kind"].startswith("challenger")],
        "status": session.status(), "runs_by": [msgspec.to_builtins(run) for run in session.runs],
        "minutes": round((time.perf_counter() - start) / 60.0, 1),
    }  # fmt: skip


def interval(scores: Sequence[float]) -> dict[str, float] | None:
    """Mean with its 95 % bootstrap interval over runs, and their number."""
    if not scores:
        return None
    value, low, high = bootstrap(scores)
    return {"runs": len(scores), "mean": round(value, 1), "low": round(low, 1), "high": round(high, 1)}


def figures(runs: Sequence[Run], status: dict[str, Any], first: int) -> dict[str, Any]:
    """What the challengers cost: the champion's runs, those after the first ones, and what was decided."""
    champion = [run.score_s for run in runs if run.by == CHAMPION]
    late = runs[first:]
    of_champion = [run.score_s for run in late if run.by == CHAMPION]
    mean = float(np.mean([run.score_s for run in late])) if late else 0.0
    challenge = status["challenge"]
    return {
        "runs": len(runs), "champion_s": interval(champion),
        "others_s": interval([run.score_s for run in runs if run.by != CHAMPION]),
        "late_s": interval([run.score_s for run in late]), "late_champion_s": interval(of_champion),
        "late_challengers": len(late) - len(of_champion),
        "ratio": round(mean / float(np.mean(champion)), 3) if champion else 0.0,
        "ratio_to_champion_of_the_same_runs": round(mean / float(np.mean(of_champion)), 3) if of_champion else 0.0,
        "first_one_in": round(1 / challenge["share"]), "last_one_in": round(1 / challenge["next_share"]),
        "found_worse": sum(d["why"] == WHY[WORSE] for d in challenge["decisions"]),
        "promoted": challenge["promoted"], "discarded": challenge["discarded"], "decisions": challenge["decisions"],
    }  # fmt: skip


def _halved(table: dict[str, Any]) -> bool:
    wanted = min(table["first_one_in"] * 2 ** table["found_worse"], round(1 / MIN_SHARE))
    return bool(table["last_one_in"] == wanted)


def _not_below(others: dict[str, float] | None, champion: dict[str, float] | None) -> bool:
    return others is None or (champion is not None and others["high"] >= champion["low"])


def _checks(arm: str, table: dict[str, Any]) -> dict[str, bool]:
    said = [d for d in table["decisions"] if d["decision"] == "discarded"]
    return {
        f"{arm}: no challenger was promoted": table["promoted"] == 0,
        f"{arm}: challengers were discarded with their figures": len(said) > 0
        and all(d["why"] and d["won_minus_lost"] for d in said),
        f"{arm}: the share halved for each that was found worse": _halved(table),
        f"{arm}: where none was found worse, their runs are not below the champion's": table["found_worse"] > 0
        or _not_below(table["others_s"], table["champion_s"]),
        f"{arm}: runs {FIRST + 1} to {RUNS} score at least {MIN_RATIO} of the champion's": table["ratio"] >= MIN_RATIO,
    }


def summarise(rows: list[dict[str, Any]], reduced: bool) -> dict[str, Any]:
    """Every arm of every seed, and the checks."""
    checks: dict[str, bool] = {}
    halved: dict[str, bool] = {}
    for row in [] if reduced else rows:
        for arm in (arm for arm in ARMS if arm in row):
            name = f"seed {row['seed']}, {arm}"
            checks |= _checks(name, row[arm])
            halved[name] = row[arm]["last_one_in"] > row[arm]["first_one_in"]
    return {"rules": rules_hash(), "share": SHARE, "tier": TIER, "share_halved": halved, "checks": checks, "rows": rows,
            "passed": all(checks.values())}  # fmt: skip
