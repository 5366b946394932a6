"""Random scales of shipped skills through the gate: how many are accepted, which should be at most 5 %.

    python -m tools.bench.skills.stub [--simulated 1000] [--played 0] [--out docs/results/skill_stub.json]

Played: each candidate is composed and plays its 20 seeds of every skill's task, as in `skills compose`; that takes half
a minute of processor time for each. Simulated: the same gate on drawn episodes. A task's mean is a share of its skill's
measured gain, which falls with the square of what the scales differ from the best ones, and those are drawn near 1 for
each trial, so that uniform TIES is good but not best. Luck is normal with the spread that the skill's episodes have
without it; half of its variance belongs to the seed. Control: scales at the best must be accepted far more often.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np

from agent.core.statistics import bootstrap
from agent.games.arena.rules_hash import rules_hash
from agent.learning.merging.gate import BASE, CANDIDATE, UNIFORM, Scores, Task, judge
from agent.learning.merging.recipe import Recipe, merge
from agent.models.sealed import Tensors
from agent.planning.weighting import random_weights
from tools.bench._result_file import publish
from tools.bench.skills._measured import Kept
from tools.bench.skills.swaps import recorded, shipped

SEED = 63_000_000
NEAR = 0.25
"""Spread of the best scales around 1."""
UNIFORM_SHARE = 0.5
"""What uniform scales keep of a skill's gain where they are the best ones."""
CURVE = 0.25
"""What of the gain is lost at a distance of 1 from the best scale, for the skill itself, and for all as much."""


def played(
    kept: Kept, base: Tensors, skills: dict[str, Tensors], candidates: int, episodes: int, seed: int
) -> list[dict[str, Any]]:
    """One row for each candidate that plays: its scales, and the gate's verdict."""
    names, models, draw = list(skills), list(skills.values()), random_weights(seed)
    rows = []
    for _ in range(candidates):
        scales = draw(names)
        players = {BASE: base, UNIFORM: merge(base, models, Recipe()).tensors, **skills}
        players[CANDIDATE] = merge(base, models, Recipe(weights=scales)).tensors
        verdict = judge(kept.of_players(players, seed, episodes), kept.tasks)
        rows.append({"scales": [round(s, 3) for s in scales], "accepted": verdict.accepted, "why": verdict.why})
        print(rows[-1], file=sys.stderr, flush=True)
    return rows


def drawn_scores(
    scales: np.ndarray, best: np.ndarray, spreads: np.ndarray, episodes: int, rng: np.random.Generator
) -> Scores:
    """Episodes of everybody on the same seeds; values are shares of the skills' gains."""

    def means(of: np.ndarray) -> np.ndarray:
        off = np.square(of - best)
        return UNIFORM_SHARE - CURVE * (off + off.mean())

    count = len(best)
    rows = {BASE: np.zeros(count), UNIFORM: means(np.ones(count)), CANDIDATE: means(scales)}
    rows |= {f"skill {k}": np.eye(count)[k] for k in range(count)}
    shared = rng.normal(0, np.sqrt(0.5), (count, episodes))
    return {
        who: {
            f"task {k}": mean[k] + spreads[k] * (shared[k] + rng.normal(0, np.sqrt(0.5), episodes))
            for k in range(count)
        }
        for who, mean in rows.items()
    }  # fmt: skip


def simulated(spreads: np.ndarray, trials: int, episodes: int, seed: int) -> dict[str, int]:
    """How many random scales are accepted, and how many of the best ones."""
    rng, draw, count = np.random.default_rng(seed), random_weights(seed), len(spreads)
    tasks = [Task(f"task {k}", f"skill {k}") for k in range(count)]
    accepted = {"random": 0, "best": 0}
    for _ in range(trials):
        best = np.clip(rng.normal(1.0, NEAR, count), 0.0, 2.0)
        for who, scales in (("random", np.array(draw([str(k) for k in range(count)]))), ("best", best)):
            accepted[who] += judge(drawn_scores(scales, best, spreads, episodes, rng), tasks).accepted
    return accepted


def spreads_of(names: list[str]) -> np.ndarray:
    """Standard deviation of each task's episodes without the skill, a share of its gain, as the manifests have both."""
    found, rows = [], recorded()[0]
    for name in names:
        mean, low, high = rows[name]["without"]
        spread = (high - low) / 3.92 * np.sqrt(rows[name]["episodes"])
        found.append(float(spread / max(abs(rows[name]["with"][0] - mean), 1e-9)))
    return np.array(found)


def main() -> None:
    """Draw, play and judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--skills", default="bow,robinette,shrines,gold")
    parser.add_argument("--simulated", type=int, default=1000)
    parser.add_argument("--played", type=int, default=0)
    parser.add_argument("--episodes", type=int, default=20)
    parser.add_argument("--folder", type=Path, help="a folder of skills beside the shipped ones")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    base, skills, tasks = shipped(args.folder)
    names = args.skills.split(",")
    kept, skills = Kept({n: tasks[n] for n in names}), {n: skills[n] for n in names}
    spreads = spreads_of(names)
    accepted = simulated(spreads, args.simulated, args.episodes, SEED)
    rows = played(kept, base, skills, args.played, args.episodes, SEED)
    share = bootstrap(np.repeat([1.0, 0.0], [accepted["random"], args.simulated - accepted["random"]]))
    values = {
        "rules": rules_hash(), "skills": names, "episodes": args.episodes, "spreads": spreads.round(3).tolist(),
        "simulated": {"trials": args.simulated, **accepted, "random_share": list(share)},
        "played": {"candidates": len(rows), "accepted": sum(row["accepted"] for row in rows), "rows": rows},
        "passed": accepted["random"] <= 0.05 * args.simulated,
    }  # fmt: skip
    publish("skill_stub", values, args.out)
    sys.exit(not values["passed"])


if __name__ == "__main__":
    main()
