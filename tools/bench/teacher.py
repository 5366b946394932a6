"""The script that gives a pilot's lessons in the arena, against itself without the hunt for the boss, on the same runs.

    python -m tools.bench.teacher [--runs 400] [--seed 800000] [--out docs/results/teacher.json]

Without the hunt: it calls the boss after 160 s at any level, then keeps away from him as from the rest, and fears less.
A score is the time survived, a win counting as the cap. Passes where the 95 % interval (bootstrap over pairs) of the
difference in score is above zero.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from agent.core.statistics import summary
from agent.games.arena.rules_hash import rules_hash
from agent.training.arena.batch import ArenaBatch, EndedRun
from agent.training.arena.teacher import KNOBS, Knobs, Teacher
from tools.bench._result_file import publish

WITHOUT_HUNT = KNOBS._replace(hunt=0.0, boss_level=0.0, fear=1.0)


def first_runs(knobs: Knobs, count: int, seed: int) -> list[EndedRun]:
    """How the first run of each of `count` games ends."""
    batch, teacher = ArenaBatch(count, seed), Teacher(knobs)
    ended: dict[int, EndedRun] = {}
    while len(ended) < count:
        outcome = batch.step(*teacher.act(batch))
        for row, run in zip(np.flatnonzero(outcome.is_last), outcome.ended, strict=True):
            ended.setdefault(int(row), run)
    return [ended[k] for k in range(count)]


def main() -> None:
    """Play both and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=400)
    parser.add_argument("--seed", type=int, default=800_000)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    played = {"teacher": KNOBS, "without_hunt": WITHOUT_HUNT}
    found = {name: first_runs(knobs, args.runs, args.seed) for name, knobs in played.items()}
    scores = {name: np.array([run.score_s for run in runs]) for name, runs in found.items()}
    difference = summary((scores["teacher"] - scores["without_hunt"]).tolist())
    players = {
        name: {"knobs": knobs._asdict(), "wins": sum(r.won for r in found[name]),
               "score_s": summary(scores[name].tolist())}
        for name, knobs in played.items()
    }  # fmt: skip
    values = {
        "rules": rules_hash(), "seed": args.seed, "runs": args.runs, **players, "difference_s": difference,
        "passed": difference["mean_low"] > 0.0,
    }  # fmt: skip
    publish("teacher", values, args.out)
    sys.exit(0 if values["passed"] else 1)


if __name__ == "__main__":
    main()
