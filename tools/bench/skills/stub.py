"""Random scales of four shipped skills through the real gate: how many are accepted, which should be at most 5 %.

    python -m tools.bench.skills.stub [--candidates 40] [--episodes 20] [--out docs/results/skill_stub.json]

Each candidate is composed and plays its 20 seeds of every skill's task; the gate judges it against uniform TIES and the
best skill, as `skills compose` does. Measurements are kept, so a run that was broken off goes on.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from agent.core.statistics import bootstrap
from agent.games.arena.rules_hash import rules_hash
from agent.learning.merging.gate import BASE, CANDIDATE, UNIFORM, judge
from agent.learning.merging.recipe import Recipe, merge
from agent.models.sealed import Tensors
from agent.planning.weighting import random_weights
from tools.bench._result_file import publish
from tools.bench.skills._measured import Kept
from tools.bench.skills.swaps import shipped

SEED = 63_000_000


def trials(
    kept: Kept, base: Tensors, skills: dict[str, Tensors], candidates: int, episodes: int, seed: int
) -> list[dict[str, Any]]:
    """One row for each candidate: its scales, and the gate's verdict. Every candidate has seeds of its own."""
    names, models, draw = list(skills), list(skills.values()), random_weights(seed)
    rows = []
    for k in range(candidates):
        scales = draw(names)
        at = seed + 1000 * (k % 2)  # two sets of seeds, on which everybody else is measured but once
        players = {BASE: base, UNIFORM: merge(base, models, Recipe()).tensors, **skills}
        players[CANDIDATE] = merge(base, models, Recipe(weights=scales)).tensors
        verdict = judge(kept.of_players(players, at, episodes), kept.tasks)
        rows.append({
            "scales": [round(s, 3) for s in scales], "accepted": verdict.accepted, "overall": verdict.overall,
            "why": verdict.why,
        })  # fmt: skip
        print(rows[-1], file=sys.stderr, flush=True)
    return rows


def main() -> None:
    """Draw, play and judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--skills", default="bow,gold,shrines,chests")
    parser.add_argument("--candidates", type=int, default=40)
    parser.add_argument("--episodes", type=int, default=20)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--folder", type=Path, help="a folder of skills beside the shipped ones")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    base, skills, tasks = shipped(args.folder)
    names = args.skills.split(",")
    rows = trials(
        Kept({n: tasks[n] for n in names}), base, {n: skills[n] for n in names}, args.candidates, args.episodes,
        args.seed,
    )  # fmt: skip
    share = bootstrap([float(row["accepted"]) for row in rows])
    values = {
        "rules": rules_hash(), "skills": names, "episodes": args.episodes, "candidates": len(rows), "rows": rows,
        "accepted": sum(row["accepted"] for row in rows), "share": list(share), "passed": share.value <= 0.05,
    }  # fmt: skip
    publish("skill_stub", values, args.out)
    sys.exit(not values["passed"])


if __name__ == "__main__":
    main()
